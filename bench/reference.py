"""`make bench-reference`: OWLv2 base at 960, this program beside the pinned PyTorch, in f32.

    python bench/reference.py [--build build] [--threads N] [--rounds N] [--cpu LEVEL]
                              [--model base]

Both are warm and take turns in one run (ours, torch, ours, torch, ...), with one and with four prompts, on
the same weights, picture and threads. Printed: medians, ratios (of the medians, and in brackets of the best
times), four prompts against one, the rate reached, the rate of torch's own product of the largest linear layer,
model-open time and peak memory. Other work on the machine moves every number: only the ratios of one run mean
something, and where the two kinds of ratio differ much, the machine was busy.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from fullsize import CACHE, SHAPES, model_folder, require_reference  # noqa: E402
from pipe import Pipe  # noqa: E402

TEXTS = ["a photo of a cat", "a photo of a cup of coffee", "a photo of a helmet", "a photo of a spoon"]
THRESHOLD = 0.8


class Program(Pipe):
    """Our side: bench/detect.c."""

    def __init__(self, program, model, threads, level):
        super().__init__([program, model, threads, *([level] if level else [])])
        self.open_seconds = float(self.read().split()[1])


class Torch:
    """The reference's side."""

    def __init__(self, folder, image):
        import torch
        from transformers import Owlv2ForObjectDetection

        import owlv2_models as models

        self.models, self.torch, self.image = models, torch, image
        start = time.perf_counter()
        self.model = Owlv2ForObjectDetection.from_pretrained(folder, dtype=torch.float32).eval()
        self.open_seconds = time.perf_counter() - start
        self.processor = models.processor_of(folder)

    def run(self, texts):
        """Seconds of preprocessing and of the forward pass, and the number of boxes."""
        start = time.perf_counter()
        inputs = self.models.prepare(self.processor, texts, [self.image], 16)
        ready = time.perf_counter()
        with self.torch.no_grad():
            output = self.model(**inputs)
        done = time.perf_counter()
        scores = output.logits.max(-1).values.sigmoid()
        return ready - start, done - ready, int((scores > THRESHOLD).sum())


