"""`make bench-reference-track`: SAM 2.1 tracking, this program beside the pinned PyTorch, in f32.

    python bench/reference_track.py [--build build] [--threads N] [--rounds N] [--model small] [--objects 1 4]

Both follow the same objects through the same frames with full-size random weights. The memory is filled first (8
frames); then they take turns, a frame each (ours, torch, ours, torch, ...). Printed: medians and their ratio, and in
brackets the ratio of the best times. A frame is everything: preprocessing, encoder, memory attention, decoder, memory
encoder, masks at the frame's size. Only the ratios of one run mean something.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from fullsize import require_reference  # noqa: E402
from pipe import Pipe  # noqa: E402

SIZE = (720, 1280)
BOXES = [(100, 100, 420, 500), (500, 80, 760, 420), (800, 200, 1180, 640), (300, 420, 640, 700)]
FILL = 8


def make_frames(count):
    """A photograph that slides."""
    from photos import photographs

    picture = np.asarray(photographs()["coffee"].resize((SIZE[1] + 100, SIZE[0] + 100)))
    return [np.ascontiguousarray(picture[3 * i : 3 * i + SIZE[0], 5 * i : 5 * i + SIZE[1]]) for i in range(count)]


class Ours(Pipe):
    def __init__(self, program, model, threads, raw, count):
        super().__init__([program, model, threads, SIZE[1], SIZE[0], raw, count])
        self.read()

    def start(self, boxes):
        self.ask("start " + " ".join(",".join(map(str, box)) for box in boxes))

    def next(self):
        return tuple(map(float, self.ask("next").split()))


class Torch:
    def __init__(self, folder, frames):
        import torch
        from transformers import Sam2ImageProcessor, Sam2VideoModel, Sam2VideoProcessor, Sam2VideoVideoProcessor

        self.torch, self.frames = torch, frames
        self.model = Sam2VideoModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.processor = Sam2VideoProcessor(Sam2ImageProcessor(), Sam2VideoVideoProcessor())

    def start(self, boxes):
        self.session = self.processor.init_video_session(inference_device="cpu", dtype=self.torch.float32)
        self.at = 0
        inputs = self.processor(images=self.frames[0], device="cpu", return_tensors="pt")
        self.processor.add_inputs_to_inference_session(
            inference_session=self.session, frame_idx=0, obj_ids=list(range(1, len(boxes) + 1)),
            input_boxes=[[list(map(float, box)) for box in boxes]], original_size=inputs.original_sizes[0],
        )
        self.forward(inputs)

    def forward(self, inputs):
        with self.torch.no_grad():
            output = self.model(inference_session=self.session, frame=inputs.pixel_values[0])
            self.processor.post_process_masks([output.pred_masks], original_sizes=inputs.original_sizes, binarize=True)
        self.at += 1

    def next(self):
        start = time.perf_counter()
        inputs = self.processor(images=self.frames[self.at % len(self.frames)], device="cpu", return_tensors="pt")
        self.forward(inputs)
        return time.perf_counter() - start


def main():
    require_reference()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build"), help="build folder")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="small")
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--folder", help="a model folder, instead of a random model")
    arguments = parser.parse_args()
    program = Path(arguments.build) / "bench" / "bench_track"
    if not program.exists():
        raise SystemExit(f"{program} is missing: run make first")

    import torch

    from parity_sam2 import model_folder

    folder = Path(arguments.folder) if arguments.folder else model_folder(arguments.model, video=True)

    torch.set_num_threads(arguments.threads)
    frames = make_frames(20)
    print(f"SAM 2.1 {arguments.model}, {arguments.threads} threads, torch {torch.__version__}, {SIZE[1]}x{SIZE[0]}")
    with tempfile.NamedTemporaryFile(suffix=".rgb") as raw:
        for frame in frames:
            raw.write(frame.tobytes())
        raw.flush()
        ours = Ours(program, folder, arguments.threads, raw.name, len(frames))
    reference = Torch(folder, frames)
    for count in arguments.objects:
        ours.start(BOXES[:count])
        reference.start(BOXES[:count])
        for _ in range(FILL):
            ours.next()
            reference.next()
        times = {"ours": [], "encoder": [], "torch": []}
        for _ in range(arguments.rounds):
            whole, encoder = ours.next()
            times["ours"].append(whole)
            times["encoder"].append(encoder)
            times["torch"].append(reference.next())
            print(f"  {count} objects: ours {whole:.2f} s, torch {times['torch'][-1]:.2f} s", flush=True)
        median = {name: statistics.median(values) for name, values in times.items()}
        print(
            f"{count} objects: ours {median['ours']:.3f} s (encoder {median['encoder']:.3f}), torch {median['torch']:.3f} s: "
            f"{median['ours'] / median['torch']:.3f} ({min(times['ours']) / min(times['torch']):.3f})", flush=True,
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory: ours {int(ours.ask('memory')) / 1e6:.2f} GB, torch {peak / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
