"""Renders labelled scenes: emoji as objects with alpha, on procedural or photographic backgrounds.

Two splits with the same emoji, but no common random seed, background family, photograph or distractor; beside plain
sprites each has styles of its own:
"train" and "held". A scene is a dictionary: image (uint8 h x w x 3), owner (int16 h x w: index of the object whose
pixel this is, or -1), objects (list of dictionaries: noun, colour, size, box in pixels as x0 y0 x1 y1, visible).
"""
import glob
import io
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

import vocabulary as V

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
HUES = {"red": 0, "yellow": 36, "green": 88, "blue": 152, "purple": 198}  # of 256
FAMILIES = {"train": ("noise", "gradient", "stripes", "polygons", "flat"), "held": ("voronoi", "plaid", "discs")}


def draw_glyph(char):
    """One emoji at the font's only bitmap size, trimmed to its pixels."""
    font = ImageFont.truetype(FONT, 109)
    im = Image.new("RGBA", (160, 160), (0, 0, 0, 0))
    ImageDraw.Draw(im).text((12, 12), char, font=font, embedded_color=True)
    return im.crop(im.getchannel("A").point(lambda a: 255 if a > 16 else 0).getbbox())


def paint(im, colour):
    """The glyph with its coloured parts in another colour."""
    alpha = im.getchannel("A")
    h, s, v = (np.asarray(c).astype(np.float32) for c in im.convert("RGB").convert("HSV").split())
    if colour in HUES:
        vivid = s > 60
        h = np.where(vivid, HUES[colour], h)
        s = np.where(vivid, np.clip(s * 1.1, 150, 255), s)
        if colour == "yellow":
            v = np.where(vivid, np.clip(v * 0.6 + 110, 0, 255), v)
    else:
        grey = v * (1 - 0.4 * s / 255)
        v = 18 + 0.32 * grey if colour == "black" else 150 + 0.41 * grey
        s = s * 0.08
    hsv = np.stack([h, s, v], -1).clip(0, 255).astype(np.uint8)
    out = Image.fromarray(hsv, "HSV").convert("RGB")
    out.putalpha(alpha)
    return out


