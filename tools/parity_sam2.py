"""SAM 2.1 at full size against the reference: features, mask logits, masks' IoU, and times taken in turns.

    python tools/parity_sam2.py --build build [--shapes tiny small base-plus large] [--boxes 8] [--runs 3]

Random weights at the released sizes (a folder in .parity, made at the first call). Times are the fastest of the runs,
wall and processor seconds, with as many threads on both sides. Ends with status 1 where a value is off.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import fullsize  # noqa: E402

SHAPES = {
    "tiny": dict(),
    "small": dict(blocks_per_stage=[1, 2, 11, 2], global_attention_blocks=[7, 10, 13]),
    "base-plus": dict(
        hidden_size=112, blocks_per_stage=[2, 3, 16, 3], embed_dim_per_stage=[112, 224, 448, 896],
        num_attention_heads_per_stage=[2, 4, 8, 16], global_attention_blocks=[12, 16, 20], num_attention_heads=2,
        window_positional_embedding_background_size=[14, 14],
    ),
    "large": dict(
        hidden_size=144, blocks_per_stage=[2, 6, 36, 4], embed_dim_per_stage=[144, 288, 576, 1152],
        num_attention_heads_per_stage=[2, 4, 8, 16], window_size_per_stage=[8, 4, 16, 8],
        global_attention_blocks=[23, 33, 43], num_attention_heads=2,
    ),
}
TOLERANCE = 1e-4
SIZE = (720, 1080)  # of the picture, h and w


def randomise(model, seed):
    """Every parameter random but tame enough to stay of order 1 through the depth."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    for key, value in sorted(list(model.named_parameters()) + list(model.named_buffers())):
        noise = torch.randn(value.shape, generator=generator)
        if "norm" in key and key.endswith("weight"):
            value.data = 1 + 0.1 * noise
        elif key.endswith("bias"):
            value.data = 0.1 * noise
        elif "embed" in key or "tokens." in key or "token.weight" in key:
            value.data = noise
        elif key.endswith(("rope_embeddings_cos", "rope_embeddings_sin")):
            continue  # computed, not learned
        else:
            inputs = value.shape[0] if "upscale_conv" in key else value[0].numel()
            # A decoder with larger weights turns rounding errors of its input into visible ones.
            small = key.startswith("mask_decoder") or key.endswith("proj_out.weight") or ".attn.proj" in key
            value.data = noise * (0.5 if small else 0.9) / inputs**0.5


def model_folder(name, video=False):
    """The checkpoint of a shape, made at the first call; `video`: with the memory."""
    from transformers import Sam2Config, Sam2ImageProcessor, Sam2Model, Sam2VideoConfig, Sam2VideoModel

    folder = fullsize.CACHE / f"sam2_{'video_' if video else ''}{name}"
    if (folder / "model.safetensors").exists():
        return folder
    backbone = SHAPES[name] | {"model_type": "sam2_hiera_det_model"}
    channels = SHAPES[name].get("embed_dim_per_stage", [96, 192, 384, 768])[::-1]
    vision = dict(model_type="sam2_vision_model", backbone_config=backbone, backbone_channel_list=channels)
    model = Sam2VideoModel(Sam2VideoConfig(vision_config=vision)) if video else Sam2Model(Sam2Config(vision_config=vision))
    randomise(model, len(name))
    model.save_pretrained(folder)
    Sam2ImageProcessor().save_pretrained(folder)
    return folder


def fastest(runs, call):
    best = [float("inf"), float("inf")]
    for _ in range(runs):
        wall, processor = time.perf_counter(), time.process_time()
        result = call()
        best = [min(best[0], time.perf_counter() - wall), min(best[1], time.process_time() - processor)]
    return result, best


def make_inputs(count, folder):
    import numpy as np

    generator = np.random.default_rng(5)
    height, width = SIZE
    y, x = np.mgrid[0:height, 0:width] / 100
    waves = [120 + 100 * np.sin(a * x + b * y) for a, b in ((1.0, 0.3), (0.2, 1.4), (0.8, 0.9))]
    pixels = (np.stack(waves, -1) + generator.normal(0, 15, (height, width, 3))).clip(0, 255).astype(np.uint8)
    corner = generator.uniform(0, 0.5, (count, 2))
    boxes = np.concatenate([corner, corner + generator.uniform(0.1, 0.5, (count, 2))], 1) * ([width, height] * 2)
    pixels.tofile(folder / "image.rgb")
    boxes.astype("float32").tofile(folder / "boxes.f32")
    return pixels, boxes.astype("float32")


