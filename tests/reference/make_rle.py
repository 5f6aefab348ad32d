#!/usr/bin/env python3
"""Makes tests/masks/data/rle.json: masks and what pycocotools says of them.

Each case has `width`, `height`, and its pixels as `rows` (one string of 0 and 1) or, for large ones, as a ring:
`ring` = [x, y, inner, outer] holds the pixels whose squared distance from (x, y) is in [inner^2, outer^2).
`counts` is the compressed form, `area` the pixel count, `box` [x0, y0, x1, y1] around it (zeros where empty).
`overlap` lists [i, j, IoU] of cases of the same size.
"""

import json
from pathlib import Path

import numpy as np
from pycocotools import mask as coco

OUT = Path(__file__).resolve().parent.parent / "masks" / "data" / "rle.json"


def describe(pixels, **how):
    encoded = coco.encode(np.asfortranarray(pixels.astype(np.uint8)))
    x, y, w, h = coco.toBbox(encoded)
    return {
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        **how,
        "counts": encoded["counts"].decode(),
        "area": int(coco.area(encoded)),
        "box": [x, y, x + w, y + h] if pixels.any() else [0, 0, 0, 0],
    }


def small(pixels):
    return describe(pixels, rows="".join("01"[v] for v in pixels.ravel().astype(int)))


def ring(height, width, x, y, inner, outer):
    rows, columns = np.mgrid[0:height, 0:width]
    distance = (columns - x) ** 2 + (rows - y) ** 2
    return describe((distance >= inner**2) & (distance < outer**2), ring=[x, y, inner, outer])


def main():
    generator = np.random.default_rng(7)
    cases = [
        small(np.zeros((1, 1))),
        small(np.ones((1, 1))),
        small(np.zeros((5, 7))),
        small(np.ones((5, 7))),
        small(np.eye(9)),
        small(np.ones((1, 40))),
        small(np.arange(40)[:, None] % 3 == 0),
        small(np.arange(70)[None] % 2 == 0),
    ]
    for height, width, share in [(6, 4, 0.5), (13, 66, 0.1), (37, 130, 0.9), (64, 64, 0.5)]:
        cases.append(small(generator.random((height, width)) < share))
    rings = [(700, 1000, 400, 300, 0, 290), (700, 1000, 600, 310, 90, 300), (700, 1000, 0, 0, 900, 1100),
             (700, 1000, 5000, 0, 0, 20), (3, 5000, 2500, 1, 0, 2400), (6000, 2, 0, 3000, 10, 2000)]
    first = len(cases)
    cases += [ring(*values) for values in rings]
    encoded = [{"size": [c["height"], c["width"]], "counts": c["counts"].encode()} for c in cases]
    overlap = [[i, j, float(coco.iou([encoded[i]], [encoded[j]], [0])[0, 0])]
               for i in range(first, first + 4) for j in range(first, first + 4) if cases[i]["area"] or cases[j]["area"]]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"cases": cases, "overlap": overlap}, indent=1) + "\n")
    print(OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
