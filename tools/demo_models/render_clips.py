"""Renders held-out video clips (H.264 through the ffmpeg program) with ground truth for every frame.

    python render_clips.py FOLDER COUNT [--frames N] [--seed S] [--photos DIR] [--sample]

Writes NAME.mp4 and NAME.json: {"video", "width", "height", "fps", "cuts": [frame, ...], "objects": [{"id", "noun",
"colour", "first"}], "frames": [{"frame", "objects": [{"id", "box", "area", "rle": {"size": [h, w], "counts": "..."}}]}]}.
Frames count from 0; an object that is not visible in a frame is left out there; rle is COCO's compressed form.
--sample: two clips, the second with a late arrival, an occluder and a cut.
"""
import argparse
import json
import os
import subprocess

import numpy as np

import clips as C
import masks as M
import scenes as S
import vocabulary as V


def write(path, frames, fps):
    h, w = frames.shape[1:3]
    command = ["ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{w}x{h}", "-r", str(fps),
               "-i", "-", "-c:v", "libx264", "-preset", "slow", "-crf", "26", "-pix_fmt", "yuv420p", "-movflags", "+faststart",
               "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", path]
    subprocess.run(command, input=frames.tobytes(), check=True)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("folder")
    a.add_argument("count", type=int)
    a.add_argument("--frames", type=int, default=60)
    a.add_argument("--seed", type=int, default=30001)
    a.add_argument("--size", default="384x288")
    a.add_argument("--fps", type=int, default=15)
    a.add_argument("--photos")
    a.add_argument("--sample", action="store_true")
    a = a.parse_args()
    os.makedirs(a.folder, exist_ok=True)
    w, h = map(int, a.size.split("x"))
    sprites, backgrounds = S.Sprites(), S.Backgrounds("held", a.seed, 60, photos=a.photos)
    rng = np.random.default_rng(a.seed)
    done = tries = 0
    while done < a.count:
        late = cut = None
        if a.sample and done == 1:
            late, cut = True, a.frames * 2 // 3
        tries += 1
        clip = C.clip(rng, "held", sprites, backgrounds, w, h, a.frames, 3, late=bool(late), cut=cut)
        seen = [int((clip["owners"] == i).any((1, 2)).sum()) for i in range(len(clip["objects"]))]
        if min(seen) < a.frames // 6 and tries < 20:  # every object has to be there for a while
            continue
        name = f"clip_{done + 1:02d}"
        write(os.path.join(a.folder, name + ".mp4"), clip["frames"], a.fps)
        rows = []
        for t, owner in enumerate(clip["owners"]):
            row = []
            for i in range(len(clip["objects"])):
                mask = owner == i
                if mask.any():
                    ys, xs = np.nonzero(mask)
                    row.append({"id": i + 1, "box": [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1],
                                "area": int(mask.sum()), "rle": M.encode(mask)})
            rows.append({"frame": t, "objects": row})
        objects = [{"id": i + 1, "noun": V.NOUN_LIST[o["noun"]], "colour": V.COLOURS[o["colour"]] if o["colour"] >= 0 else None,
                    "first": next(r["frame"] for r in rows if any(x["id"] == i + 1 for x in r["objects"]))}
                   for i, o in enumerate(clip["objects"])]
        with open(os.path.join(a.folder, name + ".json"), "w") as f:
            json.dump({"video": name + ".mp4", "width": w, "height": h, "fps": a.fps, "cuts": clip["cuts"], "objects": objects,
                       "frames": rows}, f)
        done, tries = done + 1, 0


if __name__ == "__main__":
    main()
