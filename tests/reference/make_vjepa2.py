"""Makes tests/models/data/vjepa2_*: small V-JEPA 2 checkpoints and what the pinned reference computes from them.

    python tests/reference/make_vjepa2.py [CASE ...]

Each case is a model folder as it lies on the hub, with expected.safetensors beside it. For clip set S (0, 1, ...):
  S.pixels                 U8 [clips, frames, h, w, 3]
  S.pixel_values           F32 [clips, frames, crop, crop, 3], channels last
  S.embeddings             F32 [clips, tokens, width], after the tubelet embedding
  S.encoder.block.L        F32 [clips, tokens, width]
  S.features               F32 [clips, tokens, width], last_hidden_state
  S.predicted              F32 [clips, tokens, width], the predictor with the reference's default masks
  S.M.context, S.M.target  I32 [clips, n], masks of run M (0, 1, ...)
  S.M.predictor.embeddings F32 [clips, n + m, predictor width], in the order context, target
  S.M.predictor.block.L    F32, likewise
  S.M.predicted            F32 [clips, m, width]
  S.pooler.block.L         F32 [clips, tokens, width]
  S.pooled                 F32 [clips, width]
  S.logits                 F32 [clips, labels]
Intermediate tensors are of set 0 alone.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch
from transformers import (
    AutoVideoProcessor,
    VJEPA2Config,
    VJEPA2ForVideoClassification,
    VJEPA2Model,
    VJEPA2VideoProcessor,
)

DATA = Path(__file__).resolve().parent.parent / "models" / "data"

# Every field of config.json differs from its default in some case.
CASES = {
    # Heads of 16 (axes of 4, 4 values unrotated) and a predictor with heads of 24 (8 each, none unrotated).
    "vjepa2_tiny": dict(
        config=dict(
            hidden_size=48,
            num_attention_heads=3,
            num_hidden_layers=2,
            patch_size=4,
            crop_size=16,
            frames_per_clip=8,
            mlp_ratio=2,
            pred_hidden_size=24,
            pred_num_attention_heads=1,
            pred_num_hidden_layers=2,
            pred_num_mask_tokens=3,
        ),
        clips=[(2, 4, 25, 37), (1, 2, 60, 45), (1, 1, 24, 24), (1, 5, 10, 17), (1, 10, 19, 21)],
        masks=True,
    ),
    # Heads of 20 (axes of 6, 2 unrotated), ratio 48/11, crop no multiple of the patch, tubelets of 3 with an odd
    # tail, fewer frames than a tubelet, other mean and deviation, no qkv bias, one mask token, f16.
    "vjepa2_ratio_f16": dict(
        config=dict(
            hidden_size=40,
            num_attention_heads=2,
            num_hidden_layers=1,
            patch_size=6,
            crop_size=26,
            frames_per_clip=6,
            tubelet_size=3,
            mlp_ratio=48 / 11,
            qkv_bias=False,
            layer_norm_eps=1e-4,
            hidden_act="gelu_new",
            pred_hidden_size=30,
            pred_num_attention_heads=3,
            pred_num_hidden_layers=1,
            pred_num_mask_tokens=1,
            pred_mlp_ratio=2.5,
        ),
        clips=[(1, 8, 26, 47), (1, 2, 50, 21)],
        masks=True,
        dtype="float16",
        processor=dict(image_mean=[0.5, 0.4, 0.3], image_std=[0.5, 0.25, 0.125], rescale_factor=0.0078125),
    ),
    # One head of 80, as ViT-H and g have (axes of 26, 2 unrotated), and heads of 32 in the predictor (10 each, 2
    # unrotated), as the released predictors have; one tubelet a frame.
    "vjepa2_head80": dict(
        config=dict(
            hidden_size=80,
            num_attention_heads=1,
            num_hidden_layers=1,
            patch_size=8,
            crop_size=24,
            frames_per_clip=4,
            tubelet_size=1,
            mlp_ratio=1.5,
            pred_hidden_size=32,
            pred_num_attention_heads=1,
            pred_num_hidden_layers=1,
            pred_mlp_ratio=2,
        ),
        clips=[(1, 3, 50, 70)],
        masks=True,
        dtype="float16",
    ),
    # The classifier's layout: "vjepa2." before every name, pooler, labels, processor_config.json; heads of 64
    # (axes of 20, 4 unrotated).
    "vjepa2_classifier": dict(
        config=dict(
            hidden_size=64,
            num_attention_heads=1,
            num_hidden_layers=1,
            patch_size=8,
            crop_size=16,
            frames_per_clip=4,
            mlp_ratio=2,
            num_pooler_layers=1,
            pred_hidden_size=12,
            pred_num_attention_heads=2,
            pred_num_hidden_layers=1,
            id2label={0: "Pushing something from left to right", 1: "Nothing happens", 2: "Caf\u00e9", 3: "x", 4: "y"},
        ),
        clips=[(2, 4, 26, 22), (1, 7, 18, 32)],
        dtype="float16",
        classifier=True,
        nested_processor=True,
    ),
    # A classifier without predictor, without names, with the pooler's cross-attention alone and heads of 5: no
    # axis turns.
    "vjepa2_classifier_bare": dict(
        config=dict(
            hidden_size=10,
            num_attention_heads=2,
            num_hidden_layers=1,
            patch_size=8,
            crop_size=16,
            frames_per_clip=2,
            num_pooler_layers=0,
            hidden_act="relu",
            pred_hidden_size=8,
            pred_num_attention_heads=1,
            pred_num_hidden_layers=1,
        ),
        clips=[(1, 2, 16, 16)],
        classifier=True,
        no_predictor=True,
        bare_config=True,
    ),
}

def randomise(model, seed):
    """Every parameter random: biases, norms and mask tokens too; scaled so that activations stay near 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 1:
                parameter.copy_(1 + 0.2 * noise if "norm" in name and name.endswith("weight") else 0.2 * noise)
            elif "tokens" in name:
                parameter.copy_(noise)
            else:
                parameter.copy_(1.2 * noise / parameter[0].numel() ** 0.5)


