"""Trains the demo SAM 2.1 model: boxes and points to masks, then masks through video with memory and occlusion.

    python train_sam2.py pictures --data DATA --out RUN [--start OLD.pt] [--seconds S] [--resume RUN/last.pt]
    python train_sam2.py clips --data DATA --out RUN --start RUN/pictures.pt [--seconds S] [--resume ...]
    python train_sam2.py both --data DATA --out RUN --start RUN/clips.pt [--seconds S] [--resume ...]
    python train_sam2.py export CHECKPOINT FOLDER

DATA: what sam2_data.py filled. First pictures with boxes and points; then short clips of which the encoder's features are
computed once and kept, so that only the decoder and the memory learn: prompted on their first frame, then tracked with the
memory bank as the reference's session does it (pinned release, streaming rule for pointers); then both in turns, the encoder
learning from pictures alone. Losses: cross entropy and dice on masks (best of three where the model
gives three), the predicted IoU, cross entropy of the object score. Seconds are of processor time.
"""
import argparse
import json
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from transformers import Sam2VideoConfig, Sam2VideoModel
from transformers.models.sam2_video.modeling_sam2_video import get_1d_sine_pe

import sam2_data as D
from muon import Muon
from sam2_data import SIDE

GRID, HIDDEN, MEMORY = SIDE // 16, 128, 64
MEMORIES, POINTERS = 5, 8  # frames in the memory bank, object pointers in it
BLOCKS = [2, 3, 5, 1]  # of each stage of the image tower