def reference(folder, pixels, boxes, runs):
    """Name -> array, and the times of encoder and decoder."""
    import torch
    from PIL import Image
    from transformers import Sam2ImageProcessor, Sam2Model, Sam2Processor

    model = Sam2Model.from_pretrained(folder).eval()
    processor = Sam2Processor(Sam2ImageProcessor.from_pretrained(folder))
    image = Image.fromarray(pixels)
    with torch.no_grad():
        encode = lambda: model.get_image_embeddings(processor(images=image, return_tensors="pt")["pixel_values"])
        features, encode_time = fastest(runs, encode)
        inputs = processor(original_sizes=[list(SIZE)], input_boxes=[boxes.tolist()], return_tensors="pt")
        decode = lambda: model(
            image_embeddings=[f.clone() for f in features], input_boxes=inputs["input_boxes"], multimask_output=False
        )
        output, decode_time = fastest(runs, decode)
    last = lambda value: value[0].permute(1, 2, 0).contiguous().numpy()
    return {
        "image_embedding": last(features[2]), "s0": last(features[0]), "s1": last(features[1]),
        "masks": output.pred_masks[0, :, 0].numpy(), "iou": output.iou_scores[0, :, 0].numpy(),
        "object": output.object_score_logits[0, :, 0].numpy(),
    }, {"encode": encode_time, "decode": decode_time}


def compare(expected, folder):
    """Prints one line a tensor; True where all are within tolerance (and masks' IoU at least 0.999)."""
    import numpy as np

    good = True
    for name, value in expected.items():
        found = np.fromfile(folder / f"{name}.f32", dtype="float32").reshape(value.shape)
        off = np.abs(found - value) / (TOLERANCE + TOLERANCE * np.abs(value))
        line = f"  {name}: largest error {np.abs(found - value).max():.2e}, {off.max():.2f} of the tolerance"
        line += f", values' deviation {value.std():.3g}"
        if name == "masks":
            ious = [((a > 0) & (b > 0)).sum() / max(((a > 0) | (b > 0)).sum(), 1) for a, b in zip(found, value)]
            empty = sum(not (b > 0).any() and not (a > 0).any() for a, b in zip(found, value))
            worst = min([i for i, b in zip(ious, value) if (b > 0).any()], default=1.0)
            line += f", worst IoU {worst:.5f}, {empty} empty"
            good = good and worst >= 0.999
        print(line, flush=True)
        good = good and bool((off <= 1).all())  # NaN fails
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--boxes", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    fullsize.require_reference()
    import torch

    good = True
    for name in arguments.shapes:
        model = model_folder(name)
        with tempfile.TemporaryDirectory() as work:
            work = Path(work)
            pixels, boxes = make_inputs(arguments.boxes, work)
            expected, times = reference(model, pixels, boxes, arguments.runs)
            command = [Path(arguments.build) / "bench" / "bench_sam2", model, torch.get_num_threads(), work / "image.rgb"]
            command += [SIZE[1], SIZE[0], work / "boxes.f32", arguments.boxes, arguments.runs, work]
            text = subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout
            ours = {line.split()[0]: [float(v) for v in line.split()[1:]] for line in text.splitlines()}
            print(f"{name}: open {ours['open'][0]:.2f} s, scratch {ours['scratch'][0] / 1e6:.0f} MB, resident "
                  f"{ours['resident'][0] / 1e6:.0f} MB")
            for part in ("encode", "decode"):
                wall, processor = (a / b for a, b in zip(ours[part], times[part]))
                print(f"  {part}: {ours[part][0]:.3f} s wall, {ours[part][1]:.3f} s processor; reference "
                      f"{times[part][0]:.3f} and {times[part][1]:.3f}; ratios {wall:.2f} and {processor:.2f}")
            good = compare(expected, work) and good
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
