"""Whole models on an NVIDIA GPU: this program beside PyTorch, full-size random weights, in bfloat16.

    python bench/reference_gpu.py PROGRAM [--device cuda] [--work FOLDER] [--rounds N] [--compile] [--json FILE]

PROGRAM is bench_gpu_models. Ours is timed from pixels in memory to results in memory; PyTorch's figure is the forward
pass alone, its inputs on the card already. Medians in milliseconds. The checkpoints are made at the first call in FOLDER
(2.5 GB). tools/gpu_check.sh calls this where PyTorch is installed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for part in ("tools", "tests/reference"):
    sys.path.insert(0, str(ROOT / part))

import fullsize  # noqa: E402

SIZE = (720, 1280)
PROMPTS = [f"a photo of thing {i}" for i in range(256)]


def make_models(work):
    """The three checkpoint folders, made side by side."""
    fullsize.CACHE = work
    code = (
        f"import sys; sys.path[:0] = {[str(ROOT / 'tools'), str(ROOT / 'tests/reference')]!r};"
        f"import fullsize; from pathlib import Path; fullsize.CACHE = Path({str(work)!r});"
    )
    parts = {
        "owlv2": "print(fullsize.model_folder('base', fullsize.CACHE))",
        "sam2": "import parity_sam2; print(parity_sam2.model_folder('small', video=True))",
        "vjepa2": "import parity_vjepa2; print(parity_vjepa2.model_folder(fullsize.CACHE))",
    }
    running = {
        name: subprocess.Popen([sys.executable, "-c", code + part], stdout=subprocess.PIPE, text=True)
        for name, part in parts.items()
    }
    folders = {}
    for name, process in running.items():
        out = process.communicate()[0]
        folders[name] = out.strip().splitlines()[-1] if process.returncode == 0 else "-"
    return folders


def ours(program, start, device, precision, folders, rounds):
    """Milliseconds by name."""
    command = [*start.split(), program, device, precision, folders["owlv2"], folders["sam2"], folders["vjepa2"], str(rounds)]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        print(f"{program} ended with {result.returncode}")
    return {name: float(value) for name, value in map(str.split, result.stdout.splitlines())}


class Torch:
    """PyTorch's forward passes on the card."""

    def __init__(self, rounds, compiled):
        import torch

        self.torch, self.rounds, self.compiled, self.times = torch, rounds, compiled, {}

    def time(self, name, call):
        """The median of the rounds after a warm-up; what fails is told and left out."""
        torch = self.torch
        try:
            with torch.no_grad():
                for _ in range(4):
                    call()
                times = []
                for _ in range(self.rounds):
                    torch.cuda.synchronize()
                    start = time.perf_counter()
                    call()
                    torch.cuda.synchronize()
                    times.append(1e3 * (time.perf_counter() - start))
            self.times[name] = statistics.median(times)
        except Exception as error:  # a version of transformers that wants other arguments, say
            print(f"torch, {name}: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)

    def prepared(self, part):
        return self.torch.compile(part, mode="max-autotune-no-cudagraphs") if self.compiled else part

    def detector(self, folder):
        torch = self.torch
        from transformers import Owlv2ForObjectDetection

        model = Owlv2ForObjectDetection.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="sdpa")
        model = model.eval().cuda()
        if self.compiled:
            model.forward = self.prepared(model.forward)
        for name, prompts, images in (
            ("owlv2_1_prompt", 1, 1), ("owlv2_4_prompts", 4, 1), ("owlv2_256_prompts", 256, 1), ("owlv2_batch_8", 1, 8),
        ):
            inputs = dict(
                pixel_values=torch.randn(images, 3, 960, 960, device="cuda", dtype=torch.bfloat16),
                input_ids=torch.randint(1, 400, (images * prompts, 16), device="cuda"),
                attention_mask=torch.ones(images * prompts, 16, dtype=torch.int64, device="cuda"),
            )
            self.time(name, lambda: model(**inputs))

    def segmenter(self, folder):
        torch = self.torch
        from transformers import Sam2Model

        model = Sam2Model.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="sdpa").eval().cuda()
        pixels = torch.randn(1, 3, 1024, 1024, device="cuda", dtype=torch.bfloat16)
        embed = self.prepared(model.get_image_embeddings)
        box = torch.tensor([[[100.0, 100.0, 300.0, 300.0]]], device="cuda")
        self.time(
            "sam2_image_1", lambda: model(image_embeddings=list(embed(pixels)), input_boxes=box, multimask_output=False)
        )
        with torch.no_grad():
            features = [f.clone() for f in embed(pixels)]
        for count in (1, 8, 64):
            corner = torch.rand(1, count, 2, device="cuda") * 500
            boxes = torch.cat([corner, corner + 200], -1)
            self.time(
                f"sam2_decode_{count}",
                lambda: model(image_embeddings=[f.clone() for f in features], input_boxes=boxes, multimask_output=False),
            )

    def tracker(self, folder):
        torch = self.torch
        import numpy as np
        from transformers import Sam2ImageProcessor, Sam2VideoModel, Sam2VideoProcessor, Sam2VideoVideoProcessor

        model = Sam2VideoModel.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="sdpa").eval().cuda()
        if self.compiled:
            model.vision_encoder.forward = self.prepared(model.vision_encoder.forward)
            model.memory_attention.forward = self.prepared(model.memory_attention.forward)
        processor = Sam2VideoProcessor(Sam2ImageProcessor(), Sam2VideoVideoProcessor())
        frame = np.random.default_rng(3).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
        inputs = processor(images=frame, device="cuda", return_tensors="pt")
        pixels = inputs.pixel_values[0].to(torch.bfloat16)
        for objects in (1, 4, 16):
            session = processor.init_video_session(inference_device="cuda", dtype=torch.bfloat16)
            boxes = [[20.0 + 310 * (i % 4), 10.0 + 170 * (i // 4), 260.0 + 310 * (i % 4), 160.0 + 170 * (i // 4)] for i in range(objects)]
            try:
                processor.add_inputs_to_inference_session(
                    inference_session=session, frame_idx=0, obj_ids=list(range(1, objects + 1)), input_boxes=[boxes],
                    original_size=inputs.original_sizes[0],
                )
                with torch.no_grad():
                    for _ in range(8):
                        model(inference_session=session, frame=pixels)
            except Exception as error:
                print(f"torch, tracking: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
                return
            self.time(f"sam2_track_{objects}", lambda: model(inference_session=session, frame=pixels))

    def scorer(self, folder):
        torch = self.torch
        from transformers import VJEPA2Model

        model = VJEPA2Model.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="sdpa").eval().cuda()
        clip = torch.randn(1, 16, 3, 256, 256, device="cuda", dtype=torch.bfloat16)
        features = self.prepared(model.get_vision_features)
        self.time("vjepa2_16", lambda: features(clip))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--work", default=str(ROOT / ".parity"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--compile", action="store_true", help="time torch.compile too, which takes minutes")
    parser.add_argument("--precisions", nargs="+", default=["bf16"])
    parser.add_argument("--only", nargs="+", default=["detector", "segmenter", "tracker", "scorer"])
    parser.add_argument("--start", default="", help="what stands before PROGRAM, to run it")
    parser.add_argument("--json")
    parser.add_argument("--no-torch", action="store_true")
    arguments = parser.parse_args()
    folders = make_models(Path(arguments.work))
    print("models:", folders, flush=True)
    columns = {}
    for precision in arguments.precisions:
        columns[f"ours {precision}"] = ours(arguments.program, arguments.start, arguments.device, precision, folders, arguments.rounds)
    for compiled in [] if arguments.no_torch else [False, True] if arguments.compile else [False]:
        torch_side = Torch(arguments.rounds, compiled)
        for part, model in (("detector", "owlv2"), ("segmenter", "sam2"), ("tracker", "sam2"), ("scorer", "vjepa2")):
            if folders[model] != "-" and part in arguments.only:
                getattr(torch_side, part)(folders[model])
        columns["torch bf16, compiled" if compiled else "torch bf16"] = torch_side.times
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    print(f"{'milliseconds':22s}" + "".join(f"{name:>22s}" for name in columns))
    for name in names:
        cells = (f"{column[name]:22.3f}" if name in column else " " * 21 + "-" for column in columns.values())
        print(f"{name:22s}" + "".join(cells), flush=True)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(columns, indent=1))


if __name__ == "__main__":
    main()
