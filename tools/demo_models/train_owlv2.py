"""Trains the demo OWLv2 model: words to boxes, from random weights, on one CPU thread or a GPU.

The class head gives one patch an object (the best of those at its centre), so that no suppression is needed
afterwards; a throw-away head and box losses at every patch of an object teach the image tower faster. In the first
part of the run only `--tokens` patches of an image are computed (those with objects first), but for every eighth step. The text tower runs once
a step, over this step's words.
"""
import argparse
import json
import math
import os
import random
import time

import numpy as np
import torch
import torch.nn.functional as F
from transformers import Owlv2Config, Owlv2ForObjectDetection

import metrics
import pool as P
import scenes as S
import tokenizer as T
import vocabulary as V
from muon import Muon

SIDE, PATCH, WIDTH, LAYERS = 256, 16, 128, 7
GRID = SIDE // PATCH
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)
NOUNS = len(V.NOUN_LIST)


def make_config(vocab_size):
    tower = dict(hidden_act="quick_gelu", layer_norm_eps=1e-5)
    return Owlv2Config(
        projection_dim=128,
        text_config=dict(vocab_size=vocab_size, hidden_size=128, intermediate_size=512, num_hidden_layers=2,
                         num_attention_heads=4, max_position_embeddings=16, pad_token_id=0,
                         bos_token_id=vocab_size - 2, eos_token_id=vocab_size - 1, **tower),
        vision_config=dict(hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=LAYERS,
                           num_attention_heads=WIDTH // 32,
                           image_size=SIDE, patch_size=PATCH, **tower))


