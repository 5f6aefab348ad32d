"""Full-size random V-JEPA 2 end to end: bench_vjepa2 against the pinned reference, and both's processor time.

    python tools/parity_vjepa2.py [--frames 16] [--repeats 2] [--threads 2] [--build build] [--cache .parity]
                                  [--predict] [--no-reference]

Makes ViT-L with random weights once into the cache folder, runs both on the same frames and compares the
features (and, with --predict, the predictor's output). Times are processor seconds over threads, which other
programs on the machine disturb less than wall time. Ends with 1 where anything differs.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "reference"))

from fullsize import CACHE, require_reference

ROOT = Path(__file__).resolve().parent.parent
TOLERANCE = 1e-4


def model_folder(cache):
    """ViT-L at 256 with its predictor, as facebook/vjepa2-vitl-fpc64-256 has it (1.3 GB)."""
    from make_vjepa2 import randomise, write_processor
    from transformers import VJEPA2Config, VJEPA2Model

    folder = Path(cache) / "vjepa2-large"
    if (folder / "complete").exists():
        return folder
    print(f"making {folder} ...", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    model = VJEPA2Model(VJEPA2Config())
    randomise(model, 41)
    model.save_pretrained(folder)
    write_processor({"config": {"crop_size": 256}}, folder)
    (folder / "complete").touch()
    return folder


def reference(folder, clip, arguments):
    """Features, predictions and processor seconds of each pass, preprocessing included."""
    import torch
    from transformers import AutoVideoProcessor, VJEPA2Model

    torch.set_num_threads(arguments.threads)
    processor = AutoVideoProcessor.from_pretrained(folder)
    model = VJEPA2Model.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    video = torch.from_numpy(clip).permute(0, 3, 1, 2).contiguous()
    passes = []
    for _ in range(arguments.repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        with torch.no_grad():
            values = processor([video], return_tensors="pt")["pixel_values_videos"]
            output = model(values, skip_predictor=not arguments.predict)
        passes.append({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu})
    found = [output.last_hidden_state[0]]
    if arguments.predict:
        found.append(output.predictor_output.last_hidden_state[0])
    return [tensor.numpy() for tensor in found], passes


def ours(folder, clip, arguments):
    import numpy as np

    with tempfile.TemporaryDirectory() as temporary:
        raw, out = Path(temporary) / "frames.rgb", Path(temporary) / "out.f32"
        clip.tofile(raw)
        frames, height, width, _ = clip.shape
        command = [Path(arguments.build) / "bench" / "bench_vjepa2", folder, arguments.threads, frames, width, height]
        command += [raw, out, arguments.repeats] + (["predict"] if arguments.predict else [])
        result = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE)
        report = json.loads(result.stdout)
        values = np.fromfile(out, np.float32)
    return list(values.reshape(2 if arguments.predict else 1, -1, 1024)), report


def compare(name, found, expected):
    """Prints the largest difference; True where every value is within the tolerance."""
    import numpy as np

    difference = np.abs(found.astype(np.float64) - expected)
    excess = (difference / (TOLERANCE + TOLERANCE * np.abs(expected))).max()
    good = bool(excess <= 1)  # NaN is not
    print(f"  {name}: largest difference {difference.max():.2e}, {excess:.3f} of the tolerance"
          f" (values up to {np.abs(expected).max():.1f})")
    return good


def main():
    require_reference()
    import numpy as np
    from make_vjepa2 import clip_of

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--build", default=str(ROOT / "build"), help="build folder")
    parser.add_argument("--cache", default=str(CACHE))
    parser.add_argument("--predict", action="store_true", help="the predictor too")
    parser.add_argument("--no-reference", action="store_true", help="time and memory of ours alone")
    arguments = parser.parse_args()
    folder = model_folder(arguments.cache)
    clip = clip_of(1, arguments.frames, 360, 480, np.random.default_rng(5))[0]
    values, report = ours(folder, clip, arguments)
    seconds = statistics.median(p["cpu"] for p in report["passes"]) / arguments.threads
    print(f"ViT-L, {arguments.frames} frames: {seconds:.2f} processor seconds a thread, peak {report['peak_kb'] / 1e6:.2f} GB")
    if arguments.no_reference:
        return
    expected, passes = reference(folder, clip, arguments)
    theirs = statistics.median(p["cpu"] for p in passes) / arguments.threads
    print(f"  reference: {theirs:.2f}; ratio {seconds / theirs:.3f}")
    good = [compare(name, *pair) for name, *pair in zip(("features", "predicted"), values, expected)]
    print("parity: passed" if all(good) else "parity: FAILED")
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
