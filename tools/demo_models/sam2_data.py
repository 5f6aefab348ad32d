"""Renders, keeps and serves what the demo SAM 2.1 model learns from: pictures and clips with the owner of each pixel.

    python sam2_data.py FOLDER [--pictures N] [--clips M] [--photos DIR]     fills the folder, a few minutes

pictures.u8 (N, SIDE, SIDE, 3) with pictures_owner.i8 (N, SIDE, SIDE), clips.u8 (M, FRAMES, SIDE, SIDE, 3) with
clips_owner.i8 (M, FRAMES, SIDE, SIDE); a pixel's owner is the number of its object, -1 for none. Pictures are squeezed to a square,
as SAM 2's processor does it.
"""
import argparse
import os

import numpy as np
import torch
from PIL import Image

import clips as C
import scenes as S

SIDE, FRAMES = 256, 16
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def square(image, owner):
    image = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.BILINEAR))
    owner = np.asarray(Image.fromarray(owner.astype(np.int32), "I").resize((SIDE, SIDE), Image.NEAREST))
    return image, owner


def render_picture(rng, split, sprites, backgrounds):
    while True:
        s = S.scene(rng, split, sprites, backgrounds, int(SIDE * 1.25), most=7)
        image, owner = square(s["image"], s["owner"])
        if (owner >= 0).sum() > 60:
            return image, owner


def render_clip(rng, split, sprites, backgrounds, frames=FRAMES):
    """Emoji on their paths; one may leave for a while, another may come late; something nobody asks for may cross."""
    while True:
        w, h = [(320, 240), (240, 320), (284, 284)][rng.integers(3)]
        nouns = rng.choice(len(sprites.by_noun), int(rng.integers(2, 5)), replace=False)
        actors = [(k, C.Actor(rng, sprites, split, w, h, int(n))) for k, n in enumerate(nouns)]
        if rng.random() < 0.25:  # two of a kind
            actors[-1] = (actors[-1][0], C.Actor(rng, sprites, split, w, h, int(nouns[0])))
        step = int(rng.integers(1, 5))
        if rng.random() < 0.7:
            passer = C.Actor(rng, sprites, split, w, h, distractor=True)
            passer.bounce = False
            passer.start = np.array([-0.3, rng.uniform(0.25, 0.75)])
            passer.speed = np.array([1.6 / (step * frames), 0])
            actors.insert(int(rng.integers(len(actors) + 1)), (-1, passer))
        hidden = {}
        if rng.random() < 0.35:  # an object is away for a while, then back
            a, b = sorted(rng.choice(np.arange(1, frames + 4), 2, replace=False))
            hidden[int(rng.integers(len(nouns)))] = range(a, b)
        stage = C.Stage(rng, split, backgrounds, w, h, actors)
        first, out, owners = int(rng.integers(0, 20)), [], []
        for k in range(frames):
            stage.actors = [(i, actor) for i, actor in actors if k not in hidden.get(i, ())]
            image, owner = square(*stage.frame(first + step * k))
            out.append(image), owners.append(owner)
        if sum((owners[0] == k).sum() > 80 for k in range(len(nouns))) >= 2:
            return np.stack(out), np.stack(owners)


def load(folder):
    """The four arrays of a folder."""
    out = []
    for name, dtype, tail in (("pictures.u8", np.uint8, (SIDE, SIDE, 3)), ("pictures_owner.i8", np.int8, (SIDE, SIDE)),
                              ("clips.u8", np.uint8, (FRAMES, SIDE, SIDE, 3)), ("clips_owner.i8", np.int8, (FRAMES, SIDE, SIDE))):
        path = os.path.join(folder, name)
        count = os.path.getsize(path) // int(np.prod(tail)) if os.path.exists(path) else 0
        out.append(np.memmap(path, dtype, "r", shape=(count,) + tail) if count else None)
    return out