def sine_positions(grid, width):
    """Axial sine and cosine, so that the tower knows neighbourhoods from the start."""
    omega = 1 / 60 ** (torch.arange(width // 4) / (width // 4))
    t = torch.arange(grid)[:, None] * omega
    e = torch.cat([t.sin(), t.cos()], 1)
    y, x = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    return torch.cat([e[y.reshape(-1)], e[x.reshape(-1)]], 1)


@torch.no_grad()
def initialise(model):
    """The reference's initialiser gives heads of standard deviation 1; these start small and unsaturated."""
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.trunc_normal_(module.weight, std=module.in_features ** -0.5)
            if module.bias is not None:
                module.bias.zero_()
            if name.endswith(("out_proj", "fc2")):
                module.weight.mul_(0.3)
    vision = model.owlv2.vision_model
    emb = vision.embeddings
    torch.nn.init.trunc_normal_(emb.patch_embedding.weight, std=(3 * PATCH * PATCH) ** -0.5)
    emb.position_embedding.weight.zero_()
    emb.position_embedding.weight[1:] = 0.5 * sine_positions(GRID, emb.embed_dim)
    torch.nn.init.normal_(model.owlv2.text_model.embeddings.token_embedding.weight, std=0.5)
    torch.nn.init.normal_(model.owlv2.text_model.embeddings.position_embedding.weight, std=0.1)
    vision.post_layernorm.bias.fill_(1.0)  # patches are multiplied by the class token: start near the identity
    for head, bias in ((model.box_head, (0, 0, 1.0, 1.0)), (model.objectness_head, (-3.0,))):
        head.dense2.weight.mul_(0.1)
        head.dense2.bias.copy_(torch.tensor(bias))
    model.class_head.logit_shift.weight.zero_()
    model.class_head.logit_scale.weight.zero_()
    model.class_head.logit_shift.bias.fill_(-0.55)
    model.class_head.logit_scale.bias.fill_(9.0)  # elu(9) + 1 = 10


@torch.no_grad()
def grow(model, weights):
    """Loads weights of a tower with fewer layers or patches: added layers start as the identity, places are resampled."""
    name = "owlv2.vision_model.embeddings.position_embedding.weight"
    place, grid = weights[name], math.isqrt(len(weights[name]) - 1)
    if grid != GRID:
        cells = place[1:].T.reshape(1, -1, grid, grid)
        cells = F.interpolate(cells, size=(GRID, GRID), mode="bicubic", align_corners=False)
        weights = {**weights, name: torch.cat([place[:1], cells.reshape(-1, GRID * GRID).T])}
    missing = model.load_state_dict(weights, strict=False).missing_keys
    for name in missing:
        if name.endswith(("out_proj.weight", "fc2.weight", "out_proj.bias", "fc2.bias")):
            model.get_parameter(name).zero_()
    return bool(missing) or grid != GRID


# ---- queries of one step

def surface(rng, noun, colour=None, size=None):
    word = rng.choice(V.prompts_of(noun)) if rng.random() < 0.5 else noun
    if colour:
        word = colour + " " + word
    if size:
        word = rng.choice(V.SIZES[size]) + " " + word
    pick = rng.random()
    template = V.TEMPLATES[0] if pick < 0.35 else V.TEMPLATES[1] if pick < 0.7 else rng.choice(V.TEMPLATES[2:])
    return template.format(word)


def unknown(rng, words):
    kind = rng.random()
    if kind < 0.55:
        word = rng.choice(words)
    elif kind < 0.75:
        word = "".join(rng.choice("abcdefghijklmnoprstuvwyz") for _ in range(rng.randint(3, 9)))
    else:
        known = rng.choice(V.NOUN_LIST).split()[-1]
        more = "".join(rng.choice("aeiourstnlmpckdgb") for _ in range(rng.randint(1, 4)))
        word = known + more if rng.random() < 0.5 else more + known
    if rng.random() < 0.3:
        word = rng.choice(V.COLOURS + ("small", "big")) + " " + word
    return rng.choice(V.TEMPLATES).format(word)


def make_queries(rng, tokenizer, words, pairs, coloured=20, sized=10, strange=14):
    """Texts with what they ask for: noun, colour, size (-1 where nothing is asked), all -2 where nothing fits."""
    rows = [(surface(rng, n), i, -1, -1) for i, n in enumerate(V.NOUN_LIST)]
    for colour, noun in rng.sample(pairs, min(coloured, len(pairs))):
        rows.append((surface(rng, noun, colour), V.NOUN_LIST.index(noun), V.COLOURS.index(colour), -1))
    for _ in range(sized):
        i, s = rng.randrange(NOUNS), rng.randrange(2)
        rows.append((surface(rng, V.NOUN_LIST[i], None, V.SIZE_LIST[s]), i, -1, s))
    rows += [(unknown(rng, words), -2, -2, -2) for _ in range(strange)]
    ids = T.encode(tokenizer, [r[0] for r in rows])
    longest = int(ids.argmax(-1).max()) + 1
    return ids[:, :longest], torch.tensor([r[1:] for r in rows])


# ---- forward

def text_features(model, ids):
    x = model.owlv2.text_model(input_ids=ids).pooler_output
    x = model.owlv2.text_projection(x)
    return x / x.norm(dim=-1, keepdim=True)


def image_features(model, pixels, keep=None):
    """Patch features after the last norm, (b, k, width); with `keep` (b, k) only those patches are computed."""
    vision = model.owlv2.vision_model
    x = vision.embeddings(pixels)
    if keep is not None:
        index = torch.cat([torch.zeros_like(keep[:, :1]), keep + 1], 1)
        x = x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))
    x = vision.encoder(inputs_embeds=vision.pre_layernorm(x)).last_hidden_state
    x = vision.post_layernorm(x)
    return model.layer_norm(x[:, 1:] * x[:, :1])


def boxes_of(model, features, keep=None):
    bias = model.box_bias
    bias = bias[None] if keep is None else bias[keep]
    return (model.box_head(features) + bias).sigmoid()