class Sprites:
    """Every glyph in every colour, in three sizes so that shrinking stays smooth."""

    def __init__(self):
        self.items = []  # (noun index, colour index or -1, [images])
        self.by_noun, self.natural = [], []
        for n, (noun, (glyphs, natural, paints, _)) in enumerate(V.NOUNS.items()):
            rows, plain = [], []
            for glyph, own in zip(glyphs, natural):
                base = draw_glyph(glyph + ("\ufe0f" if ord(glyph) < 0x1F000 or glyph == "🛩" else ""))
                for colour in (None,) + paints:
                    if colour is not None and colour == own:
                        continue
                    im = base if colour is None else paint(base, colour)
                    label = own if colour is None else colour
                    (rows if colour else plain).append(len(self.items))
                    self.items.append((n, V.COLOURS.index(label) if label else -1, self.levels(im)))
            self.by_noun.append(rows)
            self.natural.append(plain)
        self.distractors = {k: [self.levels(draw_glyph(g + ("\ufe0f" if ord(g) < 0x1F000 else ""))) for g in gs]
                            for k, gs in V.DISTRACTORS.items()}

    @staticmethod
    def levels(im):
        return [im] + [im.resize((max(4, im.width // k), max(4, im.height // k)), Image.BOX) for k in (2, 4)]

    def pick(self, rng, noun):
        """Natural colour half of the time, else any painted one."""
        rows = self.by_noun[noun]
        if not rows or rng.random() < 0.45:
            rows = self.natural[noun]
        return self.items[rows[rng.integers(len(rows))]]


def transform(rng, levels, side, style, rotation=None):
    """A glyph scaled to `side` pixels (its longer side), turned, flipped, recoloured: float RGBA, premultiplied."""
    im = levels[0]
    longest = max(im.size)
    level = 0 if side > 0.6 * longest else 1 if side > 0.3 * longest else 2
    im = levels[level]
    scale = side / max(im.size)
    sx, sy = scale * rng.uniform(0.87, 1.15), scale * rng.uniform(0.87, 1.15)
    if rotation is None:
        rotation = rng.normal(0, 12) if rng.random() < 0.85 else rng.uniform(-60, 60)
    a = np.deg2rad(rotation)
    flip = -1 if rng.random() < 0.5 else 1
    m = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) @ np.diag([sx * flip, sy])
    w, h = im.size
    half = np.abs(m) @ np.array([w / 2, h / 2])
    ow, oh = int(2 * half[0]) + 3, int(2 * half[1]) + 3
    inv = np.linalg.inv(m)
    c = np.array([w / 2, h / 2]) - inv @ np.array([ow / 2, oh / 2])
    out = im.transform((ow, oh), Image.AFFINE, (inv[0, 0], inv[0, 1], c[0], inv[1, 0], inv[1, 1], c[1]),
                       Image.BILINEAR)
    if rng.random() < 0.2:
        out = out.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.2) * side / 60)))
    x = np.asarray(out).astype(np.float32) / 255
    rgb, alpha = x[..., :3], x[..., 3:]
    gain = rng.uniform(0.8, 1.15) * rng.uniform(0.92, 1.08, 3).astype(np.float32)
    rgb = (rgb - 0.5) * rng.uniform(0.8, 1.1) + 0.5
    rgb = rgb * gain.astype(np.float32) + rng.uniform(-0.06, 0.06)
    if style == "washed":
        rgb = 0.75 * rgb + 0.25 * rgb.mean(-1, keepdims=True)
    elif style == "posterised":
        rgb = np.round(rgb * 5) / 5
    elif style == "lit":
        ramp = np.linspace(0.65, 1.2, ow, dtype=np.float32)[None, :, None]
        rgb = rgb * (ramp if rng.random() < 0.5 else ramp[:, ::-1])
    elif style == "sticker":
        k = max(3, int(side / 16) | 1)
        grown = np.asarray(Image.fromarray((alpha[..., 0] * 255).astype(np.uint8)).filter(ImageFilter.MaxFilter(k)))
        grown = grown[..., None].astype(np.float32) / 255
        rgb = rgb * alpha + (1 - alpha)
        alpha = np.maximum(alpha, grown)
    rgb = rgb.clip(0, 1)
    return np.concatenate([rgb * alpha, alpha], -1).astype(np.float32)


STYLES = {"train": ("plain", "plain", "plain", "washed", "sticker"), "held": ("plain", "plain", "lit", "posterised")}


class Backgrounds:
    """A bank of background pictures of one split, made once; `pick` crops, flips and recolours one."""

    def __init__(self, split, seed, count=600, side=288, photos=None):
        rng = np.random.default_rng(seed)
        self.bank = [make_background(rng, FAMILIES[split][i % len(FAMILIES[split])], side) for i in range(count)]
        self.photos = []
        for path in sorted(glob.glob(os.path.join(photos, "*"))) if photos else []:
            im = Image.open(path).convert("RGB")
            scale = 640 / max(im.size)
            self.photos.append(im.resize((int(im.width * scale), int(im.height * scale)), Image.LANCZOS))

    def pick(self, rng, w, h):
        if self.photos and rng.random() < 0.3:
            im = self.photos[rng.integers(len(self.photos))]
        else:
            im = self.bank[rng.integers(len(self.bank))]
        longest = min(im.width * h, im.height * w) // max(w, h)  # largest crop of this aspect, its longer side
        side = rng.uniform(0.45, 1.0) * longest
        cw, ch = side * w / max(w, h), side * h / max(w, h)
        x, y = rng.uniform(0, im.width - cw), rng.uniform(0, im.height - ch)
        out = np.asarray(im.resize((w, h), Image.BILINEAR, box=(x, y, x + cw, y + ch))).astype(np.float32) / 255
        if rng.random() < 0.5:
            out = out[:, ::-1]
        if rng.random() < 0.3:
            out = out[:, :, rng.permutation(3)]
        return ((out - 0.5) * rng.uniform(0.4, 1.1) + 0.5 + rng.uniform(-0.2, 0.2)).clip(0, 1).astype(np.float32)


def colour(rng):
    return tuple(int(c) for c in rng.integers(0, 256, 3))


