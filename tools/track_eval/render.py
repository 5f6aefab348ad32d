"""Writes the clips of kinds.py as H.264 with the truth beside them.

NAME.mp4 and NAME.json: {"video", "kind", "width", "height", "fps", "cuts": [frame, ...], "prompts": [noun, ...], "objects":
[{"id", "noun", "largest"}], "frames": [{"frame", "objects": [{"id", "box", "area", "rle"}], "ignored": rle or null}]}. Frames
count from 0, as in render_clips.py; `largest`: the most pixels of the object that one frame shows.
"""
import json
import os

import numpy as np

import masks as M
import render_clips as R
import scenes as S

import kinds as K

VERSION = 1  # of the clips: those of another one are made again


def truth_of(clip, name, kind):
    rows, largest = [], np.zeros(len(clip["objects"]), int)
    for t, owner in enumerate(clip["owners"]):
        row = []
        for i in range(len(clip["objects"])):
            mask = owner == i
            if mask.any():
                ys, xs = np.nonzero(mask)
                row.append({"id": i + 1, "box": [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1],
                            "area": int(mask.sum()), "rle": M.encode(mask)})
                largest[i] = max(largest[i], mask.sum())
        hidden = clip["ignored"][t]
        rows.append({"frame": t, "objects": row, "ignored": M.encode(hidden) if hidden.any() else None})
    h, w = clip["frames"].shape[1:3]
    return {"video": name + ".mp4", "kind": kind, "width": w, "height": h, "fps": K.FPS, "cuts": clip["cuts"],
            "prompts": clip["prompts"], "frames": rows,
            "objects": [{"id": i + 1, "noun": noun, "largest": int(largest[i])} for i, noun in enumerate(clip["objects"])]}


def names(kinds, each, first=1):
    """The clips `first` to `each` of each kind."""
    return [f"{kind}_{n:02d}" for kind in kinds for n in range(first, each + 1)]


def render(folder, wanted, seed, frames=K.FRAMES):
    """Makes the clips that the folder does not have yet; gives their truths by name."""
    made_as = {"seed": seed, "frames": frames, "version": VERSION}
    stamp = os.path.join(folder, "made_as.json")
    if os.path.exists(stamp):
        with open(stamp) as f:
            if json.load(f) != made_as:
                for old in os.listdir(folder):
                    os.remove(os.path.join(folder, old))
    os.makedirs(folder, exist_ok=True)
    with open(stamp, "w") as f:
        json.dump(made_as, f)
    stock, truths = None, {}
    for name in wanted:
        path = os.path.join(folder, name)
        if not os.path.exists(path + ".json"):
            if stock is None:
                stock = S.Sprites(), S.Backgrounds("held", seed, 60)
            kind, number = name.rsplit("_", 1)
            clip = K.make(*stock, kind, int(number), seed, frames)
            part = f"{path}.{os.getpid()}"  # another run may be making the same
            R.write(part + ".mp4", clip["frames"], K.FPS)
            with open(part + ".json", "w") as f:
                json.dump(truth_of(clip, name, kind), f)
            os.replace(part + ".mp4", path + ".mp4")
            os.replace(part + ".json", path + ".json")
        with open(path + ".json") as f:
            truths[name] = json.load(f)
    return truths
