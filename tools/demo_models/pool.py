"""A ring of rendered scenes in memory-mapped files, so that rendering runs beside training.

    python pool.py FOLDER COUNT [--photos DIR] [--rate R]   fills the ring, then replaces old scenes at R a second
"""
import argparse
import os
import time

import numpy as np

import scenes as S

MOST = 12  # objects a scene
FIELDS = 8  # noun, colour, size, centre x, centre y, width, height (of the padded square), visible fraction


def open_pool(folder, count, side, grid, mode):
    make = lambda name, dtype, shape: np.memmap(os.path.join(folder, name), dtype, mode, shape=shape)
    return (make("images.u8", np.uint8, (count, side, side, 3)), make("objects.f32", np.float32, (count, MOST, FIELDS)),
            make("owners.i8", np.int8, (count, grid, grid)), make("filled.i64", np.int64, (1,)))


def store(pool, slot, s, side, grid):
    """Pads the scene to a square as OWLv2's preprocessing does and notes which object owns each patch."""
    images, objects, owners, _ = pool
    image = s["image"]
    h, w = image.shape[:2]
    images[slot] = 0
    images[slot, :h, :w] = image
    rows = np.full((MOST, FIELDS), -1, np.float32)
    for i, o in enumerate(s["objects"][:MOST]):
        x0, y0, x1, y1 = o["box"]
        rows[i] = (o["noun"], o["colour"], o["size"], (x0 + x1) / 2 / side, (y0 + y1) / 2 / side, (x1 - x0) / side,
                   (y1 - y0) / side, o["seen"] / o["total"])
    objects[slot] = rows
    owner = np.full((side, side), -1, np.int16)
    owner[:h, :w] = s["owner"]
    p = side // grid
    cells = owner.reshape(grid, p, grid, p).transpose(0, 2, 1, 3).reshape(grid, grid, p * p)
    best, most = np.full((grid, grid), -1), np.full((grid, grid), 0.3 * p * p)
    for i in range(min(len(s["objects"]), MOST)):
        n = (cells == i).sum(-1)
        best, most = np.where(n > most, i, best), np.maximum(most, n)
    owners[slot] = best


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("folder")
    a.add_argument("count", type=int)
    a.add_argument("--side", type=int, default=256)
    a.add_argument("--grid", type=int, default=16)
    a.add_argument("--photos")
    a.add_argument("--rate", type=float, default=10)
    a.add_argument("--seed", type=int, default=1)
    a = a.parse_args()
    os.makedirs(a.folder, exist_ok=True)
    again = os.path.exists(os.path.join(a.folder, "filled.i64"))  # go on with a ring that is there
    pool = open_pool(a.folder, a.count, a.side, a.grid, "r+" if again else "w+")
    sprites, backgrounds = S.Sprites(), S.Backgrounds("train", a.seed, photos=a.photos)
    rng = np.random.default_rng(a.seed)
    done = int(pool[3][0])
    while True:
        began = time.time()
        s = S.scene(rng, "train", sprites, backgrounds, a.side)
        if s["objects"]:
            store(pool, done % a.count, s, a.side, a.grid)
            done += 1
            pool[3][0] = done
        if done > a.count:
            time.sleep(max(0, 1 / a.rate - (time.time() - began)))


if __name__ == "__main__":
    main()
