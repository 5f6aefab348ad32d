"""The Optimization Guide's pipeline.

    python guide.py video.mp4 out/ person dog [--owl-model ID] [--sam-model ID] [--vjepa2-model ID]
"""

import argparse

from sowlv2.data.config import PipelineBaseData
from sowlv2.optimizations import OptimizedSOWLv2Pipeline, ParallelConfig, create_vjepa2_optimizer

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("video")
parser.add_argument("output")
parser.add_argument("prompts", nargs="+")
parser.add_argument("--owl-model", default="google/owlv2-base-patch16-ensemble")
parser.add_argument("--sam-model", default="facebook/sam2.1-hiera-small")
parser.add_argument("--vjepa2-model", default="facebook/vjepa2-vitl-fpc16-256-ssv2")
arguments = parser.parse_args()

config = PipelineBaseData(
    owl_model=arguments.owl_model, sam_model=arguments.sam_model, vjepa2_model=arguments.vjepa2_model, device="cuda"
)
pipeline = OptimizedSOWLv2Pipeline(config, ParallelConfig(max_workers=8, batch_size=4))
pipeline.vjepa2_optimizer = create_vjepa2_optimizer(config)
report = pipeline.process_video(arguments.video, arguments.prompts, arguments.output)
counts = report.parts[0].counts
print(f"{counts['frames']} frames, {counts['filled_in']} of them filled in, {counts['objects']} objects followed")
