"""What is measured: rows, contenders, models and the pixels that all of them get."""

import random
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
for part in ("tools", "tests/reference"):
    sys.path.insert(0, str(ROOT / part))

SIZE = (720, 1280)  # of the frames, h and w
FRAMES = 24
FILL = 8  # frames that fill a tracker's memory
THRESHOLD = 0.8
NOUNS = ["cat", "cup of coffee", "helmet", "spoon"] + [f"thing {i}" for i in range(4, 256)]

# name: (kind, count, extra, model, what it is)
ROWS = {
    "detect-1": ("detect", 1, 1, "owlv2", "OWLv2 base 960, 1 prompt"),
    "detect-4": ("detect", 4, 1, "owlv2", "4 prompts"),
    "encode": ("encode", 1, 0, "sam2", "SAM 2.1 small, image encoded"),
    "decode-1": ("decode", 1, 0, "sam2", "1 box decoded"),
    "decode-8": ("decode", 8, 0, "sam2", "8 boxes"),
    "decode-64": ("decode", 64, 0, "sam2", "64 boxes"),
    "track-1": ("track", 1, FILL, "sam2", "tracked frame, 1 object"),
    "track-4": ("track", 4, FILL, "sam2", "4 objects"),
    "track-16": ("track", 16, FILL, "sam2", "16 objects"),
    "score-16": ("score", 16, 0, "vjepa2", "V-JEPA 2 ViT-L, 16 frames of 256"),
    "score-64": ("score", 64, 0, "vjepa2", "64 frames of 256"),
}
CURVES = {
    "detect-16": ("detect", 16, 1, "owlv2", "16 prompts"),
    "detect-256": ("detect", 256, 1, "owlv2", "256 prompts"),
    "images-2": ("detect", 1, 2, "owlv2", "2 images a pass"),
    "images-4": ("detect", 1, 4, "owlv2", "4 images a pass"),
    "images-8": ("detect", 1, 8, "owlv2", "8 images a pass"),
}
# The points of each curve, by what they cost more of.
PROMPT_CURVE = {1: "detect-1", 4: "detect-4", 16: "detect-16", 256: "detect-256"}
IMAGE_CURVE = {1: "detect-1", 2: "images-2", 4: "images-4", 8: "images-8"}
ALL = ROWS | CURVES
SETS = {"main": list(ROWS), "curves": sorted({*PROMPT_CURVE.values(), *IMAGE_CURVE.values()}), "all": list(ALL)}

CONTENDERS = {
    "ours-f32": "ours, f32",
    "ours-bf16": "ours, bf16",
    "ours-int8": "ours, int8",
    "torch-f32": "PyTorch f32",
    "torch-bf16": "PyTorch bf16, autocast",
    "torch-f32-compiled": "PyTorch f32, compiled",
    "torch-bf16-compiled": "PyTorch bf16, compiled",
    "ort-f32": "ONNX Runtime f32",
    "ort-int8": "ONNX Runtime int8, dynamic",
    "openvino-f32": "OpenVINO f32",
    "openvino-bf16": "OpenVINO bf16",
    "openvino-int8": "OpenVINO int8",
}


def chosen(words, known, sets):
    """The names that `words` mean, in their own order; a set or a part of a name stands for all that it fits."""
    names = set()
    for word in words:
        fits = sets.get(word) or [name for name in known if word == name] or [name for name in known if word in name]
        if not fits:
            raise SystemExit(f"{word}: none of {', '.join([*sets, *known])}")
        names.update(fits)
    return [name for name in known if name in names]


def write_frames(path):
    """[FRAMES][h][w][3] as raw bytes: a picture with edges and texture that slides."""
    height, width = SIZE
    noise = random.Random(1).randbytes(1 << 16)
    stripes = [bytes((40 * (i % 6), 255 - 60 * (i % 4), 25 * (i % 9))) for i in range(36)]
    line = b"".join(stripe * 40 for stripe in stripes)
    lines = []
    for y in range(height + 3 * FRAMES):
        turned = 3 * (y // 60 * 170 % (len(line) // 3))
        row = bytearray((line[turned:] + line[:turned])[: 3 * (width + 5 * FRAMES)])
        row[:: 7 + y % 5] = noise[y : y + len(row[:: 7 + y % 5])]
        lines.append(bytes(row))
    with open(path, "wb") as file:
        for i in range(FRAMES):
            for y in range(height):
                file.write(lines[y + 3 * i][15 * i : 15 * i + 3 * width])


def boxes(count):
    """As bench/models.c has them: rows of four, at quarters of the frame. [count][4]."""
    height, width = SIZE[0] / 4, SIZE[1] / 4
    corners = ((width * (0.06 + i % 4), height * (0.06 + i // 4 % 4)) for i in range(count))
    return [[left, top, left + 0.75 * width, top + 0.8 * height] for left, top in corners]


def random_models(cache):
    """Folders of full-size random models, made by the reference where they are not there yet."""
    import fullsize

    folders = {"owlv2": cache / "owlv2-base", "sam2": cache / "sam2_video_small", "vjepa2": cache / "vjepa2-large"}
    if all((folder / "model.safetensors").exists() for folder in folders.values()):
        return folders
    fullsize.require_reference()
    fullsize.CACHE = cache
    import parity_sam2
    import parity_vjepa2

    return {
        "owlv2": fullsize.model_folder("base", cache),
        "sam2": parity_sam2.model_folder("small", video=True),
        "vjepa2": parity_vjepa2.model_folder(cache),
    }
