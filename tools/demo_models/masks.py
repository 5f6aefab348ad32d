"""Masks in COCO's compressed run lengths, and the two measures of DAVIS: region (J) and contour (F) agreement."""
import math

import numpy as np


def encode(mask):
    """Run lengths of a mask, column by column, as COCO compresses them."""
    flat = np.concatenate([[0], mask.T.reshape(-1).astype(np.int8), [1 - int(mask.T.reshape(-1)[-1])]])
    ends = np.flatnonzero(np.diff(flat))
    runs = np.diff(np.concatenate([[0], ends]))
    out = []
    for i, run in enumerate(int(r) for r in runs):
        x = run - int(runs[i - 2]) if i > 2 else run
        more = True
        while more:
            c = x & 0x1F
            x >>= 5
            more = x != -1 if c & 0x10 else x != 0
            out.append(chr((c | 0x20 if more else c) + 48))
    return {"size": list(mask.shape), "counts": "".join(out)}


def decode(rle):
    """The mask of a compressed run-length object."""
    h, w = rle["size"]
    runs, text, at = [], rle["counts"], 0
    while at < len(text):
        x, shift, more = 0, 0, True
        while more:
            c = ord(text[at]) - 48
            x |= (c & 0x1F) << shift
            more, shift, at = bool(c & 0x20), shift + 5, at + 1
            if not more and c & 0x10:
                x |= -1 << shift
        runs.append(x + runs[-2] if len(runs) > 2 else x)
    flat = np.repeat(np.arange(len(runs)) % 2, runs)
    if flat.size != h * w:
        raise ValueError(f"run lengths of {flat.size} pixels for a mask of {h} x {w}")
    return flat.reshape(w, h).T.astype(bool)


def region(a, b):
    """Intersection over union; two empty masks agree."""
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 1.0


def edge(mask):
    """Pixels whose right, lower or lower right neighbour differs."""
    out = np.zeros_like(mask)
    out[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    out[:-1] |= mask[:-1] != mask[1:]
    out[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return out


def widen(mask, radius):
    """Every pixel at most `radius` from one of the mask."""
    padded = np.pad(mask, radius)
    out = np.zeros_like(mask)
    h, w = mask.shape
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dy * dy + dx * dx <= radius * radius:
                out |= padded[radius + dy:radius + dy + h, radius + dx:radius + dx + w]
    return out


def contour(a, b):
    """F measure of the contours, off by at most 0.8 % of the picture's diagonal."""
    radius = math.ceil(0.008 * math.hypot(*a.shape))
    ys, xs = np.nonzero(a | b)
    if not len(ys):
        return 1.0
    y0, x0 = max(0, ys.min() - radius - 2), max(0, xs.min() - radius - 2)
    a, b = (m[y0:ys.max() + radius + 3, x0:xs.max() + radius + 3] for m in (a, b))
    a, b = edge(a), edge(b)
    if not a.any() or not b.any():
        return float(not a.any() and not b.any())
    precision, recall = (a & widen(b, radius)).sum() / a.sum(), (b & widen(a, radius)).sum() / b.sum()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0