def noise(rng, side, first=3, octaves=4):
    out = np.zeros((side, side, 3), np.float32)
    for o in range(octaves):
        n = first * 2 ** o
        grid = Image.fromarray(rng.integers(0, 256, (n, n, 3)).astype(np.uint8))
        out += np.asarray(grid.resize((side, side), Image.BICUBIC)).astype(np.float32) * 0.55 ** (o + 1)
    return out.clip(0, 255)


def make_background(rng, family, side):
    if family == "noise":
        x = noise(rng, side, int(rng.integers(2, 6)), int(rng.integers(2, 6)))
        return Image.fromarray(x.astype(np.uint8))
    if family == "gradient":
        a, b, c = (np.array(colour(rng), np.float32) for _ in range(3))
        t = np.linspace(0, 1, side, dtype=np.float32)
        x = a + (b - a) * t[:, None, None] + (c - a) * 0.5 * t[None, :, None] + rng.normal(0, 6, (side, side, 3))
        return Image.fromarray(x.clip(0, 255).astype(np.uint8))
    im = Image.new("RGB", (side, side), colour(rng))
    d = ImageDraw.Draw(im, "RGBA")
    if family == "stripes":
        step, c = int(rng.integers(8, 60)), colour(rng)
        for i in range(-side, 2 * side, step):
            d.line([(i, 0), (i + int(rng.integers(-1, 2)) * side // 2, side)], fill=c, width=max(1, step // 3))
    elif family == "polygons":
        for _ in range(int(rng.integers(6, 40))):
            p = rng.integers(0, side, 2)
            pts = [tuple(int(v) for v in p + rng.integers(-70, 70, 2)) for _ in range(int(rng.integers(3, 7)))]
            d.polygon(pts, fill=colour(rng) + (int(rng.integers(90, 255)),))
    elif family == "plaid":
        for axis in (0, 1):
            for i in range(0, side, int(rng.integers(14, 50))):
                w, c = int(rng.integers(3, 16)), colour(rng) + (100,)
                d.rectangle([i, 0, i + w, side] if axis else [0, i, side, i + w], fill=c)
    elif family == "discs":
        for _ in range(int(rng.integers(10, 50))):
            (x, y), r = rng.integers(0, side, 2), int(rng.integers(4, 45))
            d.ellipse([int(x) - r, int(y) - r, int(x) + r, int(y) + r], fill=colour(rng) + (int(rng.integers(60, 220)),))
    elif family == "voronoi":
        n = int(rng.integers(8, 40))
        pts, cols = rng.uniform(0, side, (n, 2)), rng.integers(0, 256, (n, 3))
        yy, xx = np.mgrid[0:side, 0:side]
        nearest = ((yy[..., None] - pts[:, 0]) ** 2 + (xx[..., None] - pts[:, 1]) ** 2).argmin(-1)
        x = cols[nearest] + rng.normal(0, 5, (side, side, 3))
        im = Image.fromarray(x.clip(0, 255).astype(np.uint8))
    if rng.random() < 0.5:
        im = im.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 4)))
    return im


def paste(canvas, patch, x, y):
    """Draws a premultiplied patch; returns the slices that it covers, or None outside."""
    h, w = canvas.shape[:2]
    x0, y0, x1, y1 = max(0, x), max(0, y), min(w, x + patch.shape[1]), min(h, y + patch.shape[0])
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    p = patch[y0 - y:y1 - y, x0 - x:x1 - x]
    view = canvas[y0:y1, x0:x1]
    view *= 1 - p[..., 3:]
    view += p[..., :3]
    return (slice(y0, y1), slice(x0, x1)), p[..., 3] > 0.5


def covered(owner, where, mask, objects, visible):
    """Would this mask leave less than `visible` of an object that is already there?"""
    under = owner[where][mask]
    under = under[under >= 0]
    if not under.size:
        return False
    lost = np.bincount(under, minlength=len(objects))
    return any(o["seen"] - n < visible * o["total"] for o, n in zip(objects, lost) if n)


