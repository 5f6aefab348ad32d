"""Trains the demo V-JEPA 2 model: masked feature prediction with a moving-average target, then a motion classifier.

    python train_vjepa2.py --out RUN [--budget SECONDS] [--features SHARE]

First part, as V-JEPA does it: the encoder sees a clip with a few blocks of patches cut out through all frames, the
predictor foretells what the target (a moving average of the encoder) makes of the missing ones; L1 loss on features.
Second part: the attentive pooler and the classifier learn to name the motion (clips.MOTIONS); the encoder goes on
learning slowly. The folder written at the end holds VJEPA2ForVideoClassification; VJEPA2Model loads a subset of it.
"""
import argparse
import copy
import json
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from transformers import VJEPA2Config, VJEPA2ForVideoClassification

import clips as C
import scenes as S

SIDE, FRAMES, PATCH, TUBE = 128, 16, 16, 2
GRID, STEPS = SIDE // PATCH, FRAMES // TUBE
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 1, 3, 1, 1)


def make_config():
    return VJEPA2Config(
        patch_size=PATCH, crop_size=SIDE, frames_per_clip=FRAMES, tubelet_size=TUBE, hidden_size=192,
        num_attention_heads=3, num_hidden_layers=6, mlp_ratio=4.0, num_pooler_layers=1, pred_hidden_size=96,
        pred_num_attention_heads=3, pred_num_hidden_layers=3, pred_num_mask_tokens=2, pred_zero_init_mask_tokens=False,
        id2label=dict(enumerate(C.MOTIONS)), label2id={m: i for i, m in enumerate(C.MOTIONS)})


@torch.no_grad()
def initialise(model):
    for name, m in model.named_modules():
        if isinstance(m, (torch.nn.Linear, torch.nn.Conv3d)):
            torch.nn.init.trunc_normal_(m.weight, std=m.weight[0].numel() ** -0.5)
            if m.bias is not None:
                m.bias.zero_()
    torch.nn.init.trunc_normal_(model.vjepa2.predictor.embeddings.mask_tokens, std=0.02)


class Data:
    def __init__(self, split, seed, photos):
        self.rng, self.split = np.random.default_rng(seed), split
        self.sprites, self.backgrounds = S.Sprites(), S.Backgrounds(split, seed, 200, photos=photos)

    def batch(self, count):
        """Clips (count, FRAMES, 3, SIDE, SIDE) and the index of each one's motion."""
        labels = self.rng.integers(0, len(C.MOTIONS), count)
        x = np.stack([C.motion_clip(self.rng, self.split, self.sprites, self.backgrounds, SIDE, FRAMES, C.MOTIONS[k])
                      for k in labels])
        return (torch.from_numpy(x).permute(0, 1, 4, 2, 3).float() / 255 - MEAN) / STD, torch.from_numpy(labels)


def draw_masks(rng, count):
    """One mask a batch: blocks through all time steps. Context and target token indices, (count, n) each."""
    hidden = np.zeros((GRID, GRID), bool)
    while hidden.mean() < 0.6:
        h, w = rng.integers(2, 5, 2)
        y, x = rng.integers(0, GRID - h + 1), rng.integers(0, GRID - w + 1)
        hidden[y:y + h, x:x + w] = True
    plane = torch.from_numpy(np.tile(hidden.reshape(-1), STEPS))
    ids = torch.arange(GRID * GRID * STEPS)
    return ids[~plane][None].expand(count, -1), ids[plane][None].expand(count, -1)


def encode(encoder, clips, keep=None):
    """Token features; with `keep` only those tokens are computed (their positions go with them)."""
    x = encoder.embeddings(clips)
    if keep is not None:
        x = x.gather(1, keep[..., None].expand(-1, -1, x.shape[-1]))
    for layer in encoder.layer:
        x = layer(x, keep)
        x = x[0] if isinstance(x, tuple) else x
    return encoder.layernorm(x)


def predict(predictor, context, context_ids, target_ids):
    """The predictor on features that are already cut to the context."""
    everything = torch.zeros(context.shape[0], GRID * GRID * STEPS, context.shape[-1])
    everything = everything.scatter(1, context_ids[..., None].expand_as(context), context)
    return predictor(everything, [context_ids], [target_ids]).last_hidden_state


