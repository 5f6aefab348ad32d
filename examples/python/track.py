"""Follows things through a video and prints what is where, frame by frame.

    python track.py film.mp4 cat dog [--detector ID] [--segmenter ID]
"""

import argparse

import sowlv2

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("video", help="a file, a URL, a camera")
parser.add_argument("prompts", nargs="+")
parser.add_argument("--detector")
parser.add_argument("--segmenter")
arguments = parser.parse_args()

for frame in sowlv2.track(
    arguments.video, arguments.prompts, detector=arguments.detector, segmenter=arguments.segmenter
):
    seen = [f"{item.number} {item.label}" for item in frame if item.box is not None]
    print(f"{frame.time:7.2f} s: {', '.join(seen) or 'nothing'}")
