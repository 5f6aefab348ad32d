"""Says which frames of a video matter, and saves them.

    python key_frames.py film.mp4 [--count 8] [--save chosen/] [--model ID]
"""

import argparse

import sowlv2

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("video")
parser.add_argument("--count", type=int, default=8)
parser.add_argument("--save", default="chosen")
parser.add_argument("--model", help="hub id or folder of a V-JEPA 2 model; demo: the small one")
arguments = parser.parse_args()

report = sowlv2.KeyFrames(arguments.model).choose(arguments.video, arguments.count, pictures=arguments.save)
for index in report.chosen:
    print(f"frame {report.source_numbers[index]} at {report.times[index]:.2f} s, score {report.scores[index]:.2f}")