def feature_step(model, target, data, rng, count=8):
    clips, _ = data.batch(count)
    seen, hidden = draw_masks(rng, count)
    with torch.no_grad():
        want = encode(target, clips)
        want = F.layer_norm(want, want.shape[-1:])
        want = want.gather(1, hidden[..., None].expand(-1, -1, want.shape[-1]))
    got = predict(model.vjepa2.predictor, encode(model.vjepa2.encoder, clips, seen), seen, hidden)
    loss = (got - want).abs().mean()
    return loss, dict(feature=loss.item(), spread=want.std(1).mean().item())


def motion_step(model, data, count=8):
    clips, labels = data.batch(count)
    logits = model.classifier(model.pooler(encode(model.vjepa2.encoder, clips)))
    loss = F.cross_entropy(logits, labels)
    return loss, dict(motion=loss.item(), right=(logits.argmax(-1) == labels).float().mean().item())


@torch.no_grad()
def evaluate(model, photos):
    """Accuracy of the motion's name on held-out clips."""
    model.eval()
    data, right = Data("held", 99, photos), []
    for _ in range(12):
        clips, labels = data.batch(10)
        right.append((model(pixel_values_videos=clips).logits.argmax(-1) == labels).float().mean().item())
    model.train()
    return float(np.mean(right))


def export(model, folder):
    from transformers import VJEPA2VideoProcessor
    copy.deepcopy(model).half().save_pretrained(folder)
    short = int(SIDE * 256 / 224)
    VJEPA2VideoProcessor(crop_size={"height": SIDE, "width": SIDE}, size={"shortest_edge": short}).save_pretrained(folder)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--out", required=True)
    a.add_argument("--budget", type=float, default=2400, help="seconds")
    a.add_argument("--features", type=float, default=0.6, help="share of the budget on masked feature prediction")
    a.add_argument("--lr", type=float, default=1e-3)
    a.add_argument("--photos")
    a.add_argument("--held-photos")
    a.add_argument("--steps", type=int, default=1 << 30, help="stop after these many, for a trial")
    a.add_argument("--export", help="write the model folder at the end")
    a = a.parse_args()
    os.makedirs(a.out, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = VJEPA2ForVideoClassification(make_config())
    initialise(model)
    model.train()
    target = copy.deepcopy(model.vjepa2.encoder).requires_grad_(False)
    head = list(model.pooler.parameters()) + list(model.classifier.parameters())
    optimiser = torch.optim.AdamW([{"params": list(model.vjepa2.parameters())}, {"params": head}], lr=a.lr, betas=(0.9, 0.98),
                                  weight_decay=0.04)
    rng, data = np.random.default_rng(0), Data("train", 12, a.photos)
    start, cpu, step, meters = time.time(), time.process_time(), 0, []
    log = open(os.path.join(a.out, "log.jsonl"), "a")
    while time.time() - start < a.budget and step < a.steps:
        progress = (time.time() - start) / a.budget
        first = progress < a.features if a.steps > 1 << 20 else step % 2 == 0
        part = progress / a.features if first else (progress - a.features) / (1 - a.features)
        rate = a.lr * min(1, (step + 1) / 100) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * min(max(part, 0), 1))))
        optimiser.param_groups[0]["lr"] = rate if first else 0.3 * rate
        optimiser.param_groups[1]["lr"] = rate
        loss, meter = feature_step(model, target, data, rng) if first else motion_step(model, data)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        with torch.no_grad():
            for p, q in zip(target.parameters(), model.vjepa2.encoder.parameters()):
                p.lerp_(q, 1 - 0.996)
        step += 1
        meters.append(meter)
        if step % 25 == 0 or step == a.steps:
            keys = {k for m in meters for k in m}
            row = dict(step=step, s=round(time.time() - start), cpu_s=round(time.process_time() - cpu),
                       **{k: round(float(np.mean([m[k] for m in meters if k in m])), 4) for k in sorted(keys)})
            meters = []
            print(json.dumps(row), file=log, flush=True)
            torch.save(model.state_dict(), os.path.join(a.out, "last.pt"))
    print(json.dumps(dict(held_motion_right=evaluate(model, a.held_photos), step=step)), file=log, flush=True)
    torch.save(model.state_dict(), os.path.join(a.out, "final.pt"))
    if a.export:
        export(model, a.export)


if __name__ == "__main__":
    main()
