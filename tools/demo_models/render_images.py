"""Renders held-out pictures with ground truth: for examples/data/ and for evaluating the C program.

    python render_images.py FOLDER COUNT [--seed S] [--sizes 640x480,...] [--photos DIR] [--most N] [--no-owners]

Writes NAME.jpg or NAME.png, truth/NAME_owners.png (pixel value: number of the object in truth.json, from 1; 0 is nothing)
and truth.json: {"prompts": [...], "images": [{"image", "width", "height", "owners", "objects": [{"value", "noun",
"colour", "box", "area"}]}]}; boxes are x0 y0 x1 y1 in pixels, of the visible part.
"""
import argparse
import json
import os

import numpy as np
from PIL import Image

import scenes as S
import vocabulary as V


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("folder")
    a.add_argument("count", type=int)
    a.add_argument("--seed", type=int, default=20001)
    a.add_argument("--sizes", default="640x480,480x640,512x512,720x480")
    a.add_argument("--photos")
    a.add_argument("--most", type=int, default=8, help="objects a picture, at most")
    a.add_argument("--no-owners", action="store_true")
    a = a.parse_args()
    os.makedirs(os.path.join(a.folder, "truth"), exist_ok=True)
    sizes = [tuple(map(int, s.split("x"))) for s in a.sizes.split(",")]
    sprites, backgrounds = S.Sprites(), S.Backgrounds("held", a.seed, 120, photos=a.photos)
    rng = np.random.default_rng(a.seed)
    rows = []
    while len(rows) < a.count:
        w, h = sizes[len(rows) % len(sizes)]
        canvas, owner, objects = S.draw_scene(rng, "held", sprites, backgrounds, w, h, int(rng.integers(1, a.most + 1)))
        image = S.finish(rng, canvas, heavy=False)
        if not objects or any(o["box"] is None for o in objects):
            continue
        name = f"scene_{len(rows) + 1:03d}"
        kind = "png" if len(rows) % 4 == 3 else "jpg"
        Image.fromarray(image).save(os.path.join(a.folder, f"{name}.{kind}"), **({"quality": 90} if kind == "jpg" else {}))
        row = {"image": f"{name}.{kind}", "width": w, "height": h, "objects": []}
        if not a.no_owners:
            row["owners"] = f"truth/{name}_owners.png"
            Image.fromarray((owner + 1).astype(np.uint8)).save(os.path.join(a.folder, row["owners"]), optimize=True)
        for i, o in enumerate(objects):
            row["objects"].append({"value": i + 1, "noun": V.NOUN_LIST[o["noun"]],
                                   "colour": V.COLOURS[o["colour"]] if o["colour"] >= 0 else None,
                                   "box": list(o["box"]), "area": o["seen"]})
        rows.append(row)
    with open(os.path.join(a.folder, "truth.json"), "w") as f:
        json.dump({"prompts": V.NOUN_LIST, "images": rows}, f, indent=1)


if __name__ == "__main__":
    main()
