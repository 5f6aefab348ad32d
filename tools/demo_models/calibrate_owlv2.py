"""Sets the scale and shift of a detector's scores, so that threshold 0.1 means something: few detections of absent nouns.

    python calibrate_owlv2.py CHECKPOINT OUT [--pool FOLDER | --photos DIR] [--images N] [--absent RATE] [--steeper K]

Works on rendered scenes of the training split, of another seed or from a pool that is there already, never on held-out ones. The class head's logits
become K times steeper, and its shift falls until at most RATE detections of absent nouns a picture score above 0.1. Ranks of
scores, and so average precision, hardly change. Writes CHECKPOINT with the new head as OUT.
"""
import argparse
import os

import numpy as np
import torch
from PIL import Image
from transformers import Owlv2ForObjectDetection

import pool as P
import scenes as S
import tokenizer as T
import train_owlv2 as R
import vocabulary as V


def pictures(count, photos, seed=90210):
    """Pictures of the sizes that render_images.py makes, padded and shrunk as the processor does, with the nouns in them."""
    sprites, backgrounds = S.Sprites(), S.Backgrounds("train", seed, 150, photos=photos)
    rng = np.random.default_rng(seed)
    for i in range(count):
        w, h = ((640, 480), (480, 640), (512, 512), (720, 480))[i % 4]
        canvas, _, objects = S.draw_scene(rng, "train", sprites, backgrounds, w, h, int(rng.integers(1, 9)))
        image = np.zeros((max(w, h), max(w, h), 3), np.uint8)
        image[:h, :w] = S.finish(rng, canvas, heavy=False)
        small = Image.fromarray(image).resize((R.SIDE, R.SIDE), Image.BILINEAR, reducing_gap=None)
        yield np.asarray(small), {o["noun"] for o in objects if o["box"]}


def pooled(count, folder):
    """The first pictures of a pool that pool.py filled."""
    images, objects, _, _ = P.open_pool(folder, os.path.getsize(os.path.join(folder, "images.u8")) // (R.SIDE * R.SIDE * 3), R.SIDE,
                                        R.GRID, "r")
    for i in range(count):
        yield np.array(images[i]), {int(n) for n in objects[i, :, 0] if n >= 0}


@torch.no_grad()
def measure(model, tokenizer, everything):
    """For every patch: its best noun's logit, the head's scale there, whether the noun is in the picture; and picture count."""
    query = R.text_features(model, T.encode(tokenizer, ["a photo of {}".format(n) for n in V.NOUN_LIST]))
    best, scales, present = [], [], []
    for i in range(0, len(everything), 40):
        part = everything[i:i + 40]
        f = R.image_features(model, R.to_pixels(np.stack([p for p, _ in part])))
        logits, _ = model.class_head(f, query[None].expand(len(part), -1, -1), None)
        top, labels = logits.max(-1)
        best.append(top), scales.append((torch.nn.functional.elu(model.class_head.logit_scale(f)) + 1)[..., 0])
        present.append(torch.tensor([[int(k) in nouns for k in row] for row, (_, nouns) in zip(labels, part)]))
    return torch.cat(best), torch.cat(scales), torch.cat(present)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("checkpoint")
    a.add_argument("out")
    a.add_argument("--pool")
    a.add_argument("--photos")
    a.add_argument("--images", type=int, default=400)
    a.add_argument("--absent", type=float, default=0.15)
    a.add_argument("--steeper", type=float, default=3.0)
    a = a.parse_args()
    torch.set_num_threads(1)
    weights = torch.load(a.checkpoint, weights_only=False, map_location="cpu")["average"]
    tokenizer, vocab, _ = T.build()
    model = Owlv2ForObjectDetection(R.make_config(len(vocab)))
    R.grow(model, weights)
    model.eval()
    best, scales, present = measure(model, tokenizer, list(pooled(a.images, a.pool) if a.pool else pictures(a.images, a.photos)))
    limit = float(np.log(0.1 / 0.9))
    rate = lambda shift: float(((a.steeper * (best + shift * scales) > limit) & ~present).sum()) / a.images
    low, high = -3.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if rate(middle) < a.absent else (low, middle)
    hits = lambda shift, steep: float(((steep * (best + shift * scales) > limit) & present).sum()) / a.images
    print(f"before: absent {float(((best > limit) & ~present).sum()) / a.images:.2f}, present {hits(0, 1):.2f} a picture above 0.1; "
          f"after: absent {rate(low):.2f}, present {hits(low, a.steeper):.2f}; shift {low:.4f}, {a.steeper} times steeper")
    weights = dict(model.state_dict())
    # elu(z) + 1 is z + 1 here: K times it is elu(K z + K - 1) + 1.
    weights["class_head.logit_scale.weight"] = a.steeper * weights["class_head.logit_scale.weight"]
    weights["class_head.logit_scale.bias"] = a.steeper * weights["class_head.logit_scale.bias"] + a.steeper - 1
    weights["class_head.logit_shift.bias"] = weights["class_head.logit_shift.bias"] + low
    torch.save({"average": weights}, a.out)


if __name__ == "__main__":
    main()
