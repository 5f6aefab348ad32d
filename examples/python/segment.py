"""Cuts out what a box names, corrects it by points, and prints its outline.

    python segment.py photo.jpg 40,60,380,420 [--not-here 90,90] [--segmenter ID]
"""

import argparse

import sowlv2

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("image")
parser.add_argument("box", help="x0,y0,x1,y1 in pixels")
parser.add_argument("--not-here", help="x,y of a point that is not of the object")
parser.add_argument("--segmenter")
arguments = parser.parse_args()
box = [float(value) for value in arguments.box.split(",")]

segmenter = sowlv2.Segmenter(arguments.segmenter)
with segmenter.image(arguments.image) as image:  # the costly part, once
    mask = image.segment(boxes=[box])[0]
    print(f"{mask.area} pixels, quality {mask.score:.2f}")
    if arguments.not_here:
        point = [float(value) for value in arguments.not_here.split(",")]
        mask = image.segment(boxes=[box], points=[[point]], labels=[[0]])[0]
        print(f"without that point: {mask.area} pixels, quality {mask.score:.2f}")
for outline in mask.polygons():
    print("outline of", len(outline), "points, from", outline[0].tolist())
