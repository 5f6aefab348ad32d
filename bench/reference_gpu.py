"""Whole models on an NVIDIA GPU: this program beside PyTorch, full-size random weights, in bfloat16.

    python bench/reference_gpu.py PROGRAM [--device cuda] [--work FOLDER] [--rounds N] [--compile]
        [--json FILE]

PROGRAM is bench_gpu_models. Ours is timed from pixels in memory to results in memory; PyTorch's figure is the forward
pass alone, its inputs on the card already. Medians in milliseconds; the memory of the card that was in use at most, in MiB,
weights included: of ours as the set tells, of PyTorch torch.cuda.max_memory_allocated. --compile times torch.compile
too (OWLv2 with one prompt, SAM 2.1's encoder, V-JEPA 2), as far as it comes in --compile-seconds. The checkpoints are
made at the first call in FOLDER (2.5 GB). tools/gpu_check.sh calls this where PyTorch is installed.
"""

import argparse
import gc
import json
import os
import re
import signal
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


def times_of(output):
    """(milliseconds, MiB or None) by name, of whole lines "name milliseconds [MiB]"."""
    rows = re.findall(r"^(\w+) ([\d.]+)(?: ([\d.]+))?\n", output, re.MULTILINE)
    return {name: (float(milliseconds), float(memory) if memory else None) for name, milliseconds, memory in rows}


def ours(arguments, precision, folders, graphs="on"):
    """As times_of."""
    models = [folders[name] for name in ("owlv2", "sam2", "vjepa2")]
    command = [*arguments.start.split(), arguments.program, arguments.device, precision, *models, str(arguments.rounds)]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "SOWLV2_CUDA_GRAPHS": graphs})
    if result.returncode != 0:
        print(f"{arguments.program} ended with {result.returncode}")
    return times_of(result.stdout)


def compiled(arguments, folders):
    """As times_of, of torch.compile, in a process of its own: compiling can be stopped only together with it."""
    command = [sys.executable, __file__, arguments.program, "--compiled", json.dumps(folders), "--rounds", str(arguments.rounds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        output = process.communicate(timeout=arguments.compile_seconds)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output = process.communicate()[0]
        print(f"torch.compile was stopped after {arguments.compile_seconds} s", flush=True)
    if process.returncode > 0:
        print(f"torch.compile: ended with {process.returncode}", flush=True)
    return times_of(output)


class Torch:
    """PyTorch's forward passes on the card."""

    def __init__(self, rounds, compiled):
        import torch

        self.torch, self.rounds, self.compiled, self.times = torch, rounds, compiled, {}

    def time(self, name, call):
        """The median of the rounds after a warm-up; what fails is told and left out."""
        torch = self.torch
        try:
            torch.cuda.reset_peak_memory_stats()
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
            self.times[name] = (statistics.median(times), torch.cuda.max_memory_allocated() / 2**20)
            if self.compiled:
                print(name, *self.times[name], flush=True)
        except Exception as error:  # a version of transformers that wants other arguments, say
            told = str(error).splitlines() or [""]
            print(f"torch, {name}: {type(error).__name__}: {told[0]}", file=sys.stderr if self.compiled else sys.stdout, flush=True)

    def prepared(self, part):
        return self.torch.compile(part, mode="reduce-overhead") if self.compiled else part

    def detector(self, folder):
        torch = self.torch
        from transformers import Owlv2ForObjectDetection

        model = Owlv2ForObjectDetection.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="sdpa")
        model = model.eval().cuda()
        if self.compiled:
            model.forward = self.prepared(model.forward)
        rows = [("owlv2_1_prompt", 1, 1), ("owlv2_4_prompts", 4, 1), ("owlv2_256_prompts", 256, 1), ("owlv2_batch_8", 1, 8)]
        for name, prompts, images in rows[:1] if self.compiled else rows:  # each shape is compiled anew
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
        if self.compiled:
            return
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


def torch_times(arguments, folders, is_compiled):
    """As times_of."""
    side = Torch(arguments.rounds, is_compiled)
    parts = [("detector", "owlv2"), ("scorer", "vjepa2"), ("segmenter", "sam2"), ("tracker", "sam2")]
    for part, model in parts[:3] if is_compiled else parts:
        if folders[model] != "-" and part in arguments.only:
            getattr(side, part)(folders[model])
            gc.collect()  # the next part's memory begins without this one's model
            side.torch.cuda.empty_cache()
    return side.times


def table(what, columns, at, form):
    """One number of each row: `at` 0 milliseconds, 1 memory."""
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    print(f"{what:22s}" + "".join(f"{name:>22s}" for name in columns))
    for name in names:
        cells = [column.get(name, (None, None))[at] for column in columns.values()]
        if any(cell is not None for cell in cells):
            print(f"{name:22s}" + "".join(" " * 21 + "-" if cell is None else f"{cell:22{form}}" for cell in cells), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--work", default=str(ROOT / ".parity"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--compile", action="store_true", help="time torch.compile too")
    parser.add_argument("--compile-seconds", type=float, default=100)
    parser.add_argument("--compiled", metavar="FOLDERS", help=argparse.SUPPRESS)  # this is the process of compiled()
    parser.add_argument("--graphs", action="store_true", help="time ours without graphs too")
    parser.add_argument("--precisions", nargs="+", default=["bf16"])
    parser.add_argument("--only", nargs="+", default=["detector", "segmenter", "tracker", "scorer"])
    parser.add_argument("--start", default="", help="what stands before PROGRAM, to run it")
    parser.add_argument("--json")
    parser.add_argument("--no-torch", action="store_true")
    arguments = parser.parse_args()
    if arguments.compiled:
        torch_times(arguments, json.loads(arguments.compiled), True)
        return
    folders = make_models(Path(arguments.work))
    print("models:", folders, flush=True)
    columns = {}
    for precision in arguments.precisions:
        columns[f"ours {precision}"] = ours(arguments, precision, folders)
        if arguments.graphs:
            columns[f"ours {precision}, no graphs"] = ours(arguments, precision, folders, "off")
    if not arguments.no_torch:
        columns["torch bf16"] = torch_times(arguments, folders, False)
    if not arguments.no_torch and arguments.compile:
        columns["torch bf16, compiled"] = compiled(arguments, folders)
    table("milliseconds", columns, 0, ".3f")
    table("MiB at most", columns, 1, ".1f")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(columns, indent=1))


if __name__ == "__main__":
    main()
