"""A whole job: everything in a folder, images and videos, into an output folder. Go on after Ctrl-C with --resume.

    python folder.py photos/ out/ cat dog [--resume] [--detector ID] [--segmenter ID]
"""

import argparse

import sowlv2

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder")
parser.add_argument("output")
parser.add_argument("prompts", nargs="+")
parser.add_argument("--resume", action="store_true")
parser.add_argument("--detector")
parser.add_argument("--segmenter")
arguments = parser.parse_args()

report = sowlv2.run(
    arguments.folder,
    arguments.prompts,
    arguments.output,
    resume=arguments.resume,
    detector=arguments.detector,
    segmenter=arguments.segmenter,
    progress=True,
)
print(f"{report.done} done, {report.failed} failed, {report.objects} objects in {report.seconds:.1f} s")
