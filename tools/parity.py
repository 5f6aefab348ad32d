"""`make parity`: full-size random OWLv2 models end to end, `sowlv2 detect` against the pinned reference.

    python tools/parity.py [--models base,large] [--build build] [--cache .parity] [--cpu LEVEL]

Makes the models once into the cache folder, runs both on the same photographs (PNG, JPEG, one turned by
EXIF) with the same prompts and compares number, order, labels, scores and boxes. The threshold is put into
a gap between the reference's scores, so that no box hangs on rounding. Ends with 1 where anything differs.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fullsize import CACHE, SHAPES, model_folder, require_reference

ROOT = Path(__file__).resolve().parent.parent

PROMPTS = ("cat", "cup of coffee", "an astronaut's helmet", "white spoon")
SCORE_TOLERANCE = 1e-4
BOX_TOLERANCE = 0.05 / 1000  # of the image's longer side
WANTED = (10, 200)  # boxes an image, for a comparison that means something; more only where some would have too few
GAP = 1.2e-4  # between the threshold and the nearest score: more than the scores' tolerance


def write_pictures(folder):
    """Photographs in the formats that people have. Returns the files in the order of their names."""
    from PIL import Image

    from photos import photographs

    folder.mkdir(parents=True, exist_ok=True)
    pictures = photographs()
    pictures["chelsea"].save(folder / "chelsea.png")
    pictures["coffee"].save(folder / "coffee.jpg", quality=90)
    turned = pictures["astronaut"].crop((40, 0, 440, 512))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(folder / "turned.jpg", quality=92, subsampling=0, exif=exif)
    return sorted(folder.iterdir())


class Outputs:
    """The parts of the reference's output that the comparison needs."""

    def __init__(self, logits, pred_boxes):
        self.logits, self.pred_boxes = logits, pred_boxes


