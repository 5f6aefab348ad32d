"""Trains the demo SAM 2.1 model: boxes and points to masks, then masks through video with memory and occlusion.

    python train_sam2.py --out RUN [--budget SECONDS] [--images SHARE]

The first share of the budget shows single pictures (prompts: boxes, points, masks); the rest shows short clips of one
object a clip: prompted on their first frame, then tracked with the memory bank as the reference's session does it
(pinned release, streaming rule for pointers). Losses are SAM 2's: focal and dice on masks (best of three where the
model gives three), absolute error of the predicted IoU, cross entropy of the object score.
"""
import argparse
import json
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from transformers import Sam2VideoConfig, Sam2VideoModel
from transformers.models.sam2_video.modeling_sam2_video import get_1d_sine_pe

import clips as C
import scenes as S

SIDE, GRID, HIDDEN, MEMORY = 256, 16, 128, 64
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def make_config():
    dims = [32, 64, 128, 256]
    return Sam2VideoConfig(
        image_size=SIDE,
        vision_config=dict(
            backbone_config=dict(model_type="sam2_hiera_det_model", hidden_size=dims[0], image_size=[SIDE, SIDE],
                                 blocks_per_stage=[1, 2, 5, 1], embed_dim_per_stage=dims,
                                 num_attention_heads_per_stage=[1, 2, 4, 8], window_size_per_stage=[8, 4, 8, 8],
                                 global_attention_blocks=[5, 7], window_positional_embedding_background_size=[8, 8]),
            backbone_channel_list=dims[::-1], fpn_hidden_size=HIDDEN,
            backbone_feature_sizes=[[SIDE // 4] * 2, [SIDE // 8] * 2, [GRID] * 2]),
        prompt_encoder_config=dict(hidden_size=HIDDEN, image_size=SIDE, patch_size=16),
        mask_decoder_config=dict(hidden_size=HIDDEN, mlp_dim=256, num_attention_heads=4, iou_head_hidden_dim=HIDDEN),
        memory_attention_hidden_size=HIDDEN, memory_attention_num_layers=2,
        memory_attention_feed_forward_hidden_size=256, memory_attention_rope_feat_sizes=[GRID, GRID],
        memory_attention_dropout=0.0, memory_attention_rope_dropout=0.0,
        memory_encoder_hidden_size=HIDDEN, memory_encoder_output_channels=MEMORY, mask_downsampler_embed_dim=HIDDEN,
        memory_fuser_embed_dim=HIDDEN, memory_fuser_intermediate_dim=256, memory_fuser_layer_scale_init_value=0.1)


@torch.no_grad()
def initialise(model):
    """Linear and convolution weights at 1/sqrt(fan in), embeddings that matter away from zero."""
    for name, m in model.named_modules():
        if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d)):
            torch.nn.init.trunc_normal_(m.weight, std=m.weight[0].numel() ** -0.5)
            if m.bias is not None:
                m.bias.zero_()
    for name, p in model.named_parameters():
        if name.endswith(".scale"):  # the memory fuser's layer scale
            p.fill_(0.1)
    for p in (model.no_memory_embedding, model.memory_temporal_positional_encoding, model.no_object_pointer,
              model.occlusion_spatial_embedding_parameter):
        torch.nn.init.trunc_normal_(p, std=0.02)
    model.mask_downsample.weight.fill_(20 / 16)
    model.mask_downsample.bias.fill_(-10)


# ---- data

def square(image, owner):
    image = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.BILINEAR))
    owner = np.asarray(Image.fromarray(owner.astype(np.int32), "I").resize((SIDE, SIDE), Image.NEAREST))
    return image, owner