def flops(shape, prompts):
    """Multiply-adds counted as two: towers, attention, heads. Text as the reference computes it, 16 tokens a prompt."""

    def tower(config, tokens):
        width, mlp = config["hidden_size"], config["intermediate_size"]
        linear = 2 * tokens * (4 * width * width + 2 * width * mlp)
        return config["num_hidden_layers"] * (linear + 4 * tokens * tokens * width)

    vision, text = shape["vision"], shape["text"]
    patches = (vision["image_size"] // vision["patch_size"]) ** 2
    width = vision["hidden_size"]
    heads = 2 * patches * (4 * width * width + width * text["hidden_size"])
    patch = 2 * patches * width * 3 * vision["patch_size"] ** 2
    return tower(vision, patches + 1) + patch + heads + prompts * tower(text, 16)


def product_rate(torch, shape):
    """GFLOP/s of torch's f32 product of the largest linear layer; best of a few, the machine being shared."""
    vision = shape["vision"]
    tokens = (vision["image_size"] // vision["patch_size"]) ** 2 + 1
    layer = torch.nn.Linear(vision["hidden_size"], vision["intermediate_size"])
    x = torch.randn(tokens, vision["hidden_size"])
    times = []
    with torch.no_grad():
        for _ in range(8):
            start = time.perf_counter()
            layer(x)
            times.append(time.perf_counter() - start)
    work = 2 * tokens * vision["hidden_size"] * vision["intermediate_size"]
    return work / statistics.median(times) / 1e9


def measure(ours, torch_side, rounds, shape):
    """Takes turns; returns the samples by (side, prompts)."""
    samples = {(side, n): [] for side in ("ours", "torch", "torch preprocess", "ours prompts") for n in (1, 4)}
    rates = []
    for turn in range(rounds + 1):
        for count in (1, 4):
            texts = TEXTS[:count]
            encode = float(ours.ask("prompts " + "\t".join(texts)))
            seconds, boxes = ours.ask(f"detect {THRESHOLD}").split()
            before, forward, torch_boxes = torch_side.run(texts)
            if turn == 0:  # warm-up
                print(f"  {count} prompts: {boxes} boxes, the reference {torch_boxes}", flush=True)
                continue
            samples["ours", count].append(float(seconds) + encode)
            samples["ours prompts", count].append(encode)
            samples["torch", count].append(forward)
            samples["torch preprocess", count].append(before)
            print(
                f"  turn {turn}, {count} prompts: ours {float(seconds) + encode:.2f} s, "
                f"torch {forward:.2f} s + {before:.2f} s preprocessing",
                flush=True,
            )
        rates.append(product_rate(torch_side.torch, shape))
    return samples, statistics.median(rates)


def report(samples, product, shape, ours, torch_side):
    print(f"\n{'':26s}{'1 prompt':>16s}{'4 prompts':>16s}{'4 / 1':>16s}")

    def both(values, others):
        """The ratio of the medians, and of the best times."""
        median = statistics.median(values) / statistics.median(others)
        return f"{median:.3f} ({min(values) / min(others):.3f})".rjust(16)

    for name in ("ours", "ours prompts", "torch", "torch preprocess"):
        one, four = samples[name, 1], samples[name, 4]
        title = {"ours": "ours, whole", "ours prompts": "  of it prompts", "torch": "torch, model(**inputs)"}
        cells = "".join(f"{statistics.median(v):14.3f} s" for v in (one, four))
        print(f"{title.get(name, 'torch, preprocessing'):26s}{cells}" + both(four, one))
    whole = {n: [a + b for a, b in zip(samples["torch", n], samples["torch preprocess", n])] for n in (1, 4)}
    for title, other in (("ours / torch forward", lambda n: samples["torch", n]), ("ours / torch whole", whole.get)):
        print(f"{title:26s}" + "".join(both(samples["ours", n], other(n)) for n in (1, 4)))
    median = {n: statistics.median(samples["ours", n]) for n in (1, 4)}
    rate = [flops(shape, n) / median[n] / 1e9 for n in (1, 4)]
    print(f"\nwork: {flops(shape, 1) / 1e9:.0f} GFLOP with one prompt")
    print(f"ours: {rate[0]:.0f} GFLOP/s; torch's product of the largest linear layer: {product:.0f} GFLOP/s")
    print(f"ours / product rate: {rate[0] / product:.2f}")
    print(f"model open: ours {ours.open_seconds:.2f} s, torch {torch_side.open_seconds:.2f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory: ours {int(ours.ask('memory')) / 1e6:.2f} GB, torch {peak / 1e6:.2f} GB")


def main():
    require_reference()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build"), help="build folder")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cpu", help="force a CPU level")
    parser.add_argument("--model", default="base", choices=list(SHAPES))
    parser.add_argument("--cache", default=str(CACHE))
    arguments = parser.parse_args()
    program = Path(arguments.build) / "bench" / "bench_detect"
    if not program.exists():
        raise SystemExit(f"{program} is missing: run make first")

    import torch

    from photos import photographs

    folder = model_folder(arguments.model, arguments.cache)
    torch.set_num_threads(arguments.threads)
    image = photographs()["coffee"]
    print(f"OWLv2 {arguments.model}, {arguments.threads} threads, torch {torch.__version__}, {image.width}x{image.height}")
    with tempfile.NamedTemporaryFile(suffix=".rgb") as raw:
        raw.write(image.tobytes())
        raw.flush()
        ours = Program(program, folder, arguments.threads, arguments.cpu)
        ours.ask(f"image {image.width} {image.height} {raw.name}")
        torch_side = Torch(folder, image)
        samples, product = measure(ours, torch_side, arguments.rounds, SHAPES[arguments.model])
    report(samples, product, SHAPES[arguments.model], ours, torch_side)
    ours.close()


if __name__ == "__main__":
    main()