def clip_of(clips, frames, height, width, generator):
    """Smooth moving shapes with noise: frames that differ, edges, values at both ends of the range."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    out = np.empty((clips, frames, height, width, 3), np.uint8)
    for c in range(clips):
        for t in range(frames):
            for k in range(3):
                wave = np.sin(x / (3 + k) + 0.7 * t + c) * np.cos(y / (4 + k) - 0.4 * t) * 110 + 128
                box = (np.abs(x - width * (t + 1) / (frames + 1)) < width / 6) & (np.abs(y - height / 2) < height / 5)
                wave = np.where(box, 255 * (k != c % 3), wave)
                out[c, t, :, :, k] = np.clip(wave + generator.normal(0, 12, wave.shape), 0, 255).round()
    return out


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_processor(case, folder):
    """The processor's JSON as the released checkpoints have it (a "size" that the class does not look at)."""
    side = case["config"]["crop_size"]
    settings = {
        "crop_size": {"height": side, "width": side},
        "do_center_crop": True,
        "do_convert_rgb": None,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "resample": 2,
        "rescale_factor": 0.00392156862745098,
        "size": {"shortest_edge": 99},
        "video_processor_type": "VJEPA2VideoProcessor",
    }
    settings |= case.get("processor", {})
    if case.get("nested_processor"):
        write_json(folder / "processor_config.json", {"processor_class": "X", "video_processor": settings})
    elif case.get("bare_config"):
        write_json(folder / "preprocessor_config.json", {"crop_size": side, "video_processor_type": "VJEPA2VideoProcessor"})
    else:
        write_json(folder / "video_preprocessor_config.json", settings)


