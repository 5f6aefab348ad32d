"""Makes tests/models/data: small OWLv2 checkpoints and what the pinned reference computes from them.

    python tests/reference/make_owlv2.py [CASE ...]

Each case is a model folder as it lies on the hub, with expected.safetensors beside it:
  image.I.pixels           U8 [h, w, 3]
  image.I.pixel_values     F32 [size, size, 3], channels last (only in cases that say so)
  trace.vision.embeddings  F32 [1 + patches, width] of image 0, after the embeddings' LayerNorm
  trace.vision.block.L     F32 [1 + patches, width] of image 0
  image.I.features         F32 [patches, width], `image_embeds` (image 0 only)
  image.I.objectness       F32 [patches], logits
  image.I.boxes            F32 [patches, 4], cx cy w h from 0 to 1
  prompts.S                U8, the texts of set S (one, many), each ended by a newline
  S.ids                    I32 [prompts, length]
  S.text.block.L           F32 [prompts, length, width] (set many)
  S.text.embeds            F32 [prompts, projection]
  S.threshold              F32 [1], at least MARGIN from any score
  S.nms_iou                F32 [1], at least MARGIN from any overlap of a label's boxes
  S.image.I.logits         F32 [patches, prompts]
  S.image.I.scores/.labels/.boxes     what post_process_object_detection gives; labels I32, boxes xyxy
  S.image.I.clipped.scores/...        the same after clipping to the image, empty boxes dropped
  S.image.I.nms.scores/...            the same after class-wise suppression of the clipped ones
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from safetensors.numpy import save_file
from safetensors.torch import load_file as load_torch
from safetensors.torch import save_file as save_torch

import owlv2_models as models
from transformers import Owlv2ForObjectDetection

DATA = Path(__file__).resolve().parent.parent / "models" / "data"
MARGIN = 5e-4  # no decision (threshold, label, overlap) may hang on less


class NearTie(Exception):
    """A decision hangs on a difference that rounding could turn: another seed will do."""


PROMPTS = {
    "one": ["a photo of a cat"],
    "many": [
        "a photo of a cat",
        "",
        "a photo of a very long text about the red bicycles that leaned on the old garden wall for years and years",
        "Two  DOGS' 12 balls,\tisn't it?",
        "\u65e5\u672c\u306e\u732b \u2603 caf\u00e9",
    ],
}

WORDS = (
    "a photo of the cat dog dogs red bicycle bicycles ball balls very long text about that leaned on old garden wall "
    "for years and two person car tree house window blue green yellow small large"
).split()

# Every field of config.json differs from its default, and from the other tower's, in some case; `absent` lists
# fields that config.json leaves out because they equal the class default.
CASES = {
    # The everyday case: shape of the released models in small, f32, config.json as older releases wrote it.
    "owlv2_tiny": dict(
        vision=dict(hidden_size=48, num_attention_heads=3, num_hidden_layers=3, intermediate_size=96, patch_size=8, image_size=64),
        text=dict(hidden_size=32, num_attention_heads=2, num_hidden_layers=2, intermediate_size=64),
        sizes=[(48, 70), (150, 100), (64, 64), (20, 31), (1, 1), (9, 200)],
        pixel_values=True,
        old_config=True,
    ),
    # Exact GELU, other eps in each tower, heads of 8 and 12, f16 in several shards, position_ids in the file.
    "owlv2_gelu_f16": dict(
        vision=dict(hidden_size=40, num_attention_heads=5, num_hidden_layers=2, intermediate_size=72, patch_size=16, image_size=96, hidden_act="gelu", layer_norm_eps=1e-3),
        text=dict(hidden_size=48, num_attention_heads=4, num_hidden_layers=3, intermediate_size=80, hidden_act="quick_gelu", layer_norm_eps=5e-2),
        sizes=[(80, 60), (96, 250), (50, 50)],
        dtype="float16",
        shard="40KB",
        extra={"owlv2.text_model.embeddings.position_ids": 16, "owlv2.vision_model.embeddings.position_ids": 37},
    ),
    # Tanh GELU in both its spellings, patches of 4, fewer positions, bf16, other mean and deviation.
    "owlv2_tanh_bf16": dict(
        vision=dict(hidden_size=36, num_attention_heads=3, num_hidden_layers=2, intermediate_size=50, patch_size=4, image_size=48, hidden_act="gelu_pytorch_tanh"),
        text=dict(hidden_size=24, num_attention_heads=2, num_hidden_layers=2, intermediate_size=33, hidden_act="gelu_new", max_position_embeddings=12),
        sizes=[(30, 48), (100, 37), (48, 48)],
        dtype="bfloat16",
        pixel_values=True,
        preprocessor=dict(image_mean=[0.5, 0.4, 0.3], image_std=[0.5, 0.25, 0.125], rescale_factor=0.0078125),
    ),
    # Text wider than vision, one head, one layer; the image is no multiple of the patch; tokenizer.json alone;
    # a tensor that no OWLv2 has.
    "owlv2_wide_text": dict(
        vision=dict(hidden_size=24, num_attention_heads=1, num_hidden_layers=1, intermediate_size=128, patch_size=14, image_size=90),
        text=dict(hidden_size=80, num_attention_heads=2, num_hidden_layers=1, intermediate_size=40, hidden_act="gelu", max_position_embeddings=20),
        sizes=[(60, 90), (90, 60), (130, 130)],
        dtype="bfloat16",
        single_file_tokenizer=True,
        extra={"unused_head.weight": 5},
    ),
    # As little in config.json as a file may have: 12 layers, 12 and 8 heads, patch 16, act, eps, positions absent.
    "owlv2_defaults": dict(
        vision=dict(hidden_size=36, intermediate_size=16, image_size=64),
        text=dict(hidden_size=24, intermediate_size=16),
        sizes=[(64, 40), (33, 64), (130, 130)],
        dtype="bfloat16",
        sparse_config=True,
    ),
}


def write_model(case, folder, images, seed):
    """Saves the checkpoint, its heads fitted to `images`; returns what the reference reads back from it, in f32."""
    merges = models.learned_merges(WORDS, 60)
    text, vision = dict(case["text"]), dict(case["vision"])
    vocabulary = models.vocabulary(merges)
    text |= dict(
        vocab_size=len(vocabulary), bos_token_id=vocabulary[models.START], eos_token_id=vocabulary[models.END]
    )
    model = models.make(text, vision, text["hidden_size"], seed)
    length = model.config.text_config.max_position_embeddings
    models.write_tokenizer(folder, merges, length, case.get("single_file_tokenizer", False))
    models.write_preprocessor(folder, vision["image_size"], **case.get("preprocessor", {}))

    processor = models.processor_of(folder)
    models.calibrate(model, models.prepare(processor, PROMPTS["many"], images, length))

    dtype = getattr(torch, case.get("dtype", "float32"))
    model.to(dtype).save_pretrained(folder, max_shard_size=case.get("shard", "1GB"))
    (folder / "generation_config.json").unlink(missing_ok=True)
    if "extra" in case:
        add_tensors(folder, case["extra"])
    config = json.loads((folder / "config.json").read_text())
    if case.get("old_config"):
        models.write_json(folder / "config.json", models.old_config(model.config, case.get("dtype", "float32")))
    elif case.get("sparse_config"):
        keep = {"text_config": dict(text), "vision_config": dict(vision)}
        sparse = {"model_type": "owlv2", "projection_dim": config["projection_dim"], **keep}
        models.write_json(folder / "config.json", sparse)
    return Owlv2ForObjectDetection.from_pretrained(folder, dtype=torch.float32).eval()


def add_tensors(folder, extra):
    """Tensors that the pinned release does not write: integer positions, and things that nobody knows."""
    index_path = folder / "model.safetensors.index.json"
    path = folder / "model.safetensors"
    if index_path.exists():
        index = json.loads(index_path.read_text())
        path = folder / sorted(set(index["weight_map"].values()))[0]
        index["weight_map"] |= dict.fromkeys(extra, path.name)
        models.write_json(index_path, index)
    tensors = load_torch(path)
    for tensor, count in extra.items():
        integers = tensor.endswith("position_ids")
        tensors[tensor] = torch.arange(count)[None] if integers else torch.ones(count)
    save_torch(tensors, path, metadata={"format": "pt"})


def trace(model, expected, inputs):
    """One forward pass of image 0 with hooks on the blocks."""
    seen, hooks = {}, []

    def keep(name):
        return lambda module, arguments, output: seen.__setitem__(name, output)

    base = model.owlv2
    hooks.append(base.vision_model.pre_layernorm.register_forward_hook(keep("trace.vision.embeddings")))
    for index, layer in enumerate(base.vision_model.encoder.layers):
        hooks.append(layer.register_forward_hook(keep(f"trace.vision.block.{index}")))
    for index, layer in enumerate(base.text_model.encoder.layers):
        hooks.append(layer.register_forward_hook(keep(f"many.text.block.{index}")))
    with torch.no_grad():
        model(**inputs)
    for hook in hooks:
        hook.remove()
    for name, value in seen.items():
        value = value.squeeze(0) if name.startswith("trace.vision") else value
        assert torch.isfinite(value).all() and 0.1 < value.std() < 30, (name, value.std())
        expected[name] = value


def choose(values, low, high):
    """The middle of the widest gap between `values` that lies inside [low, high]."""
    inside = sorted({low, high, *(v for v in values if low < v < high)})
    gap, index = max((b - a, i) for i, (a, b) in enumerate(zip(inside, inside[1:])))
    if not gap > 2 * MARGIN:
        raise NearTie("no wide gap between the values")
    return float(np.float32((inside[index] + inside[index + 1]) / 2))


def clip(result, height, width):
    boxes = torchvision.ops.clip_boxes_to_image(result["boxes"], (height, width))
    kept = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return {"scores": result["scores"][kept], "labels": result["labels"][kept], "boxes": boxes[kept]}


def overlaps(result):
    iou = torchvision.ops.box_iou(result["boxes"], result["boxes"])
    same = result["labels"][:, None] == result["labels"][None]
    return iou[same & ~torch.eye(len(iou), dtype=torch.bool)].tolist()


def suppress(result, threshold):
    """Class-wise, in the order of the boxes."""
    kept = torch.zeros(len(result["scores"]), dtype=torch.bool)
    for label in result["labels"].unique():
        index = torch.nonzero(result["labels"] == label)[:, 0]
        kept[index[torchvision.ops.nms(result["boxes"][index], result["scores"][index], threshold)]] = True
    return {key: value[kept] for key, value in result.items()}


def store(expected, prefix, result):
    expected[f"{prefix}.scores"] = result["scores"]
    expected[f"{prefix}.labels"] = result["labels"].to(torch.int32)
    expected[f"{prefix}.boxes"] = result["boxes"].reshape(-1, 4)


def detections(expected, name, processor, outputs, sizes):
    """Post-processing of one prompt set for all images, with thresholds that no value is near."""
    scores = torch.cat([torch.sigmoid(o.logits.max(-1).values).flatten() for o in outputs])
    threshold = choose(scores.tolist(), float(scores.quantile(0.35)), float(scores.quantile(0.6)))
    if name == "many":
        top = torch.cat([o.logits.flatten(0, 1).topk(2).values for o in outputs])[scores > threshold]
        if not (top[:, 0] - top[:, 1]).min() > MARGIN:
            raise NearTie("two labels of a box nearly tie")
    results = [
        processor.post_process_grounded_object_detection(o, threshold=threshold, target_sizes=[size])[0]
        for o, size in zip(outputs, sizes)
    ]
    clipped = [clip(result, *size) for result, size in zip(results, sizes)]
    iou = choose([v for result in clipped for v in overlaps(result)], 0.3, 0.6)
    expected[f"{name}.threshold"] = torch.tensor([threshold])
    expected[f"{name}.nms_iou"] = torch.tensor([iou])
    for index, (result, clipped_result) in enumerate(zip(results, clipped)):
        suppressed = suppress(clipped_result, iou)
        store(expected, f"{name}.image.{index}", result)
        store(expected, f"{name}.image.{index}.clipped", clipped_result)
        store(expected, f"{name}.image.{index}.nms", suppressed)
        counts = [len(r["scores"]) for r in (result, clipped_result, suppressed)]
        print(f"    {name} image {index}: {counts[0]} boxes, {counts[1]} clipped, {counts[2]} after suppression")
    print(f"    {name}: scores {scores.min():.3f} to {scores.max():.3f}, threshold {threshold:.4f}, overlap {iou:.4f}")


def generate(name, case, seed):
    folder = DATA / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    arrays = [models.picture(*size, seed + i) for i, size in enumerate(case["sizes"])]
    images = [Image.fromarray(array) for array in arrays]
    model = write_model(case, folder, images, seed)
    length = model.config.text_config.max_position_embeddings
    processor = models.processor_of(folder)

    expected = {}
    trace(model, expected, models.prepare(processor, PROMPTS["many"], images[:1], length))
    for set_name, texts in PROMPTS.items():
        outputs = []
        for index, image in enumerate(images):
            inputs = models.prepare(processor, texts, [image], length)
            with torch.no_grad():
                output = model(**inputs)
            outputs.append(output)
            if set_name == "one":
                expected[f"image.{index}.pixels"] = torch.from_numpy(arrays[index])
                if case.get("pixel_values"):
                    expected[f"image.{index}.pixel_values"] = inputs["pixel_values"][0].permute(1, 2, 0)
                if index == 0:
                    expected[f"image.{index}.features"] = output.image_embeds[0].flatten(0, 1)
                expected[f"image.{index}.objectness"] = output.objectness_logits[0]
                expected[f"image.{index}.boxes"] = output.pred_boxes[0]
            expected[f"{set_name}.image.{index}.logits"] = output.logits[0]
        expected[f"prompts.{set_name}"] = torch.frombuffer(
            bytearray("".join(t + "\n" for t in texts).encode()), dtype=torch.uint8
        )
        expected[f"{set_name}.ids"] = inputs["input_ids"].to(torch.int32)
        expected[f"{set_name}.text.embeds"] = outputs[0].text_embeds[0]
        detections(expected, set_name, processor, outputs, case["sizes"])
    boxes = torch.cat([expected[f"image.{i}.boxes"] for i in range(len(images))])
    print(f"    boxes: mean {boxes.mean(0).tolist()}, deviation {boxes.std(0).tolist()}")
    save_file({k: np.ascontiguousarray(v.numpy()) for k, v in expected.items()}, folder / "expected.safetensors")
    for path in folder.iterdir():
        path.chmod(0o644)


def main():
    torch.manual_seed(0)
    names = sys.argv[1:] or list(CASES)
    for name in names:
        for seed in range(1000 * (1 + list(CASES).index(name)), 10**9, 20):
            print(name, seed)
            try:
                generate(name, CASES[name], seed)
                break
            except NearTie as reason:
                print("   ", reason)
    total = sum(f.stat().st_size for f in DATA.rglob("*") if f.is_file())
    print(f"{total / 1e6:.2f} MB in tests/models/data")


if __name__ == "__main__":
    main()
