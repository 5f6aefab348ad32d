"""Finds things in a picture by what they are called, and saves the picture with what was found.

    python find.py photo.jpg cat "red bicycle" [--detector ID] [--segmenter ID] [--save found.png]
"""

import argparse
from pathlib import Path

import sowlv2

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("image")
parser.add_argument("prompts", nargs="+")
parser.add_argument("--detector", help="hub id or folder of an OWLv2 model; demo: the small one")
parser.add_argument("--segmenter", help="the same of a SAM 2.1 model")
parser.add_argument("--save", default="found.png")
arguments = parser.parse_args()

found = sowlv2.find(
    arguments.image, arguments.prompts, detector=arguments.detector, segmenter=arguments.segmenter
).sorted()
for item in found:
    x0, y0, x1, y1 = item.box
    print(f"{item.label}: {item.score:.2f} at {x0:.0f},{y0:.0f} to {x1:.0f},{y1:.0f}, {item.mask.area} pixels")
picture = found._repr_png_()  # what a notebook shows
if picture is not None:
    Path(arguments.save).write_bytes(picture)