def draw_scene(rng, split, sprites, backgrounds, w, h, count, min_side=0.15, max_side=0.55, visible=0.65):
    canvas = backgrounds.pick(rng, w, h).copy()
    owner = np.full((h, w), -1, np.int16)
    objects, longest = [], max(w, h)
    plan = ["object"] * count + ["distractor"] * int(rng.integers(0, 3)) + ["shape"] * int(rng.random() < 0.25)
    rng.shuffle(plan)
    for kind in plan:
        for _ in range(6):
            side = longest * np.exp(rng.uniform(np.log(min_side), np.log(max_side)))
            noun, tint = -1, -1
            if kind == "object":
                noun = int(rng.integers(len(V.NOUN_LIST)))
                noun, tint, levels = sprites.pick(rng, noun)
            elif kind == "distractor":
                levels = sprites.distractors[split][rng.integers(len(sprites.distractors[split]))]
            else:
                side *= 0.6
                block = Image.new("RGBA", (64, int(rng.integers(12, 64))), colour(rng) + (255,))
                levels = [block] * 3
            patch = transform(rng, levels, side, STYLES[split][rng.integers(len(STYLES[split]))])
            x = int(rng.random() * (w - 0.76 * patch.shape[1]) - 0.12 * patch.shape[1])
            y = int(rng.random() * (h - 0.76 * patch.shape[0]) - 0.12 * patch.shape[0])
            x0, y0 = max(0, x), max(0, y)
            mask = patch[y0 - y:h - y, x0 - x:w - x, 3] > 0.5
            total = int((patch[..., 3] > 0.5).sum())
            if mask.shape[0] < 4 or mask.shape[1] < 4 or mask.sum() < 0.7 * total:
                continue
            where = (slice(y0, y0 + mask.shape[0]), slice(x0, x0 + mask.shape[1]))
            if covered(owner, where, mask, objects, visible):
                continue
            if rng.random() < 0.15 and kind == "object":
                shadow = patch.copy()
                shadow[..., :3] = 0
                shadow[..., 3] *= 0.35
                paste(canvas, shadow, x + int(side * 0.05) + 1, y + int(side * 0.06) + 1)
            paste(canvas, patch, x, y)
            if kind == "object":
                owner[where][mask] = len(objects)
                objects.append({"noun": noun, "colour": tint, "total": int(mask.sum())})
            else:
                owner[where][mask] = -1
            seen = np.bincount(owner[owner >= 0], minlength=len(objects)) if objects else []
            for o, s in zip(objects, seen):
                o["seen"] = int(s)
            break
    for i, o in enumerate(objects):
        ys, xs = np.nonzero(owner == i)
        o["box"] = (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1) if len(xs) else None
    return canvas, owner, objects


def finish(rng, canvas, heavy=True):
    """Light, noise, blur and JPEG of the whole picture."""
    x = (canvas - 0.5) * rng.uniform(0.75, 1.15) + 0.5 + rng.uniform(-0.12, 0.12)
    x = x * rng.uniform(0.9, 1.1, 3).astype(np.float32)
    if rng.random() < 0.3:
        x = x + rng.normal(0, rng.uniform(0.01, 0.05), x.shape).astype(np.float32)
    im = Image.fromarray((x.clip(0, 1) * 255).astype(np.uint8))
    if heavy and rng.random() < 0.25:
        im = im.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.9)))
    if heavy and rng.random() < 0.3:
        buffer = io.BytesIO()
        im.save(buffer, "JPEG", quality=int(rng.integers(30, 95)))
        im = Image.open(buffer)
    return np.array(im)


def size_word(box, longest):
    """0 small, 1 big, 2 neither, -1 undecided."""
    s = np.sqrt((box[2] - box[0]) * (box[3] - box[1])) / longest
    a, b, c, d = V.SIZE_LIMITS
    return 0 if s < a else 1 if s > d else 2 if b <= s <= c else -1


def scene(rng, split, sprites, backgrounds, side=192, most=8, heavy=True):
    """One scene, its longer side `side` pixels. Random aspect."""
    w = h = side
    if rng.random() < 0.6:
        short = int(side * rng.uniform(0.6, 1))
        w, h = (side, short) if rng.random() < 0.7 else (short, side)
    count = int(rng.integers(1, most + 1) * min(w, h) / side + 0.5) or 1
    canvas, owner, objects = draw_scene(rng, split, sprites, backgrounds, w, h, count)
    image = finish(rng, canvas, heavy)
    for o in objects:
        o["size"] = size_word(o["box"], max(w, h)) if o["box"] else -1
    return {"image": image, "owner": owner, "objects": [o for o in objects if o["box"]]}
