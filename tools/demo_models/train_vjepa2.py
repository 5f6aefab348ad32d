"""Trains the demo V-JEPA 2 model: masked feature prediction with a moving-average target, then a motion classifier.

    python train_vjepa2.py --out RUN [--seconds S] [--features SHARE] [--clips N] [--resume RUN/last.pt] [--export FOLDER]

First part, as V-JEPA does it: the encoder sees a clip with a few blocks of patches cut out through all frames, the
predictor foretells what the target (a moving average of the encoder) makes of the missing ones; L1 loss on features.
Second part: the attentive pooler and the classifier learn to name the motion (clips.MOTIONS); the encoder goes on
learning slowly. Clips are rendered once; each is shown mirrored, backwards (the motion's name changes with it) and recoloured.
Seconds are of processor time. The folder written at the end holds VJEPA2ForVideoClassification; VJEPA2Model loads a subset of it.
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
from muon import Muon

SIDE, FRAMES, PATCH, TUBE = 96, 8, 16, 2
GRID, STEPS = SIDE // PATCH, FRAMES // TUBE
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 1, 3, 1, 1)


def make_config():
    return VJEPA2Config(
        patch_size=PATCH, crop_size=SIDE, frames_per_clip=FRAMES, tubelet_size=TUBE, hidden_size=128,
        num_attention_heads=4, num_hidden_layers=4, mlp_ratio=4.0, num_pooler_layers=1, pred_hidden_size=64,
        pred_num_attention_heads=2, pred_num_hidden_layers=2, pred_num_mask_tokens=2, pred_zero_init_mask_tokens=False,
        id2label=dict(enumerate(C.MOTIONS)), label2id={m: i for i, m in enumerate(C.MOTIONS)})


@torch.no_grad()
def initialise(model):
    for name, m in model.named_modules():
        if isinstance(m, (torch.nn.Linear, torch.nn.Conv3d)):
            torch.nn.init.trunc_normal_(m.weight, std=m.weight[0].numel() ** -0.5)
            if m.bias is not None:
                m.bias.zero_()
    torch.nn.init.trunc_normal_(model.vjepa2.predictor.embeddings.mask_tokens, std=0.02)
    # Half of a tubelet's channels begin as differences of its two frames, large enough to be heard: motion.
    patch = model.vjepa2.encoder.embeddings.patch_embeddings.proj
    half = patch.weight.shape[0] // 2
    patch.weight[half:, :, 1] = -patch.weight[half:, :, 0]
    patch.weight[half:].mul_(4)


MIRRORED = {"moves left": "moves right", "moves right": "moves left"}
BACKWARDS = {"enters": "leaves", "leaves": "enters", **MIRRORED}


class Data:
    """`count` rendered clips, as many of each motion."""

    def __init__(self, split, seed, photos, count):
        self.rng = np.random.default_rng(seed)
        sprites, backgrounds = S.Sprites(), S.Backgrounds(split, seed, 150, photos=photos)
        self.labels = np.arange(count) % len(C.MOTIONS)
        self.clips = np.stack([C.motion_clip(self.rng, split, sprites, backgrounds, SIDE, FRAMES, C.MOTIONS[k]) for k in self.labels])

    @staticmethod
    def pixels(x):
        return (torch.from_numpy(x).permute(0, 1, 4, 2, 3).float() / 255 - MEAN) / STD

    def batch(self, count):
        """Clips (count, FRAMES, 3, SIDE, SIDE), varied, and the index of each one's motion."""
        clips, names = [], []
        for i in self.rng.integers(0, len(self.labels), count):
            x, name = self.clips[i], C.MOTIONS[self.labels[i]]
            if self.rng.random() < 0.5:
                x, name = x[:, :, ::-1], MIRRORED.get(name, name)
            if self.rng.random() < 0.5:
                x, name = x[::-1], BACKWARDS.get(name, name)
            if self.rng.random() < 0.2:
                x = x[:, ::-1]
            if self.rng.random() < 0.5:
                x = x[..., self.rng.permutation(3)]
            clips.append(x), names.append(C.MOTIONS.index(name))
        x = self.pixels(np.stack(clips)) * torch.from_numpy(self.rng.uniform(0.8, 1.2, (count, 1, 1, 1, 1))).float()
        return x, torch.tensor(names)


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


def feature_step(model, target, data, rng, count=16):
    clips, _ = data.batch(count)
    seen, hidden = draw_masks(rng, count)
    with torch.no_grad():
        want = encode(target, clips)
        want = F.layer_norm(want, want.shape[-1:])
        want = want.gather(1, hidden[..., None].expand(-1, -1, want.shape[-1]))
    got = predict(model.vjepa2.predictor, encode(model.vjepa2.encoder, clips, seen), seen, hidden)
    loss = (got - want).abs().mean()
    return loss, dict(feature=loss.item(), spread=want.std(1).mean().item())