def reference_outputs(folder, files):
    """The reference's logits, boxes and image sizes, one forward pass an image; kept beside the model for next time."""
    import torch
    import torchvision
    import transformers
    from PIL import Image, ImageOps
    from safetensors.torch import load_file, save_file
    from transformers import Owlv2ForObjectDetection

    import owlv2_models as models

    versions = "\0".join((*PROMPTS, torch.__version__, torchvision.__version__, transformers.__version__))
    key = hashlib.sha256(versions.encode() + b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    kept = folder / f"reference-{key}.bin"
    images = [ImageOps.exif_transpose(Image.open(file)).convert("RGB") for file in files]
    processor = models.processor_of(folder)
    if not kept.exists():
        model = Owlv2ForObjectDetection.from_pretrained(folder, dtype=torch.float32).eval()
        texts = [f"a photo of {prompt}" for prompt in PROMPTS]
        tensors = {}
        for index, (file, image) in enumerate(zip(files, images)):
            inputs = models.prepare(processor, texts, [image], 16)
            started = time.perf_counter()
            with torch.no_grad():
                output = model(**inputs)
            print(f"  reference, {file.name}: {time.perf_counter() - started:.1f} s", flush=True)
            tensors |= {f"{index}.logits": output.logits, f"{index}.pred_boxes": output.pred_boxes}
        save_file(tensors, kept)
    tensors = load_file(kept)
    return processor, [
        (Outputs(tensors[f"{i}.logits"], tensors[f"{i}.pred_boxes"]), image.height, image.width)
        for i, image in enumerate(images)
    ]


def choose_threshold(results):
    """A threshold inside a gap of at least 2 GAP that leaves a useful number of boxes in every image."""
    import torch

    scores = [torch.sigmoid(output.logits.max(-1).values).flatten() for output, _, _ in results]
    merged = torch.cat(scores).sort(descending=True).values.tolist()
    best = None
    for above, below in zip(merged, merged[1:]):
        if above - below < 2 * GAP:
            continue
        threshold = (above + below) / 2
        counts = [int((s > threshold).sum()) for s in scores]
        enough = sum(c >= WANTED[0] for c in counts)
        not_too_many = sum(c <= WANTED[1] for c in counts)
        key = (enough, not_too_many, -sum(counts))
        if best is None or key > best[0]:
            best = (key, threshold, counts)
    if best is None or best[0][0] == 0:
        raise SystemExit("no threshold with a gap around it: change the model's seed")
    return best[1]


def reference_rows(processor, results, threshold):
    """What results.jsonl must hold: the reference's boxes, clipped, empty ones dropped; and label margins."""
    import torchvision

    rows = []
    for output, height, width in results:
        result = processor.post_process_grounded_object_detection(
            output, threshold=threshold, target_sizes=[(height, width)]
        )[0]
        boxes = torchvision.ops.clip_boxes_to_image(result["boxes"], (height, width))
        kept = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        top = output.logits[0].topk(2).values
        margins = (top[:, 0] - top[:, 1])[top[:, 0].sigmoid() > threshold][kept]
        rows.append(
            dict(
                width=width,
                height=height,
                boxes=boxes[kept].tolist(),
                scores=result["scores"][kept].tolist(),
                labels=[PROMPTS[i] for i in result["labels"][kept]],
                margins=margins.tolist(),
            )
        )
    return rows


def our_rows(program, folder, pictures, threshold, level):
    """Runs the program; its rows by file name."""
    with tempfile.TemporaryDirectory() as output:
        command = [program, "detect", "--owl-model", folder, "--input", pictures, "--output", output, "--prompt"]
        command += [*PROMPTS, "--threshold", repr(threshold), "--sam-model", "none", "--no-overlay"]
        command += ["--precision", "f32", "--batch-size", "1"]
        command += ["--cpu", level] if level else []
        started = time.perf_counter()
        subprocess.run([str(part) for part in command], check=True)
        print(f"  sowlv2: {time.perf_counter() - started:.1f} s for all", flush=True)
        lines = (Path(output) / "results.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["image"]: row for row in map(json.loads, lines)}


def compare(name, expected, row):
    """Prints one line of the table; True where all is as the reference has it."""
    if row is None:
        print(f"  {name:14s} no row: FAILED")
        return False
    objects = row["objects"]
    faults = []
    if (row["width"], row["height"]) != (expected["width"], expected["height"]):
        faults.append(f"size {row['width']}x{row['height']}")
    score = box = 0.0
    if len(objects) != len(expected["boxes"]):
        faults.append(f"{len(objects)} boxes")
    else:
        limit = BOX_TOLERANCE * max(expected["width"], expected["height"])
        for thing, b, s, label, margin in zip(
            objects, expected["boxes"], expected["scores"], expected["labels"], expected["margins"]
        ):
            score = max(score, abs(thing["score"] - s))
            box = max(box, *(abs(p - q) for p, q in zip(thing["box"], b)))
            if thing["prompt"] != label and margin > GAP:
                faults.append(f"object {thing['id']}: label {thing['prompt']!r} instead of {label!r}")
        if not score <= SCORE_TOLERANCE:
            faults.append("scores")
        if not box <= limit:
            faults.append("boxes")
    verdict = "ok" if not faults else "FAILED: " + "; ".join(faults[:4])
    print(
        f"  {name:14s} {expected['width']:5d} x {expected['height']:<5d} {len(expected['boxes']):5d} boxes   "
        f"score {score:.2e}   box {box:.2e} px   {verdict}"
    )
    return not faults


def check(name, arguments):
    cache = Path(arguments.cache)
    folder = model_folder(name, cache)
    pictures = cache / "pictures"
    shutil.rmtree(pictures, ignore_errors=True)
    files = write_pictures(pictures)
    print(f"OWLv2 {name}:", flush=True)
    processor, results = reference_outputs(folder, files)
    threshold = choose_threshold(results)
    expected = reference_rows(processor, results, threshold)
    ours = our_rows(arguments.program, folder, pictures, threshold, arguments.cpu)
    print(f"  threshold {threshold:.6f}; largest differences:")
    return all([compare(file.name, row, ours.get(file.name)) for file, row in zip(files, expected)])


def main():
    require_reference()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="base", help="comma-separated: " + ", ".join(SHAPES))
    parser.add_argument("--build", default=str(ROOT / "build"), help="build folder")
    parser.add_argument("--cache", default=str(CACHE))
    parser.add_argument("--cpu", help="force a CPU level")
    arguments = parser.parse_args()
    arguments.program = Path(arguments.build) / "sowlv2"
    if not arguments.program.exists():
        raise SystemExit(f"{arguments.program} is missing: run make first")
    passed = [check(name, arguments) for name in arguments.models.split(",")]
    print("parity: passed" if all(passed) else "parity: FAILED")
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