def pixels(images):
    """(n, SIDE, SIDE, 3) bytes to normalised (n, 3, SIDE, SIDE)."""
    return (torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


def crowding(owners):
    """How often each picture is to be picked: what overlaps is hardest, and pictures with more objects teach more a step."""
    share = np.array([float(owner.max() + 1) for owner in owners]) ** 1.5
    return share / share.sum()


def pick_pictures(rng, images, owners, share, count, per):
    """`count` pictures, turned, flipped and recoloured at random, with the masks of `per` objects each (some may repeat), and
    the owner of every pixel."""
    out, masks, all_owners = [], [], []
    while len(out) < count:
        i = int(rng.choice(len(share), p=share))
        image, owner = images[i], owners[i]
        there = [k for k in range(int(owner.max()) + 1) if (owner == k).sum() > 50]
        if not there:
            continue
        if rng.random() < 0.5:
            image, owner = image[:, ::-1], owner[:, ::-1]
        if rng.random() < 0.15:
            image, owner = image[::-1], owner[::-1]
        if rng.random() < 0.15:
            image, owner = image.transpose(1, 0, 2), owner.T
        if rng.random() < 0.3:
            image = image[:, :, rng.permutation(3)]
        out.append(image), all_owners.append(owner)
        order = [there[k % len(there)] for k in rng.permutation(max(per, len(there)))[:per]]
        masks.append(np.stack([owner == k for k in order]))
    x = pixels(np.stack(out))
    x = x * torch.from_numpy(rng.uniform(0.8, 1.2, (count, 1, 1, 1))).float() + torch.from_numpy(rng.normal(0, 0.15, (count, 3, 1, 1))).float()
    return x, torch.from_numpy(np.stack(masks)).float(), torch.from_numpy(np.stack(all_owners).astype(np.int64))


def boxes_of(masks):
    """Boxes (n, 4) as x0 y0 x1 y1 of masks (n, h, w); zeros where a mask is empty."""
    def ends(line):
        first = line.argmax(-1)
        last = line.shape[-1] - line.flip(-1).argmax(-1)
        return first, torch.where(line.any(-1), last, 0)
    y0, y1 = ends((masks > 0.5).any(-1).int())
    x0, x1 = ends((masks > 0.5).any(-2).int())
    return torch.stack([x0, y0, x1, y1], -1).float()


def prompts_for(rng, masks, kind, noise=0.12):
    """Points (b, n, k, 2) and labels (b, n, k) for masks (b, n, h, w). kind "box": two corners, off by up to about `noise` of the
    box's size; "point": one or two points inside."""
    b, n = masks.shape[:2]
    if kind == "box":
        box = boxes_of(masks.flatten(0, 1))
        size = (box[:, 2:] - box[:, :2]).repeat(1, 2)
        off = rng.normal(0, 1, (b * n, 4)) * rng.uniform(0, noise, (b * n, 1))
        box = box + torch.from_numpy(off).float().clamp(-0.25, 0.25) * size
        return box.view(b, n, 2, 2), torch.tensor([2, 3], dtype=torch.int32).expand(b, n, 2).contiguous()
    k = int(rng.integers(1, 3))
    weight = masks.flatten(2).flatten(0, 1) + 1e-9
    # Points keep away from the edge most of the time, as a person's do.
    inner = -torch.nn.functional.max_pool2d(-masks.flatten(0, 1)[:, None], 7, 1, 3).flatten(1)
    weight = weight + 8 * inner
    at = torch.multinomial(weight, k)
    side = masks.shape[-1]
    points = torch.stack([at % side, at // side], -1).float() + 0.5
    return points.view(b, n, k, 2), torch.ones(b, n, k, dtype=torch.int32)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("folder")
    a.add_argument("--pictures", type=int, default=7000)
    a.add_argument("--clips", type=int, default=500)
    a.add_argument("--photos")
    a.add_argument("--split", default="train")
    a.add_argument("--seed", type=int, default=71)
    a = a.parse_args()
    os.makedirs(a.folder, exist_ok=True)
    rng = np.random.default_rng(a.seed)
    sprites, backgrounds = S.Sprites(), S.Backgrounds(a.split, a.seed, 400, photos=a.photos)
    for name, count, render in (("pictures", a.pictures, render_picture), ("clips", a.clips, render_clip)):
        with open(os.path.join(a.folder, name + ".u8"), "wb") as f, open(os.path.join(a.folder, name + "_owner.i8"), "wb") as g:
            for _ in range(count):
                image, owner = render(rng, a.split, sprites, backgrounds)
                f.write(image.astype(np.uint8).tobytes()), g.write(owner.astype(np.int8).tobytes())
                f.flush(), g.flush()


if __name__ == "__main__":
    main()