def corners(b):
    return torch.cat([b[..., :2] - b[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2], -1)


def giou(a, b):
    """Pairs of corner boxes: (iou, generalised iou)."""
    inter = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - inter
    iou = inter / union.clamp(min=1e-9)
    return iou, iou - (hull - union) / hull.clamp(min=1e-9)


# ---- losses

@torch.no_grad()
def match(logits, boxes, objects, keep):
    """One patch for each object: near its centre, with a good score and a good box. Returns (b, most), -1 for none."""
    b, k = keep.shape
    patch = torch.stack([keep % GRID, keep // GRID], -1).float()
    chosen = torch.full(objects.shape[:2], -1)
    used = torch.zeros(b, k, dtype=torch.bool)
    edge = 1 - 0.6 * (patch == GRID - 1).any(-1).float()
    rows = torch.arange(b)
    for i in range(objects.shape[1]):
        o = objects[:, i]
        there = o[:, 0] >= 0
        if not there.any():
            break
        offset = (patch + 0.5 - o[:, None, 3:5] * GRID).abs()
        prior = torch.exp(-(offset ** 2).sum(-1) / (2 * 0.8 ** 2)) * (offset.amax(-1) < 1.6)
        p = logits[rows, :, o[:, 0].clamp(min=0).long()].sigmoid()
        iou, _ = giou(corners(boxes), corners(o[:, None, 3:7].expand(-1, k, -1)))
        quality = (p + 0.02) ** 0.5 * (iou + 0.05) * (prior + 1e-6) * edge
        quality[used] = -1
        best = quality.argmax(-1)
        chosen[there, i] = best[there]
        used[rows[there], best[there]] = True
    return chosen


def losses(model, extra, pixels, objects, owners, ids, asked, keep, focus=1.0):
    b = pixels.shape[0]
    full = torch.arange(GRID * GRID).expand(b, -1)
    features = image_features(model, pixels, keep)
    where = full if keep is None else keep
    boxes = boxes_of(model, features, keep)
    logits, _ = model.class_head(features, text_features(model, ids)[None].expand(b, -1, -1), None)
    chosen = match(logits.detach(), boxes.detach(), objects, where)
    there = chosen >= 0
    img, slot = there.nonzero(as_tuple=True)
    o, patch = objects[img, slot], chosen[img, slot]
    n = max(1, len(img))

    # Words: what each object answers to; an undecided colour or size is left out of the loss.
    noun, tint, size = asked.T
    same = o[:, 0:1].long() == noun[None]
    fits = same & ((tint < 0)[None] | (tint[None] == o[:, 1:2].long())) & ((size < 0)[None] | (size[None] == o[:, 2:3].long()))
    unsure = same & (((tint >= 0)[None] & (o[:, 1:2] < 0)) | ((size >= 0)[None] & (o[:, 2:3] == -1)))
    target, weight = torch.zeros_like(logits), torch.ones_like(logits)
    target[img, patch] = fits.float()
    weight[img, patch] = (~unsure).float()
    p = logits.sigmoid()
    bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    focal = torch.where(target > 0, 0.5 * (1 - p) ** focus, 0.5 * p ** focus)
    l_word = (bce * focal * weight).sum() / n

    # Boxes: at the chosen patch fully, at every other patch of an object a little.
    owner = owners.reshape(b, -1).long()
    owner = owner if keep is None else owner.gather(1, keep)
    di, dp = (owner >= 0).nonzero(as_tuple=True)
    dense = objects[di, owner[di, dp]]
    def box_loss(pred, want):
        iou, g = giou(corners(pred), corners(want))
        return 4 * (pred - want).abs().sum(-1) + 2 * (1 - g), iou
    l_box, iou = box_loss(boxes[img, patch], o[:, 3:7])
    l_dense, _ = box_loss(boxes[di, dp], dense[:, 3:7])
    l_box_sum = l_box.sum() / n + 0.5 * l_dense.mean()

    # Throw-away head: which noun owns this patch.
    label = torch.full_like(owner, NOUNS)
    label[di, dp] = dense[:, 0].long()
    l_extra = F.cross_entropy(extra(features).flatten(0, 1), label.flatten(), extra_weight)
    hot = torch.zeros_like(p[..., 0])
    hot[img, patch] = 1
    objectness = model.objectness_head(features.detach())[..., 0]
    l_obj = F.binary_cross_entropy_with_logits(objectness, hot)
    total = 2.0 * l_word + l_box_sum + l_extra + 0.3 * l_obj
    return total, dict(word=l_word.item(), box=l_box_sum.item(), extra=l_extra.item(), iou=iou.mean().item())


extra_weight = torch.ones(NOUNS + 1)
extra_weight[-1] = 0.3


# ---- evaluation during training

def held_scenes(count, seed, photos):
    sprites, backgrounds = S.Sprites(), S.Backgrounds("held", seed, 120, photos=photos)
    rng = np.random.default_rng(seed)
    return [S.scene(rng, "held", sprites, backgrounds, SIDE) for _ in range(count)]


def batch_of(scenes):
    x = np.zeros((len(scenes), SIDE, SIDE, 3), np.uint8)
    for i, s in enumerate(scenes):
        h, w = s["image"].shape[:2]
        x[i, :h, :w] = s["image"]
    return to_pixels(x)


def to_pixels(x):
    return (torch.from_numpy(np.ascontiguousarray(x)).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


@torch.no_grad()
def evaluate(model, tokenizer, scenes, template="a photo of {}"):
    """AP50, AP50:95 over all nouns, and detections of absent nouns above 0.1 an image."""
    model.eval()
    query = text_features(model, T.encode(tokenizer, [template.format(n) for n in V.NOUN_LIST]))
    found, truth, wrong = [], [], 0
    for i in range(0, len(scenes), 50):
        part = scenes[i:i + 50]
        f = image_features(model, batch_of(part))
        logits, _ = model.class_head(f, query[None].expand(len(part), -1, -1), None)
        boxes = corners(boxes_of(model, f)) * SIDE
        best, labels = logits.sigmoid().max(-1)
        for s, b, p, l in zip(part, boxes.numpy(), best.numpy(), labels.numpy()):
            keep = p > 0.01
            found.append((b[keep], p[keep], l[keep]))
            nouns = np.array([o["noun"] for o in s["objects"]], int)
            truth.append((np.array([o["box"] for o in s["objects"]], float).reshape(-1, 4), nouns))
            wrong += int(sum(k not in nouns for k in l[p > 0.1]))
    model.train()
    aps = metrics.average_precision(found, truth, np.arange(0.5, 1, 0.05))
    return aps[0], float(np.mean(aps)), wrong / len(scenes)


# ---- main

def choose_tokens(owners, count, generator):
    """Patches of objects first, then random ones; returned in order."""
    score = torch.rand(owners.shape[0], GRID * GRID, generator=generator)
    score += (owners.flatten(1) >= 0).float() * 0.6
    return score.topk(count, -1).indices.sort(-1).values


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--pool", required=True, help="folder that pool.py fills")
    a.add_argument("--count", type=int, default=20000, help="scenes in the pool")
    a.add_argument("--out", required=True)
    a.add_argument("--budget", type=float, default=4200, help="seconds of processor time before the rate falls")
    a.add_argument("--decay", type=float, default=250, help="seconds of processor time in which it falls to its end")
    a.add_argument("--batch", type=int, default=48)
    a.add_argument("--tokens", type=int, default=100, help="patches computed of an image, but for some steps")
    a.add_argument("--lr", type=float, default=2.5e-3)
    a.add_argument("--held-photos")
    a.add_argument("--resume")
    a = a.parse_args()
    os.makedirs(a.out, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng, gen = random.Random(0), torch.Generator().manual_seed(0)
    tokenizer, vocab, _ = T.build()
    model = Owlv2ForObjectDetection(make_config(len(vocab)))
    initialise(model)
    extra = torch.nn.Linear(WIDTH, NOUNS + 1)
    model.train()
    torch._dynamo.config.automatic_dynamic_shapes = False
    for layer in model.owlv2.vision_model.encoder.layers:
        layer.forward = torch.compile(layer.forward)
    towers = [p for n, p in model.named_parameters() if p.ndim == 2 and ".encoder.layers." in n]
    ids = {id(p) for p in towers}
    rest = [p for p in list(model.parameters()) + list(extra.parameters()) if id(p) not in ids]
    muon, adam = Muon(towers), torch.optim.AdamW(rest, lr=a.lr, betas=(0.9, 0.98), weight_decay=0.01)
    average = {k: v.clone() for k, v in model.state_dict().items()}
    spent, step, best = 0.0, 0, 0.0
    if a.resume:
        c = torch.load(a.resume, weights_only=False)
        extra.load_state_dict(c["extra"])
        spent, step = c["spent"], c["step"]
        if grow(model, c["model"]):  # a larger tower: the optimiser starts anew, the rate rises slowly
            average = {k: v.clone() for k, v in model.state_dict().items()}
        else:
            muon.buffers, average = c["muon"], c["average"]
            adam.load_state_dict(c["adam"])
    first = step
    images, objects, owners, filled = P.open_pool(a.pool, a.count, SIDE, GRID, "r")
    share = (objects[:min(a.count, int(filled[0])), :, 0] >= 0).sum(1) ** 1.5  # crowded scenes teach more a step
    share = share / share.sum()
    test, shadow = held_scenes(200, 777, a.held_photos), Owlv2ForObjectDetection(make_config(len(vocab)))
    words, pairs = V.unknown_words("train"), V.colour_pairs()
    start, wall, seen, meters, last_eval, last_save, falls = time.process_time() - spent, time.time(), step * a.batch, [], spent, spent, None
    log = open(os.path.join(a.out, "log.jsonl"), "a")
    while True:
        now = time.process_time() - start
        if falls is None and (now > a.budget or os.path.exists(os.path.join(a.out, "finish"))):
            falls = now
        left = 1.0 if falls is None else 1 - (now - falls) / a.decay
        if left <= 0:
            break
        rate = a.lr * min(1, (step - first + 1) / 150) * max(0.02, left)
        index = np.sort(np.random.default_rng(step).choice(len(share), a.batch, replace=False, p=share))
        x, obj, own = images[index], torch.from_numpy(objects[index]), torch.from_numpy(owners[index].astype(np.int64))
        if rng.random() < 0.5:
            x, own = x[:, :, ::-1], own.flip(-1)
            obj[..., 3] = torch.where(obj[..., 0] >= 0, 1 - obj[..., 3], obj[..., 3])
        keep = choose_tokens(own, a.tokens, gen) if step % (8 if falls is None else 4) else None
        pixels = to_pixels(x)
        pixels = pixels * (1 + 0.1 * torch.randn(a.batch, 1, 1, 1, generator=gen))
        text, asked = make_queries(rng, tokenizer, words, pairs)
        loss, meter = losses(model, extra, pixels, obj, own, text, asked, keep, 2.0 if step < 1200 else 1.0 if step < 2500 and falls is None else 0.5)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(rest, 2.0)
        muon.step(rate)
        for g in adam.param_groups:
            g["lr"] = rate
        adam.step()
        model.zero_grad(set_to_none=True), extra.zero_grad(set_to_none=True)
        step, seen = step + 1, seen + a.batch
        decay = min(0.998, (step + 1) / (step + 20))
        with torch.no_grad():
            for k, v in model.state_dict().items():
                average[k].lerp_(v, 1 - decay) if v.is_floating_point() else average[k].copy_(v)
        meters.append(dict(meter, loss=loss.item()))
        if step % 25 == 0:
            mean = {k: round(float(np.mean([m[k] for m in meters])), 4) for k in meters[0]}
            row = dict(step=step, s=round(time.time() - wall), cpu_s=round(now), images=seen, lr=round(rate, 6), **mean)
            if now - last_save > 100:
                last_save = now
                if now - last_eval > 400:
                    last_eval = now
                    shadow.load_state_dict(average)
                    row.update(zip(("ap50", "ap", "absent"), (round(v, 4) for v in evaluate(shadow, tokenizer, test))))
                state = dict(model=model.state_dict(), extra=extra.state_dict(), adam=adam.state_dict(), muon=muon.buffers,
                             average=average, spent=now, step=step)
                torch.save(state, os.path.join(a.out, "last.pt.part"))
                os.replace(os.path.join(a.out, "last.pt.part"), os.path.join(a.out, "last.pt"))
            meters = []
            print(json.dumps(row), file=log, flush=True)
    shadow.load_state_dict(average)
    print(json.dumps(dict(final=evaluate(shadow, tokenizer, test), step=step, images=seen)), file=log, flush=True)
    torch.save(dict(average=average, model=model.state_dict(), extra=extra.state_dict(), adam=adam.state_dict(),
                    muon=muon.buffers, spent=now, step=step), os.path.join(a.out, "final.pt"))


if __name__ == "__main__":
    main()
