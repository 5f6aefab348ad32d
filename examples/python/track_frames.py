"""Follows an object through frames from any source, one by one: here pictures of a folder.

    python track_frames.py 59,37,190,164 frames/*.jpg [--segmenter ID]
"""

import argparse

import sowlv2

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("box", help="x0,y0,x1,y1 in pixels of the first frame")
parser.add_argument("frames", nargs="+")
parser.add_argument("--segmenter")
arguments = parser.parse_args()

with sowlv2.Tracker(arguments.segmenter) as tracker:
    tracker.frame(arguments.frames[0])
    tracker.add(box=[float(value) for value in arguments.box.split(",")])
    print(arguments.frames[0], tracker.run())
    for path in arguments.frames[1:]:
        (track,) = tracker.track(path)
        where = track.mask.box.tolist() if track.visible else "out of sight"
        print(path, where, f"{track.confidence:.2f}")