def motion_step(model, data, count=16):
    clips, labels = data.batch(count)
    logits = model.classifier(model.pooler(encode(model.vjepa2.encoder, clips)))
    loss = F.cross_entropy(logits, labels)
    return loss, dict(motion=loss.item(), right=(logits.argmax(-1) == labels).float().mean().item())


@torch.no_grad()
def evaluate(model, data):
    """Accuracy of the motion's name on held-out clips, and its confusion: rows are the true motions."""
    model.eval()
    table = np.zeros((len(C.MOTIONS),) * 2, int)
    for i in range(0, len(data.labels), 12):
        found = model(pixel_values_videos=data.pixels(data.clips[i:i + 12])).logits.argmax(-1)
        np.add.at(table, (data.labels[i:i + 12], found.numpy()), 1)
    model.train()
    return float(np.trace(table) / table.sum()), table.tolist()


def export(model, folder):
    from transformers import VJEPA2VideoProcessor
    copy.deepcopy(model).half().save_pretrained(folder)
    short = int(SIDE * 256 / 224)
    VJEPA2VideoProcessor(crop_size={"height": SIDE, "width": SIDE}, size={"shortest_edge": short}).save_pretrained(folder)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--out", required=True)
    a.add_argument("--seconds", type=float, default=1200)
    a.add_argument("--features", type=float, default=0.4, help="share of the time on masked feature prediction")
    a.add_argument("--lr", type=float, default=1.5e-3)
    a.add_argument("--clips", type=int, default=900)
    a.add_argument("--photos")
    a.add_argument("--held-photos")
    a.add_argument("--resume")
    a.add_argument("--export", help="write the model folder at the end")
    a = a.parse_args()
    os.makedirs(a.out, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = VJEPA2ForVideoClassification(make_config())
    initialise(model)
    model.train()
    target = copy.deepcopy(model.vjepa2.encoder).requires_grad_(False)
    named = [(n, p) for n, p in model.named_parameters()]
    matrices = [p for n, p in named if p.ndim == 2 and n.startswith("vjepa2.") and "mask_token" not in n]
    ids = {id(p) for p in matrices}
    rest = [p for _, p in named if id(p) not in ids]
    muon, adam = Muon(matrices), torch.optim.AdamW(rest, lr=a.lr, betas=(0.9, 0.98), weight_decay=0.02)
    spent, step = 0.0, 0
    if a.resume:
        c = torch.load(a.resume, weights_only=False)
        model.load_state_dict(c["model"]), target.load_state_dict(c["target"]), adam.load_state_dict(c["adam"])
        muon.buffers, spent, step = c["muon"], c["spent"], c["step"]
    rng, data, held = np.random.default_rng(step), Data("train", 12, a.photos, a.clips), Data("held", 99, a.held_photos, 120)
    start, wall, last_save, meters = time.process_time() - spent, time.time(), spent, []
    log = open(os.path.join(a.out, "log.jsonl"), "a")
    while (now := time.process_time() - start) < a.seconds:
        progress = now / a.seconds
        first = progress < a.features
        part = progress / a.features if first else (progress - a.features) / (1 - a.features)
        rate = a.lr * min(1, (step + 1) / 40) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * min(max(part, 0), 1))))
        loss, meter = feature_step(model, target, data, rng) if first else motion_step(model, data)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        muon.step(rate if first else 0.5 * rate)
        adam.param_groups[0]["lr"] = rate
        adam.step()
        model.zero_grad(set_to_none=True)
        if first:
            with torch.no_grad():
                for p, q in zip(target.parameters(), model.vjepa2.encoder.parameters()):
                    p.lerp_(q, 1 - 0.99)
        step += 1
        meters.append(meter)
        if step % 20 == 0:
            keys = {k for m in meters for k in m}
            row = dict(step=step, s=round(time.time() - wall), cpu_s=round(now),
                       **{k: round(float(np.mean([m[k] for m in meters if k in m])), 4) for k in sorted(keys)})
            meters = []
            if now - last_save > 60:
                last_save = now
                if not first:
                    row["held_right"] = round(evaluate(model, held)[0], 4)
                torch.save(dict(model=model.state_dict(), target=target.state_dict(), adam=adam.state_dict(), muon=muon.buffers,
                                spent=now, step=step), os.path.join(a.out, "last.pt.part"))
                os.replace(os.path.join(a.out, "last.pt.part"), os.path.join(a.out, "last.pt"))
            print(json.dumps(row), file=log, flush=True)
    right, table = evaluate(model, held)
    print(json.dumps(dict(held_right=right, confusion=table, step=step)), file=log, flush=True)
    torch.save(dict(model=model.state_dict()), os.path.join(a.out, "final.pt"))
    if a.export:
        export(model, a.export)


if __name__ == "__main__":
    main()