def pixels(frames):
    return (torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


class Data:
    def __init__(self, split, seed, photos):
        self.rng, self.split = np.random.default_rng(seed), split
        self.sprites, self.backgrounds = S.Sprites(), S.Backgrounds(split, seed, 300, photos=photos)

    def pictures(self, count, per):
        """Pictures (count, 3, SIDE, SIDE) and masks (count, per, SIDE, SIDE)."""
        frames, masks = [], []
        while len(frames) < count:
            s = S.scene(self.rng, self.split, self.sprites, self.backgrounds, SIDE, most=6)
            image, owner = square(s["image"], s["owner"])
            there = [i for i in range(len(s["objects"])) if (owner == i).sum() > 60]
            if there:
                frames.append(image)
                masks.append(np.stack([owner == there[k % len(there)] for k in self.rng.permutation(max(per, len(there)))[:per]]))
        return pixels(frames), torch.from_numpy(np.stack(masks)).float()

    def clips(self, count, length):
        """Frames (count, length, 3, SIDE, SIDE) and the masks of one object (count, length, SIDE, SIDE)."""
        out_f, out_m = [], []
        while len(out_f) < count:
            w, h = [(256, 192), (192, 256), (224, 224)][self.rng.integers(3)]
            nouns = self.rng.choice(len(self.sprites.by_noun), int(self.rng.integers(1, 5)), replace=False)
            actors = [(k, C.Actor(self.rng, self.sprites, self.split, w, h, int(n))) for k, n in enumerate(nouns)]
            if self.rng.random() < 0.7:
                extra = C.Actor(self.rng, self.sprites, self.split, w, h, distractor=True)
                extra.speed = self.rng.normal(0, 0.03, 2)
                actors.insert(int(self.rng.integers(len(actors) + 1)), (-1, extra))
            stage = C.Stage(self.rng, self.split, self.backgrounds, w, h, actors)
            t, step, frames, owners = int(self.rng.integers(0, 10)), int(self.rng.integers(1, 6)), [], []
            if self.rng.random() < 0.25:  # the object leaves for a while, then is back
                actor = actors[int(self.rng.integers(len(actors)))][1]
                actor.first, gap = 0, sorted(self.rng.choice(np.arange(1, length), 2, replace=False))
                hidden = {t + step * k for k in range(gap[0], gap[1])}
                draw = actor.draw
                actor.draw = lambda c, o, i, when, draw=draw, hidden=hidden: None if when in hidden else draw(c, o, i, when)
            for k in range(length):
                image, owner = square(*stage.frame(t + step * k))
                frames.append(image), owners.append(owner)
            first = [k for k in range(len(nouns)) if (owners[0] == k).sum() > 100]
            if first:
                target = first[self.rng.integers(len(first))]
                out_f.append(pixels(frames))
                out_m.append(torch.from_numpy(np.stack([o == target for o in owners])).float())
        return torch.stack(out_f), torch.stack(out_m)


def box_of(mask):
    ys, xs = torch.nonzero(mask, as_tuple=True)
    if not len(xs):
        return torch.tensor([0.0, 0.0, 8.0, 8.0])
    return torch.stack([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]).float()


def prompts_for(masks, rng, kind):
    """masks (b, n, SIDE, SIDE). kind: box or point. Points (b, n, k, 2) and labels (b, n, k)."""
    b, n = masks.shape[:2]
    points = torch.zeros(b, n, 2 if kind == "box" else 1, 2)
    labels = torch.ones(points.shape[:3], dtype=torch.int32)
    for i in range(b):
        for j in range(n):
            if kind == "box":
                box = box_of(masks[i, j])
                size = (box[2:] - box[:2]).repeat(2)
                box = box + torch.from_numpy(rng.normal(0, 0.04, 4)).float() * size
                points[i, j] = box.view(2, 2)
                labels[i, j] = torch.tensor([2, 3])
            else:
                ys, xs = torch.nonzero(masks[i, j], as_tuple=True)
                if len(xs):
                    k = int(rng.integers(len(xs)))
                    points[i, j, 0] = torch.tensor([float(xs[k]), float(ys[k])])
    return points, labels


# ---- forward, as the reference's session does it, but with gradients and several clips at once

def encode(model, images):
    """High-resolution maps and the last one, all (b, c, h, w)."""
    maps = model.get_image_features(images).fpn_hidden_states
    return [m.permute(1, 2, 0).reshape(images.shape[0], -1, *s) for m, s in zip(maps, model.backbone_feature_sizes)]


def decode(model, high, last, points, labels, multimask, masks=None):
    b = last.shape[0]
    if points is None:
        points, labels = torch.zeros(b, 1, 1, 2), -torch.ones(b, 1, 1, dtype=torch.int32)
    sparse, dense = model.prompt_encoder(input_points=points, input_labels=labels, input_boxes=None, input_masks=masks)
    place = model.get_image_wide_positional_embeddings().repeat(b, 1, 1, 1)
    return model.mask_decoder(image_embeddings=last, image_positional_embeddings=place, sparse_prompt_embeddings=sparse,
                              dense_prompt_embeddings=dense, multimask_output=multimask, high_resolution_features=high)


def mask_losses(logits, ious, appear, target):
    """logits (b, n, m, 64, 64), ious (b, n, m), appear (b, n, 1), target (b, n, SIDE, SIDE). Returns loss, best index, IoU."""
    there = (target.flatten(2).sum(-1) > 0).float()
    b, n, m = ious.shape
    big = F.interpolate(logits.flatten(0, 1), size=(SIDE // 2, SIDE // 2), mode="bilinear").view(b, n, m, -1)
    want = (F.avg_pool2d(target, 2) > 0.5).float().view(b, n, 1, -1).expand_as(big)
    p = big.sigmoid()
    ce = F.binary_cross_entropy_with_logits(big, want, reduction="none")
    focal = (ce * (1 - (p * want + (1 - p) * (1 - want))) ** 2 * (0.25 * want + 0.75 * (1 - want))).mean(-1)
    dice = 1 - (2 * (p * want).sum(-1) + 1) / (p.sum(-1) + want.sum(-1) + 1)
    with torch.no_grad():
        hard = (big > 0).float()
        inter = (hard * want).sum(-1)
        real = inter / (hard.sum(-1) + want.sum(-1) - inter).clamp(min=1)
    each = 20 * focal + dice
    best = each.argmin(-1, keepdim=True)
    picked = each.gather(-1, best)[..., 0] + 0.15 * each.mean(-1) * (m > 1)
    quality = (ious - real).abs().mean(-1)
    n_there = there.sum().clamp(min=1)
    loss = ((picked + quality) * there).sum() / n_there
    loss = loss + F.binary_cross_entropy_with_logits(appear[..., 0], there)
    return loss, best, (real.gather(-1, best)[..., 0] * there).sum() / n_there


def remember(model, last, logits, appear, hard):
    """Memory features (hw, b, MEMORY) of one frame from its mask logits (b, 64, 64)."""
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
    frames = [0] + [f for f in range(max(1, t - 15), t)]
    distance = torch.tensor([float(t - f) for f in frames]) / (model.config.max_object_pointers_in_encoder - 1)
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


def pointer_of(model, tokens, best, appear):
    token = tokens[:, 0].gather(1, best[:, 0, :, None].expand(-1, -1, tokens.shape[-1]))[:, 0] if tokens.shape[2] > 1 else tokens[:, 0, 0]
    return appear * model.object_pointer_proj(token) + (1 - appear) * model.no_object_pointer


def picture_step(model, data, rng, count=12, per=3):
    images, masks = data.pictures(count, per)
    high0, high1, last = encode(model, images)
    last = last + model.no_memory_embedding.view(1, -1, 1, 1)
    kind = "box" if rng.random() < 0.6 else "point"
    points, labels = prompts_for(masks, rng, kind)
    logits, ious, _, appear = decode(model, [high0, high1], last, points, labels, kind == "point")
    loss, best, iou = mask_losses(logits, ious, appear, masks)
    if rng.random() < 0.5:  # the other head on the same prompts: one mask, or three
        more = decode(model, [high0, high1], last, points, labels, kind != "point")
        loss = 0.5 * loss + 0.5 * mask_losses(more[0], more[1], more[3], masks)[0]
    return loss, iou


def clip_step(model, data, rng, count=4, length=6):
    frames, masks = data.clips(count, length)
    high0, high1, last = encode(model, frames.flatten(0, 1))
    high0, high1, last = (x.view(count, length, *x.shape[1:]) for x in (high0, high1, last))
    bank, pointers, total, ious = {}, {}, 0, []
    for t in range(length):
        target = masks[:, t:t + 1]
        there = (target.flatten(1).sum(-1, keepdim=True) > 0).float()
        if t == 0:
            kind = "box" if rng.random() < 0.7 else "point"
            points, labels = prompts_for(target, rng, kind)
            mixed, multimask = last[:, 0] + model.no_memory_embedding.view(1, -1, 1, 1), kind == "point"
        else:
            points = labels = None
            mixed, multimask = attend(model, last[:, t], bank, pointers, t), True
        logits, quality, tokens, appear = decode(model, [high0[:, t], high1[:, t]], mixed, points, labels, multimask)
        loss, best, iou = mask_losses(logits, quality, appear, target)
        total = total + loss / length
        ious.append(float(iou.detach()))
        pick = quality.argmax(-1, keepdim=True) if multimask else torch.zeros_like(best)
        chosen = logits[:, 0].gather(1, pick[:, 0, :, None, None].expand(-1, -1, *logits.shape[-2:]))[:, 0]
        seen = (appear[:, 0] > 0).float() if rng.random() < 0.7 else there  # the model's own belief, mostly
        chosen = torch.where(seen[..., None] > 0, chosen, torch.full_like(chosen, -1024.0))
        pointers[t] = pointer_of(model, tokens, pick, seen)
        bank[t] = remember(model, last[:, t], chosen, seen, hard=t == 0)
    return total, torch.tensor(np.mean(ious[1:]))


# ---- evaluation

@torch.no_grad()
def evaluate(model, photos):
    model.eval()
    rng, data = np.random.default_rng(5), Data("held", 4242, photos)
    boxes = [float(picture_step_fixed(model, data, rng)) for _ in range(6)]
    tracks = [float(clip_step(model, data, rng, 4, 8)[1]) for _ in range(4)]
    model.train()
    return float(np.mean(boxes)), float(np.mean(tracks))


def picture_step_fixed(model, data, rng):
    images, masks = data.pictures(12, 2)
    high0, high1, last = encode(model, images)
    points, labels = prompts_for(masks, rng, "box")
    out = decode(model, [high0, high1], last + model.no_memory_embedding.view(1, -1, 1, 1), points, labels, False)
    return mask_losses(out[0], out[1], out[3], masks)[2]


def export(weights, folder):
    from transformers import Sam2ImageProcessor, Sam2VideoProcessor, Sam2VideoVideoProcessor
    model = Sam2VideoModel(make_config())
    model.load_state_dict(weights)
    model.half().save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    image = Sam2ImageProcessor(size=size, mask_size={"height": SIDE // 4, "width": SIDE // 4})
    Sam2VideoProcessor(image, Sam2VideoVideoProcessor(size=size), target_size=SIDE).save_pretrained(folder)
    image.save_pretrained(folder)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--out", required=True)
    a.add_argument("--budget", type=float, default=4200, help="seconds")
    a.add_argument("--images", type=float, default=0.5, help="share of the budget on single pictures")
    a.add_argument("--lr", type=float, default=1e-3)
    a.add_argument("--photos")
    a.add_argument("--held-photos")
    a.add_argument("--resume")
    a.add_argument("--steps", type=int, default=1 << 30, help="stop after these many, for a trial")
    a.add_argument("--export", help="write the model folder at the end")
    a = a.parse_args()
    os.makedirs(a.out, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Sam2VideoModel(make_config())
    initialise(model)
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=a.lr, betas=(0.9, 0.98), weight_decay=0.02)
    average, spent, step = {k: v.clone() for k, v in model.state_dict().items()}, 0.0, 0
    if a.resume:
        c = torch.load(a.resume, weights_only=False)
        model.load_state_dict(c["model"]), optimiser.load_state_dict(c["optimiser"])
        average, spent, step = c["average"], c["spent"], c["step"]
    rng, data = np.random.default_rng(step), Data("train", 11 + step, a.photos)
    shadow = Sam2VideoModel(make_config())
    start, cpu, last_eval, meters = time.time() - spent, time.process_time(), spent, []
    log = open(os.path.join(a.out, "log.jsonl"), "a")

    def save(name, now):
        torch.save(dict(model=model.state_dict(), optimiser=optimiser.state_dict(), average=average, spent=now, step=step),
                   os.path.join(a.out, name + ".part"))
        os.replace(os.path.join(a.out, name + ".part"), os.path.join(a.out, name))

    while time.time() - start < a.budget and step < a.steps:
        now = time.time() - start
        progress = now / a.budget
        still = progress < a.images if a.steps > 1 << 20 else step % 2 == 0
        rate = a.lr * min(1, (step + 1) / 100) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * progress)))
        for g in optimiser.param_groups:
            g["lr"] = rate
        # A quarter of the clip phase goes on with pictures, so that prompts are not forgotten.
        loss, iou = picture_step(model, data, rng) if still or rng.random() < 0.25 else clip_step(model, data, rng)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        step += 1
        with torch.no_grad():
            decay = min(0.998, (step + 1) / (step + 20))
            for k, v in model.state_dict().items():
                average[k].lerp_(v, 1 - decay) if v.is_floating_point() else average[k].copy_(v)
        meters.append((loss.item(), iou.item()))
        if step % 20 == 0 or step == a.steps:
            row = dict(step=step, s=round(now), cpu_s=round(time.process_time() - cpu), phase="pictures" if still else "clips",
                       loss=round(float(np.mean([m[0] for m in meters])), 4), iou=round(float(np.mean([m[1] for m in meters])), 4))
            if now - last_eval > 500 or step == a.steps:
                last_eval = now
                shadow.load_state_dict(average)
                row.update(zip(("held_box_iou", "held_track_iou"), (round(v, 4) for v in evaluate(shadow, a.held_photos))))
                save("last.pt", now)
            meters = []
            print(json.dumps(row), file=log, flush=True)
    save("final.pt", time.time() - start)
    shadow.load_state_dict(average)
    print(json.dumps(dict(final=evaluate(shadow, a.held_photos), step=step)), file=log, flush=True)
    if a.export:
        export(average, a.export)


if __name__ == "__main__":
    main()