def write_model(case, folder, seed):
    """Saves the checkpoint; returns what the reference reads back from it, in f32."""
    config = VJEPA2Config(**case["config"])
    kind = VJEPA2ForVideoClassification if case.get("classifier") else VJEPA2Model
    model = kind(config)
    randomise(model, seed)
    model = model.to(getattr(torch, case.get("dtype", "float32")))
    model.save_pretrained(folder)
    if case.get("bare_config"):
        write_json(folder / "config.json", {"model_type": "vjepa2", **case["config"]})
    write_processor(case, folder)
    loaded = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    if case.get("no_predictor"):
        tensors = {k: v.contiguous() for k, v in model.state_dict().items() if ".predictor." not in k}
        save_torch(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return loaded


class Hooks:
    """Outputs of modules by name, while a `with` lasts."""

    def __init__(self, modules):
        self.values, self.handles, self.modules = {}, [], modules

    def __enter__(self):
        for name, module in self.modules.items():
            def keep(_, __, output, name=name):
                self.values[name] = (output[0] if isinstance(output, tuple) else output).detach()
            self.handles.append(module.register_forward_hook(keep))
        return self.values

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()


def mask_runs(clips, tokens, patches, generator):
    """Context and target ids: a prefix and what comes after it; unordered picks that overlap; behind the clip's end."""
    first = max(patches, tokens // 2 // patches * patches)
    rows = lambda ids: torch.tensor(np.stack([np.asarray(ids)] * clips), dtype=torch.int64)
    picks = lambda n: torch.tensor(np.stack([generator.permutation(tokens)[:n] for _ in range(clips)]))
    return [
        (rows(range(first)), rows(range(first, tokens)) if first < tokens else rows(range(tokens))),
        (picks(max(1, tokens // 3)), picks(max(1, tokens // 4))),
        (rows(range(tokens)), rows(range(tokens, tokens + patches))),
    ]


def predictor_run(base, features, context, target, tensors, prefix, blocks):
    """The predictor alone, with its tokens put back into the order context, target."""
    order = {}
    original = base.predictor.sort_tokens

    def remember(hidden_states, position_masks, argsort):
        order["argsort"], order["embeddings"] = argsort, hidden_states
        return original(hidden_states, position_masks, argsort)

    base.predictor.sort_tokens = remember
    modules = {f"{i}": layer for i, layer in enumerate(base.predictor.layer)}
    with Hooks(modules) as values:
        output = base.predictor(features, context_mask=[context], target_mask=[target]).last_hidden_state
    base.predictor.sort_tokens = original
    if blocks:
        tensors[f"{prefix}.predictor.embeddings"] = order["embeddings"]
        for index in range(len(modules)):
            tensors[f"{prefix}.predictor.block.{index}"] = base.predictor.unsort_tokens(values[str(index)], order["argsort"])
    tensors[f"{prefix}.predicted"] = output


def run_set(case, model, processor, index, shape, tensors, generator):
    base = model.vjepa2 if case.get("classifier") else model
    clips, frames, height, width = shape
    pixels = clip_of(clips, frames, height, width, generator)
    tensors[f"{index}.pixels"] = torch.from_numpy(pixels)
    videos = [torch.from_numpy(clip).permute(0, 3, 1, 2).contiguous() for clip in pixels]
    values = processor(videos, return_tensors="pt")["pixel_values_videos"]
    first = index == 0
    tensors[f"{index}.pixel_values"] = values.permute(0, 1, 3, 4, 2)
    modules = {"embeddings": base.encoder.embeddings}
    modules |= {f"encoder.{i}": layer for i, layer in enumerate(base.encoder.layer)}
    with Hooks(modules) as seen:
        output = base(values, skip_predictor=case.get("no_predictor", False))
    features = output.last_hidden_state
    if first:
        tensors[f"{index}.embeddings"] = seen["embeddings"]
        for i in range(len(base.encoder.layer)):
            tensors[f"{index}.encoder.block.{i}"] = seen[f"encoder.{i}"]
    tensors[f"{index}.features"] = features
    if not case.get("no_predictor"):
        tensors[f"{index}.predicted"] = output.predictor_output.last_hidden_state
    if case.get("masks") and first:
        patches = (base.config.crop_size // base.config.patch_size) ** 2
        for run, (context, target) in enumerate(mask_runs(clips, features.shape[1], patches, generator)):
            tensors[f"{index}.{run}.context"], tensors[f"{index}.{run}.target"] = context.int(), target.int()
            predictor_run(base, features, context, target, tensors, f"{index}.{run}", run == 1)
    if case.get("classifier"):
        modules = {f"{i}": layer for i, layer in enumerate(model.pooler.self_attention_layers)}
        modules |= {"pooler": model.pooler}
        with Hooks(modules) as seen:
            logits = model(values).logits
        if first:
            for i in range(len(model.pooler.self_attention_layers)):
                tensors[f"{index}.pooler.block.{i}"] = seen[str(i)]
        tensors[f"{index}.pooled"], tensors[f"{index}.logits"] = seen["pooler"], logits


def make(name, case, seed):
    folder = DATA / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = write_model(case, folder, seed)
    processor = AutoVideoProcessor.from_pretrained(folder)
    assert isinstance(processor, VJEPA2VideoProcessor)
    generator = np.random.default_rng(seed)
    tensors = {}
    with torch.no_grad():
        for index, shape in enumerate(case["clips"]):
            run_set(case, model, processor, index, shape, tensors, generator)
    arrays = {key: np.ascontiguousarray(value.numpy()) for key, value in tensors.items()}
    for key, array in arrays.items():
        assert array.dtype.kind in "ui" or np.isfinite(array).all(), key
    save_file(arrays, folder / "expected.safetensors")
    for file in folder.iterdir():
        file.chmod(0o644)
    print(f"{name}: {sum(f.stat().st_size for f in folder.iterdir()) / 1024:.0f} KB")


def main():
    torch.set_num_threads(1)
    for seed, (name, case) in enumerate(CASES.items(), 31):
        if len(sys.argv) < 2 or name in sys.argv[1:]:
            make(name, case, seed)


if __name__ == "__main__":
    main()