def make_config():
    dims = [32, 64, 128, 256]
    return Sam2VideoConfig(
        image_size=SIDE,
        vision_config=dict(
            backbone_config=dict(model_type="sam2_hiera_det_model", hidden_size=dims[0], image_size=[SIDE, SIDE],
                                 blocks_per_stage=BLOCKS, embed_dim_per_stage=dims,
                                 num_attention_heads_per_stage=[1, 2, 4, 8], window_size_per_stage=[8, 4, GRID, GRID // 2],
                                 global_attention_blocks=[7, 8, 9], window_positional_embedding_background_size=[GRID, GRID]),
            backbone_channel_list=dims[::-1], fpn_hidden_size=HIDDEN,
            backbone_feature_sizes=[[SIDE // 4] * 2, [SIDE // 8] * 2, [GRID] * 2]),
        prompt_encoder_config=dict(hidden_size=HIDDEN, image_size=SIDE, patch_size=16),
        mask_decoder_config=dict(hidden_size=HIDDEN, mlp_dim=256, num_attention_heads=4, iou_head_hidden_dim=HIDDEN),
        num_maskmem=MEMORIES, max_object_pointers_in_encoder=POINTERS,
        memory_attention_hidden_size=HIDDEN, memory_attention_num_layers=2,
        memory_attention_feed_forward_hidden_size=256, memory_attention_rope_feat_sizes=[GRID, GRID],
        memory_attention_dropout=0.0, memory_attention_rope_dropout=0.0,
        memory_encoder_hidden_size=HIDDEN, memory_encoder_output_channels=MEMORY, mask_downsampler_embed_dim=HIDDEN,
        memory_fuser_embed_dim=HIDDEN, memory_fuser_intermediate_dim=256, memory_fuser_layer_scale_init_value=0.1)


@torch.no_grad()
def initialise(model):
    """Linear and convolution weights at 1/sqrt(fan in), embeddings that matter away from zero.

    The reference's own initialiser leaves prompts and image with two different random position codes, so that no
    point can be found in the picture, and makes every embedding of a token all but zero. Positions here are mostly one axis a
    channel, slow to fast waves: "between these corners" is then easy to say.
    """
    for module in model.modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
            torch.nn.init.trunc_normal_(module.weight, std=module.weight[0].numel() ** -0.5)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, torch.nn.ConvTranspose2d):
            torch.nn.init.trunc_normal_(module.weight, std=module.in_channels ** -0.5)
        elif isinstance(module, torch.nn.Embedding):
            module.weight.normal_(0, 0.5)
    for name, p in model.named_parameters():
        if name.endswith(".scale"):  # the memory fuser's layer scale
            p.fill_(0.1)
    waves = 0.06 * (2.5 / 0.06) ** (torch.arange(28) / 27)
    code = torch.zeros(2, HIDDEN // 2)
    code[0, :28], code[1, 28:56], code[:, 56:] = waves, waves, torch.randn(2, HIDDEN // 2 - 56)
    model.shared_image_embedding.positional_embedding.copy_(code)
    model.prompt_encoder.shared_embedding.positional_embedding.copy_(code)
    model.prompt_encoder.no_mask_embed.weight.mul_(0.2)
    for p in (model.vision_encoder.backbone.pos_embed, model.vision_encoder.backbone.pos_embed_window):
        torch.nn.init.trunc_normal_(p, std=0.1)
    torch.nn.init.normal_(model.memory_temporal_positional_encoding, std=0.3)
    for p in (model.no_memory_embedding, model.no_object_pointer, model.occlusion_spatial_embedding_parameter):
        torch.nn.init.trunc_normal_(p, std=0.1)
    for conv in model.vision_encoder.neck.convs:  # or the picture drowns the position codes that are added to it
        conv.weight.mul_(0.15)
    model.mask_downsample.weight.fill_(1 / 16)
    model.mask_downsample.bias.zero_()


@torch.no_grad()
def grow(model, weights, blocks=(1, 2, 4, 1)):
    """Loads weights of a smaller model: added blocks, each stage's last, start as the identity; places are resampled."""
    names, at, to = {}, 0, 0
    for old, new in zip(blocks, BLOCKS):
        names.update({at + i: to + i for i in range(old)})
        at, to = at + old, to + new
    prefix = "vision_encoder.backbone.blocks."
    def renamed(name):
        if not name.startswith(prefix):
            return name
        number, rest = name[len(prefix):].split(".", 1)
        return f"{prefix}{names[int(number)]}.{rest}"
    weights = {renamed(k): v for k, v in weights.items()}
    place = "vision_encoder.backbone.pos_embed"
    weights[place] = F.interpolate(weights[place], size=(GRID, GRID), mode="bicubic")
    for name in model.load_state_dict(weights, strict=False).missing_keys:
        assert name.startswith(prefix), name
        if name.split(".", 4)[4] in ("attn.proj.weight", "attn.proj.bias", "mlp.proj_out.weight", "mlp.proj_out.bias"):
            model.get_parameter(name).zero_()


def keep_positions(model):
    """The neck's sine codes depend on the shape alone; computing them takes a tenth of a step."""
    encoding = model.vision_encoder.neck.position_encoding
    compute, kept = encoding.forward, {}
    def forward(shape, device, dtype, mask=None):
        key = tuple(shape[2:])
        if key not in kept:
            kept[key] = compute((1,) + tuple(shape[1:]), device, dtype, mask).detach()
        return kept[key].expand(shape[0], -1, -1, -1)
    encoding.forward = forward


# ---- forward, as the reference's session does it, but with gradients and several objects at once

def encode(model, images):
    """High-resolution maps and the last one, all (b, c, h, w)."""
    maps = model.get_image_features(images).fpn_hidden_states
    return [m.permute(1, 2, 0).reshape(images.shape[0], -1, *s) for m, s in zip(maps, model.backbone_feature_sizes)]


def decode(model, high, last, points, labels, multimask):
    b = last.shape[0]
    if points is None:
        points, labels = torch.zeros(b, 1, 1, 2), -torch.ones(b, 1, 1, dtype=torch.int32)
    sparse, dense = model.prompt_encoder(input_points=points, input_labels=labels, input_boxes=None, input_masks=None)
    place = model.get_image_wide_positional_embeddings().repeat(b, 1, 1, 1)
    return model.mask_decoder(image_embeddings=last, image_positional_embeddings=place, sparse_prompt_embeddings=sparse,
                              dense_prompt_embeddings=dense, multimask_output=multimask, high_resolution_features=high)


def mask_losses(logits, ious, target, fine=False):
    """logits (b, n, m, h, w), ious (b, n, m), target (b, n, SIDE, SIDE). Returns loss (b, n), best index (b, n, 1), IoU (b, n).

    The target is the share of each cell that is covered; `fine`: at twice the logits' resolution.
    """
    b, n, m = ious.shape
    cell = SIDE // logits.shape[-1]
    if fine:
        logits = F.interpolate(logits.flatten(0, 1), scale_factor=2, mode="bilinear").view(b, n, m, 2 * logits.shape[-1], -1)
        cell //= 2
    x = logits.flatten(3)
    want = F.avg_pool2d(target, cell).view(b, n, 1, -1).expand_as(x)
    p = x.sigmoid()
    ce = F.binary_cross_entropy_with_logits(x, want, reduction="none").mean(-1)
    # Small objects weigh as much as large ones: cross entropy relative to the object's size, within limits.
    ce = ce / want.mean(-1).clamp(0.03, 0.3) * 0.5
    dice = 1 - (2 * (p * want).sum(-1) + 1) / ((p * p).sum(-1) + (want * want).sum(-1) + 1)
    with torch.no_grad():
        hard, real = x > 0, want > 0.5
        inter = (hard & real).sum(-1).float()
        iou = inter / (hard | real).sum(-1).clamp(min=1)
    each = ce + dice
    best = each.argmin(-1, keepdim=True)
    loss = each.gather(-1, best)[..., 0] + (0.1 * each.mean(-1) if m > 1 else 0)
    loss = loss + 0.5 * ((ious - iou) ** 2).mean(-1).sqrt()
    return loss, best, iou.gather(-1, best)[..., 0]


def even_loss(logits, target):
    """Cross entropy (b, n, m) in which inside and outside weigh the same."""
    want = F.avg_pool2d(target, SIDE // logits.shape[-1])[:, :, None].expand_as(logits)
    e = F.binary_cross_entropy_with_logits(logits, want, reduction="none")
    inside, outside = (e * want).sum((3, 4)) / want.sum((3, 4)).clamp(min=1), (e * (1 - want)).sum((3, 4)) / (1 - want).sum((3, 4)).clamp(min=1)
    return inside + outside


def remember(model, last, logits, appear, hard):
    """Memory features (hw, b, MEMORY) of one frame from its mask logits (b, h, w)."""
    big = F.interpolate(logits[:, None], size=(SIDE, SIDE), mode="bilinear")
    mask = (big > 0).float() if hard else big.sigmoid()
    mask = mask * model.config.sigmoid_scale_for_mem_enc + model.config.sigmoid_bias_for_mem_enc
    features, place = model.memory_encoder(last, mask)
    features = features + (1 - appear[..., None, None]) * model.occlusion_spatial_embedding_parameter[..., None, None]
    return features.flatten(2).permute(2, 0, 1), place.expand(last.shape[0], -1, -1, -1).flatten(2).permute(2, 0, 1)


def attend(model, last, bank, pointers, t):
    """bank: frame -> (features, place); pointers: frame -> (b, HIDDEN). Frame 0 is the conditioning frame."""
    b = last.shape[0]
    memory, place = [], []
    for frame in [0] + list(range(max(1, t - model.num_maskmem + 1), t)):
        offset = 0 if frame == 0 else t - frame
        memory.append(bank[frame][0])
        place.append(bank[frame][1] + model.memory_temporal_positional_encoding[offset - 1])
    most = model.config.max_object_pointers_in_encoder
    frames = [0] + list(range(max(1, t - most + 1), t))
    distance = torch.tensor([float(t - f) for f in frames]) / (most - 1)
    where = model.temporal_positional_encoding_projection_layer(get_1d_sine_pe(distance, HIDDEN))
    tokens = torch.stack([pointers[f] for f in frames]).reshape(-1, b, HIDDEN // MEMORY, MEMORY).permute(0, 2, 1, 3).flatten(0, 1)
    memory.append(tokens)
    place.append(where[:, None].expand(-1, b, -1).repeat_interleave(HIDDEN // MEMORY, 0))
    current = last.flatten(2).permute(2, 0, 1)
    sine = model.vision_encoder.neck.position_encoding((b, HIDDEN, GRID, GRID), last.device, last.dtype)
    sine = sine.expand(b, -1, -1, -1).flatten(2).permute(2, 0, 1)
    out = model.memory_attention(current_vision_features=current, current_vision_position_embeddings=sine,
                                 memory=torch.cat(memory), memory_posision_embeddings=torch.cat(place),
                                 num_object_pointer_tokens=tokens.shape[0])
    return out.reshape(b, GRID * GRID, HIDDEN).transpose(1, 2).reshape(b, HIDDEN, GRID, GRID)


def pointer_of(model, tokens, pick, appear):
    if tokens.shape[2] > 1:
        token = tokens[:, 0].gather(1, pick[:, 0, :, None].expand(-1, -1, tokens.shape[-1]))[:, 0]
    else:
        token = tokens[:, 0, 0]
    return appear * model.object_pointer_proj(token) + (1 - appear) * model.no_object_pointer


# ---- steps

def warm_up(model, steps, log, lr=2e-3):
    """Teaches prompt encoder and mask decoder, on noise in place of pictures, to fill an ellipse in the box.

    Some 40 seconds. Without it the answer to a prompt first shrinks to nothing while the rest learns to see objects
    anywhere, and hundreds of steps later it is still not back.
    """
    class Parts(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.prompt_encoder, self.mask_decoder = model.prompt_encoder, model.mask_decoder

    parts = Parts()
    matrices, rest = split_parameters(parts, False)
    muon, adam = Muon(matrices), torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=0)
    y, x = torch.meshgrid(torch.arange(SIDE) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")
    b, n, ious = 8, 4, []
    for step in range(steps):
        size = torch.rand(b, n, 2) * 0.42 * SIDE + 0.15 * SIDE
        centre = torch.rand(b, n, 2) * (SIDE - size) + size / 2
        points = torch.stack([centre - size / 2, centre + size / 2], 2)
        labels = torch.tensor([2, 3], dtype=torch.int32).expand(b, n, 2).contiguous()
        cx, cy, rx, ry = (v[..., None, None] for v in (centre[..., 0], centre[..., 1], size[..., 0] / 2, size[..., 1] / 2))
        masks = (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1).float()
        noise = lambda channels, side: 0.3 * torch.randn(b, channels, side, side)
        high = [noise(HIDDEN // 8, SIDE // 4), noise(HIDDEN // 4, SIDE // 8)]
        logits, quality, _, _ = decode(model, high, noise(HIDDEN, GRID), points, labels, step % 3 == 2)
        loss, _, iou = mask_losses(logits, quality, masks)
        loss = 0.5 * even_loss(logits, masks).mean() + 0.2 * loss.mean()  # "nothing at all" is no answer
        loss.backward()
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        rate = lr * min(1, (step + 1) / 20)
        muon.step(rate)
        for g in adam.param_groups:
            g["lr"] = rate
        adam.step()
        model.zero_grad(set_to_none=True)
        ious.append(float(iou.mean()))
        if step % 25 == 24:
            print(json.dumps(dict(warm_up=step + 1, iou=round(float(np.mean(ious)), 4))), file=log, flush=True)
            ious = []


def make_extra():
    """Throw-away heads on the encoder's three maps: the cover of every cell of the finest map, and from here to the object's centre."""
    return torch.nn.ModuleList(torch.nn.Conv2d(c, n + 2, 1) for c, n in ((HIDDEN // 8, 1), (HIDDEN // 4, 4), (HIDDEN, 16)))


def extra_loss(extra, maps, owners):
    """Teaches the encoder faster than masks alone do. owners (b, SIDE, SIDE), -1 for none."""
    b, most, loss = owners.shape[0], int(owners.max()) + 1, 0
    boxes = D.boxes_of(F.one_hot(owners + 1, most + 1)[..., 1:].permute(0, 3, 1, 2).flatten(0, 1)).view(b, most, 4)
    centre, size = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]).clamp(min=8)
    cover = F.avg_pool2d((owners >= 0).float()[:, None], SIDE // maps[0].shape[-1])
    for head, x in zip(extra, maps):
        cell = SIDE // x.shape[-1]
        own = owners[:, cell // 2::cell, cell // 2::cell]
        there = (own >= 0).float()
        out = head(x)
        fine = F.pixel_shuffle(out[:, :-2], cover.shape[-1] // x.shape[-1])
        e = F.binary_cross_entropy_with_logits(fine, cover, reduction="none")
        loss = loss + (e * (0.4 + cover)).mean()
        index = own.clamp(min=0).flatten(1)[..., None].expand(-1, -1, 2)
        at = (torch.arange(x.shape[-1]) + 0.5) * cell
        here = torch.stack(torch.meshgrid(at, at, indexing="ij")[::-1], -1).view(1, -1, 2)
        want = ((centre.gather(1, index) - here) / size.gather(1, index)).clamp(-1, 1)
        off = (out[:, -2:].flatten(2).transpose(1, 2) - want).abs().sum(-1)
        loss = loss + (off * there.flatten(1)).sum() / there.sum().clamp(min=1)
    return 0.4 * loss


def picture_step(model, data, rng, count=8, per=6, fine=False, extra=None):
    images, masks, owners = D.pick_pictures(rng, *data[4 + int(rng.random() < 0.5)], count, per)
    high0, high1, last = encode(model, images)
    side = extra_loss(extra, (high0, high1, last), owners) if extra else 0
    last = last + model.no_memory_embedding.view(1, -1, 1, 1)
    kind = "box" if rng.random() < 0.65 else "point"
    points, labels = D.prompts_for(rng, masks, kind)
    many = kind == "point" if rng.random() < 0.7 else kind != "point"
    logits, ious, _, appear = decode(model, [high0, high1], last, points, labels, many)
    loss, _, iou = mask_losses(logits, ious, masks, fine)
    loss = loss.mean() + 0.05 * F.softplus(-appear).mean()
    return loss + side, {kind: float(iou.mean()), **({"extra": float(side)} if extra else {})}


def clip_features(model, data, keep):
    """Features of all frames of `keep` clips, f16: three arrays (clips, frames, c, h, w)."""
    out = [[], [], []]
    with torch.no_grad():
        for i in range(keep):
            for store, x in zip(out, encode(model, D.pixels(data[2][i]))):
                store.append(x.half())
    return [torch.stack(x) for x in out]


def clip_step(model, features, owners, rng, count=4, per=3, length=6, prompts_noise=0.12, start=None, early=False, frames_of=None):
    """`count` clips with `per` objects each, `length` frames of them, forwards or backwards, some frames skipped.

    early: inside and outside weigh the same, so that "nothing" is no answer, and the memory hears the truth about presence.
    """
    picks, targets = [], []
    frames = owners.shape[1]
    while len(picks) < count:
        i = int(rng.integers(len(owners))) if start is None else (start + len(picks)) % len(owners)
        longest = min((frames - 1) // (length - 1), 4)
        stride = int(rng.integers(1, longest + 1)) if start is None else 1
        at = int(rng.integers(0, frames - stride * (length - 1))) if start is None else 0
        index = at + stride * np.arange(length)
        if start is None and rng.random() < 0.5:
            index = index[::-1]
        own = owners[i, index]
        there = [k for k in range(int(own[0].max()) + 1) if (own[0] == k).sum() > 60]
        if not there:
            if start is not None:
                start += 1
            continue
        order = [there[k % len(there)] for k in rng.permutation(max(per, len(there)))[:per]]
        picks.append((i, index.copy()))
        targets.append(np.stack([own == k for k in order]))
    masks = torch.from_numpy(np.concatenate(targets)).float()  # (count * per, length, SIDE, SIDE)
    if features is None:
        with torch.no_grad():
            images = D.pixels(np.concatenate([frames_of[i, index] for i, index in picks]))
            high0, high1, last = (x.view(count, length, *x.shape[1:]) for x in encode(model, images))
    else:
        high0, high1, last = (torch.stack([f[i][torch.from_numpy(index)] for i, index in picks]).float() for f in features)
    wide = lambda x: x.repeat_interleave(per, 0)
    bank, pointers, total, ious, right = {}, {}, 0, [], []
    trust = not early and rng.random() < 0.7  # the model's own belief about the object's presence, mostly
    for t in range(length):
        target = masks[:, t:t + 1]
        there = (target.flatten(1).sum(-1, keepdim=True) > 12).float()
        now = wide(last[:, t])
        if t == 0:
            kind = "box" if rng.random() < 0.75 else "point"
            points, labels = D.prompts_for(rng, target, kind, prompts_noise)
            mixed, many = now + model.no_memory_embedding.view(1, -1, 1, 1), kind == "point"
        else:
            points = labels = None
            mixed, many = attend(model, now, bank, pointers, t), True
        logits, quality, tokens, appear = decode(model, [wide(high0[:, t]), wide(high1[:, t])], mixed, points, labels, many)
        loss, best, iou = mask_losses(logits, quality, target)
        total = total + ((loss * there).mean() + 0.3 * F.binary_cross_entropy_with_logits(appear[..., 0], there)) / length
        if early:
            total = total + 0.5 * (even_loss(logits, target) * there).mean() / length
        if t:
            ious += iou[there > 0].tolist()
            right += ((appear[..., 0] > 0).float() == there).float().flatten().tolist()
        pick = quality.argmax(-1, keepdim=True) if many else torch.zeros_like(best)
        chosen = logits[:, 0].gather(1, pick[:, 0, :, None, None].expand(-1, -1, *logits.shape[-2:]))[:, 0]
        seen = (appear[:, 0] > 0).float() if trust else there
        chosen = torch.where(seen[..., None] > 0, chosen, torch.full_like(chosen, -1024.0))
        pointers[t] = pointer_of(model, tokens, pick, seen)
        bank[t] = remember(model, now, chosen, seen, hard=t == 0)
    return total, {"track": float(np.mean(ious or [0])), "seen": float(np.mean(right or [0]))}


@torch.no_grad()
def prepare_memory(model, features):
    """The memory attention begins by looking at its own place in the memories, and answers at the size of the decoder's usual input."""
    for layer in model.memory_attention.layers:
        layer.cross_attn_image.q_proj.bias.fill_(1.0)
        layer.cross_attn_image.k_proj.bias.fill_(1.0)
    last = features[2].float().transpose(2, 0).flatten(1) + model.no_memory_embedding.view(-1, 1)
    model.memory_attention.layer_norm.weight.copy_(last.std(1))
    model.memory_attention.layer_norm.bias.copy_(last.mean(1))


# ---- evaluation

@torch.no_grad()
def evaluate_pictures(model, held):
    """Mean IoU at full resolution of held-out pictures' objects: from exact boxes, from boxes off by some 8 %, from a point."""
    model.eval()
    out, share = {}, D.crowding(held[1])
    for name, kind, noise in (("box", "box", 0.0), ("rough", "box", 0.16), ("point", "point", 0)):
        rng, values = np.random.default_rng(3), []
        for i in range(0, 80, 16):
            images, masks, _ = D.pick_pictures(np.random.default_rng(1000 + i), held[0], held[1], share, 16, 6)
            high0, high1, last = encode(model, images)
            points, labels = D.prompts_for(rng, masks, kind, noise)
            logits, ious, _, _ = decode(model, [high0, high1], last + model.no_memory_embedding.view(1, -1, 1, 1), points, labels,
                                        kind == "point")
            pick = ious.argmax(-1)[..., None, None, None].expand(-1, -1, 1, *logits.shape[-2:])
            big = F.interpolate(logits.gather(2, pick)[:, :, 0], size=(SIDE, SIDE), mode="bilinear") > 0
            inter, union = (big & (masks > 0.5)).flatten(2).sum(-1), (big | (masks > 0.5)).flatten(2).sum(-1)
            values.append((inter / union.clamp(min=1)).mean().item())
        out["held_" + name] = round(float(np.mean(values)), 4)
    model.train()
    return out


@torch.no_grad()
def evaluate_clips(model, features, owners):
    model.eval()
    rng, rows = np.random.default_rng(4), []
    for i in range(0, 24, 8):
        rows.append(clip_step(model, features, owners, rng, 8, 3, 16, 0.0, start=i)[1])
    model.train()
    return {"held_" + k: round(float(np.mean([r[k] for r in rows])), 4) for k in rows[0]}


def export(weights, folder):
    from transformers import Sam2ImageProcessor, Sam2VideoProcessor, Sam2VideoVideoProcessor
    model = Sam2VideoModel(make_config())
    model.load_state_dict(weights)
    part = folder.rstrip("/") + ".part"
    model.half().save_pretrained(part)
    size = {"height": SIDE, "width": SIDE}
    image = Sam2ImageProcessor(size=size, mask_size={"height": SIDE // 4, "width": SIDE // 4})
    Sam2VideoProcessor(image, Sam2VideoVideoProcessor(size=size), target_size=SIDE).save_pretrained(part)
    image.save_pretrained(part)
    os.chmod(os.path.join(part, "model.safetensors"), 0o644)
    os.makedirs(folder, exist_ok=True)
    for name in sorted(os.listdir(part)):  # the configuration first; every file is replaced at once
        os.replace(os.path.join(part, name), os.path.join(folder, name))
    os.rmdir(part)


# ---- main

FROZEN = ("vision_encoder.", "mask_decoder.conv_s")  # what the kept features of clips depend on


def split_parameters(model, frozen):
    """Matrices for Muon, the rest for Adam."""
    matrices, rest = [], []
    for name, p in model.named_parameters():
        if frozen and name.startswith(FROZEN):
            p.requires_grad_(False)
            continue
        plain = any(k in name for k in ("embed", "token.", "tokens.", "positional", "pointer.", "patch_embed", "depthwise", "downsample.weight"))
        matrix = p.ndim in (2, 4) and not plain and min(p.shape[0], p[0].numel()) >= 8
        (matrices if matrix else rest).append(p)
    return matrices, rest


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("phase", choices=("pictures", "clips", "both", "export"))
    a.add_argument("files", nargs="*", help="export: CHECKPOINT FOLDER")
    a.add_argument("--data")
    a.add_argument("--held")
    a.add_argument("--out")
    a.add_argument("--start", help="weights to begin with")
    a.add_argument("--seconds", type=float, default=2400)
    a.add_argument("--decay", type=float, default=0.35, help="share of the time in which the rate falls")
    a.add_argument("--lr", type=float, default=2.0e-3)
    a.add_argument("--keep", type=int, default=160, help="clips whose features are kept")
    a.add_argument("--warm-up", type=int, default=280, help="steps on ellipses")
    a.add_argument("--resume")
    a.add_argument("--compile", action="store_true")
    a = a.parse_args()
    torch.set_num_threads(1)
    if a.phase == "export":
        return export(torch.load(a.files[0], weights_only=False)["average"], a.files[1])
    os.makedirs(a.out, exist_ok=True)
    torch.manual_seed(0)
    model, shadow = Sam2VideoModel(make_config()), Sam2VideoModel(make_config())
    keep_positions(model), keep_positions(shadow)
    initialise(model)
    extra = make_extra()
    if a.start:
        begin = torch.load(a.start, weights_only=False)
        if sum(BLOCKS) == 1 + max(int(k.split(".")[3]) for k in begin["average"] if k.startswith("vision_encoder.backbone.blocks.")):
            model.load_state_dict(begin["average"])
            extra.load_state_dict(begin["extra"])
        else:
            grow(model, begin["average"])
    remembers = a.start and begin.get("remembers", False)  # the memory has been trained before
    model.train()
    if a.compile:
        torch._dynamo.config.automatic_dynamic_shapes = False
        for block in model.vision_encoder.backbone.blocks:
            block.forward = torch.compile(block.forward)
    matrices, rest = split_parameters(model, a.phase == "clips")
    muon, adam = Muon(matrices), torch.optim.AdamW(rest, lr=a.lr, betas=(0.9, 0.98), weight_decay=0.01)
    average, spent, step = None, 0.0, 0
    extra_adam = torch.optim.AdamW(extra.parameters(), lr=3e-3)
    if a.resume:
        c = torch.load(a.resume, weights_only=False)
        model.load_state_dict(c["model"]), adam.load_state_dict(c["adam"])
        muon.buffers, average, spent, step = c["muon"], c["average"], c["spent"], c["step"]
        if "extra" in c:
            extra.load_state_dict(c["extra"])
    rng, data, held = np.random.default_rng(step), D.load(a.data), D.load(a.held) if a.held else None
    for pictures, owners in (data[:2], (x.reshape(-1, *x.shape[2:]) for x in data[2:4])):  # the frames of clips are pictures too
        data.append((pictures, owners, D.crowding(owners)))
    features = held_features = None
    if a.phase == "clips":
        model.eval()
        features = clip_features(model, data, min(a.keep, len(data[2])))
        held_features = clip_features(model, held, 24) if held else None
        model.train()
        if not a.resume and not remembers:
            prepare_memory(model, features)
    log = open(os.path.join(a.out, "log.jsonl"), "a")
    if a.phase == "pictures" and not a.resume and not a.start:
        warm_up(model, a.warm_up, log)
    average = average or {k: v.clone() for k, v in model.state_dict().items()}
    start, wall = time.process_time() - spent, time.time()
    last_save, last_eval, meters = spent, spent, []
    while True:
        now = time.process_time() - start
        finish = os.path.join(a.out, "finish")
        if os.path.exists(finish):  # its number: seconds from now on
            with open(finish) as f:
                a.seconds = now + float(f.read() or 200)
            os.remove(finish)
            a.decay = (a.seconds - now) / a.seconds
        if now > a.seconds:
            break
        rate = a.lr * min(1, (step + 1) / 60) * max(0.02, min(1, (1 - now / a.seconds) / a.decay))
        if a.phase == "pictures":
            loss, meter = picture_step(model, data, rng, fine=now > 0.7 * a.seconds, extra=extra)
        elif a.phase == "both":
            if rng.random() < 0.5:
                loss, meter = picture_step(model, data, rng, fine=now > 0.6 * a.seconds, extra=extra)
            else:
                loss, meter = clip_step(model, None, data[3], rng, 4, 3, 6, frames_of=data[2])
        elif rng.random() < 0.25:  # so that prompts are not forgotten
            loss, meter = picture_step(model, data, rng)
        else:
            early = step < 200 and not remembers
            count, length = (4, 7) if not early else (12, 2) if step < 70 else (6, 4)
            loss, meter = clip_step(model, features, data[3][:len(features[0])], rng, count, 3, length, early=early)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        muon.step(rate)
        for g in adam.param_groups:
            g["lr"] = rate
        adam.step()
        extra_adam.step()
        model.zero_grad(set_to_none=True), extra.zero_grad(set_to_none=True)
        step += 1
        with torch.no_grad():
            fade = min(0.995, (step + 1) / (step + 10))
            for k, v in model.state_dict().items():
                average[k].lerp_(v, 1 - fade) if v.is_floating_point() else average[k].copy_(v)
        meters.append(dict(meter, loss=loss.item()))
        if step % 20 == 0:
            row = dict(step=step, s=round(time.time() - wall), cpu_s=round(now), lr=round(rate, 6))
            for k in sorted({k for m in meters for k in m}):
                row[k] = round(float(np.mean([m[k] for m in meters if k in m])), 4)
            meters = []
            if now - last_save > 90:
                last_save = now
                if held and now - last_eval > 180:
                    last_eval = now
                    shadow.load_state_dict(average)
                    row.update(evaluate_pictures(shadow, held))
                    if a.phase != "pictures":
                        if a.phase == "both":
                            held_features = clip_features(shadow.eval(), held, 24)
                        row.update(evaluate_clips(shadow, held_features, held[3][:24]))
                state = dict(model=model.state_dict(), adam=adam.state_dict(), muon=muon.buffers, average=average,
                             extra=extra.state_dict(), spent=now, step=step)
                torch.save(state, os.path.join(a.out, "last.pt.part"))
                os.replace(os.path.join(a.out, "last.pt.part"), os.path.join(a.out, "last.pt"))
            print(json.dumps(row), file=log, flush=True)
    torch.save(dict(average=average, extra=extra.state_dict(), spent=now, step=step, remembers=remembers or a.phase != "pictures"),
               os.path.join(a.out, a.phase + ".pt"))
    if held:
        shadow.load_state_dict(average)
        row = evaluate_pictures(shadow, held)
        if a.phase != "pictures":
            if a.phase == "both":
                held_features = clip_features(shadow.eval(), held, 24)
            row.update(evaluate_clips(shadow, held_features, held[3][:24]))
        print(json.dumps(dict(final=row, step=step)), file=log, flush=True)


if __name__ == "__main__":
    main()
