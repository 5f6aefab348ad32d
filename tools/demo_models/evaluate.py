"""Measures the C program with the demo models on held-out pictures and clips; Python only renders and scores.

    python evaluate.py --program build/sowlv2 --work FOLDER [--images 500] [--clips 20] [--photos DIR]
                       [--owl-model demo] [--sam-model demo] [--only detection,boxes,masks,video] [--option ARGUMENT ...]

Renders into FOLDER what is not there yet, runs the program and prints a table:
  detection  AP50, AP50:95, detections of absent nouns a picture and double detections at threshold 0.1
  boxes      mean IoU of the masks that `segment` makes from the true boxes
  masks      detection and segmentation together: mean IoU of the masks of the objects that were found
  video      J and F (DAVIS) of 60-frame clips with three named objects each, switches of identity
With photographs (--photos, see README.md) some backgrounds are those; without, all are procedural. Every --option is handed to
each run of the program. The table is also written to FOLDER/scores.json.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
from PIL import Image

import masks as M
import metrics

HERE = os.path.dirname(os.path.abspath(__file__))


def render(kind, folder, count, photos):
    """Calls render_images.py or render_clips.py, unless the folder holds as many already."""
    done = os.path.join(folder, "done.json")
    wanted = {"count": count, "photos": bool(photos)}
    if os.path.exists(done) and json.load(open(done)) == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, os.path.join(HERE, f"render_{kind}.py"), folder, str(count)]
    subprocess.run(command + (["--photos", photos] if photos else []), check=True)
    with open(done, "w") as f:
        json.dump(wanted, f)


class Program:
    def __init__(self, a):
        self.path, self.work, self.options, self.seconds = a.program, a.work, a.option, {}

    def rows(self, name, verb, arguments):
        """Runs a verb into a fresh folder; returns the rows of results.jsonl."""
        out = os.path.join(self.work, "out", name)
        shutil.rmtree(out, ignore_errors=True)
        os.makedirs(os.path.dirname(out), exist_ok=True)
        command = [self.path, verb, "--output", out, "--no-overlay", "--no-binary", "--quiet"] + arguments + self.options
        began = time.time()
        run = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        self.seconds[name.split("/")[0]] = self.seconds.get(name.split("/")[0], 0) + time.time() - began
        if run.returncode not in (0, 1):
            raise SystemExit(f"evaluate.py: {' '.join(command)}\nended with {run.returncode}: {run.stderr.strip()}")
        with open(os.path.join(out, "results.jsonl")) as f:
            return [json.loads(line) for line in f]


def true_mask(owners, value):
    return owners == value


def detection(program, a, pictures, truth):
    nouns = truth["prompts"]
    rows = program.rows("detection", "detect", ["--owl-model", a.owl_model, "--sam-model", "none", "--threshold", "0.000001", "--input", pictures,
                                                "--prompt"] + nouns)
    by_image = {r["image"]: r["objects"] for r in rows}
    found, want, absent, double = [], [], 0, 0
    for t in truth["images"]:
        objects = by_image.get(t["image"], [])
        boxes = np.array([o["box"] for o in objects], float).reshape(-1, 4)
        scores = np.array([o["score"] for o in objects], float)
        labels = np.array([nouns.index(o["prompt"]) for o in objects], int)
        mine = np.array([nouns.index(o["noun"]) for o in t["objects"]], int)
        found.append((boxes, scores, labels))
        want.append((np.array([o["box"] for o in t["objects"]], float), mine))
        high = scores > 0.1
        absent += sum(k not in mine for k in labels[high])
        same = metrics.iou_matrix(boxes[high], boxes[high]) > 0.6
        double += int((np.triu(same, 1) & (labels[high][:, None] == labels[high][None])).sum())
    ap = metrics.average_precision(found, want, np.arange(0.5, 1, 0.05))
    hit = total = 0
    for (boxes, scores, labels), (tb, tl) in zip(found, want):
        high = scores > 0.1
        iou = metrics.iou_matrix(tb, boxes[high]) * (tl[:, None] == labels[high][None]) if high.any() else np.zeros((len(tb), 1))
        hit, total = hit + int((iou.max(1) > 0.5).sum()), total + len(tb)
    n = len(truth["images"])
    return {"pictures": n, "AP50": ap[0], "AP75": ap[5], "AP50:95": float(np.mean(ap)), "absent nouns a picture": absent / n,
            "double detections a picture": double / n, "recall at 0.1": hit / total}


def boxes(program, a, pictures, truth):
    """Masks from the true boxes."""
    values = []
    for t in truth["images"]:
        arguments = ["--sam-model", a.sam_model, "--input", os.path.join(pictures, t["image"])]
        for o in t["objects"]:
            arguments += ["--box", ",".join(str(v) for v in o["box"])]
        row = program.rows("boxes", "segment", arguments)[0]
        owners = np.array(Image.open(os.path.join(pictures, t["owners"])))
        for o, made in zip(t["objects"], row["objects"]):
            mask = M.decode(made["rle"]) if "rle" in made else np.zeros_like(owners, bool)
            values.append((M.region(mask, true_mask(owners, o["value"])), made.get("mask_score", 0)))
    values = np.array(values)
    return {"objects": len(values), "mean IoU": float(values[:, 0].mean()), "median IoU": float(np.median(values[:, 0])),
            "share above 0.5": float((values[:, 0] > 0.5).mean()),
            "error of the predicted IoU": float(np.abs(values[:, 0] - values[:, 1]).mean())}


def end_to_end(program, a, pictures, truth):
    rows = program.rows("masks", "detect", ["--owl-model", a.owl_model, "--sam-model", a.sam_model, "--threshold", "0.1", "--nms", "0.5",
                                            "--input", pictures, "--prompt"] + truth["prompts"])
    by_image = {r["image"]: r["objects"] for r in rows}
    found, total = [], 0
    for t in truth["images"]:
        owners = np.array(Image.open(os.path.join(pictures, t["owners"])))
        objects = by_image.get(t["image"], [])
        at = np.array([o["box"] for o in objects], float).reshape(-1, 4)
        for o in t["objects"]:
            total += 1
            iou = metrics.iou_matrix(at, np.array([o["box"]], float))[:, 0] * [d["prompt"] == o["noun"] for d in objects] if objects else []
            if len(iou) and iou.max() > 0.5:
                made = objects[int(np.argmax(iou))]
                mask = M.decode(made["rle"]) if "rle" in made else np.zeros_like(owners, bool)
                found.append(M.region(mask, true_mask(owners, o["value"])))
    return {"objects": total, "found": len(found) / total, "mean IoU of those found": float(np.mean(found or [0])),
            "mean IoU, missed ones 0": float(np.sum(found) / total)}


def clip_scores(rows, clip):
    """J and F of each true object (from the frame in which it first shows) and identity counts of one clip.

    A track answers the object with whose masks its own agree best, if it has the object's noun.
    """
    ids = {o["id"]: o["noun"] for o in clip["objects"]}
    frames = len(clip["frames"])
    empty = np.zeros((clip["height"], clip["width"]), bool)
    truth = {i: [empty] * frames for i in ids}
    for row in clip["frames"]:
        for o in row["objects"]:
            truth[o["id"]][row["frame"]] = M.decode(o["rle"])
    tracks, names = {}, {}
    for row in rows:
        for o in row["objects"]:
            names[o["id"]] = o["prompt"]
            if o["area"] and row["frame"] <= frames:
                tracks.setdefault(o["id"], [empty] * frames)[row["frame"] - 1] = M.decode(o["rle"])
    table = {(i, k): np.mean([M.region(x, y) for x, y in zip(truth[i], track) if x.any() or y.any()] or [0])
             for i in ids for k, track in tracks.items() if names[k] == ids[i]}
    answer = {}
    for (i, k), value in sorted(table.items(), key=lambda item: -item[1]):
        if i not in answer and k not in answer.values() and value > 0.05:
            answer[i] = k
    j, f = [], []
    for i in ids:
        track = tracks.get(answer.get(i), [empty] * frames)
        first = next(t for t in range(frames) if truth[i][t].any())
        j.append(np.mean([M.region(truth[i][t], track[t]) for t in range(first, frames)]))
        f.append(np.mean([M.contour(truth[i][t], track[t]) for t in range(first, frames)]))
    switches = matched = 0
    for i in ids:
        last = None
        for t in range(frames):
            if truth[i][t].any():
                overlaps = {k: M.region(truth[i][t], track[t]) for k, track in tracks.items() if names[k] == ids[i]}
                best = max(overlaps, key=overlaps.get) if overlaps else None
                if best is not None and overlaps[best] > 0.5:
                    matched, switches = matched + 1, switches + (last is not None and last != best)
                    last = best
    return j, f, switches, matched, len(tracks)


def video(program, a, folder):
    j, f, switches, matched, tracks = [], [], 0, 0, 0
    names = sorted(n[:-5] for n in os.listdir(folder) if n.startswith("clip_") and n.endswith(".json"))
    for name in names:
        with open(os.path.join(folder, name + ".json")) as file:
            clip = json.load(file)
        rows = program.rows(f"video/{name}", "detect", ["--owl-model", a.owl_model, "--sam-model", a.sam_model, "--input",
                                                        os.path.join(folder, clip["video"]), "--prompt"] +
                            sorted({o["noun"] for o in clip["objects"]}))
        one = clip_scores(rows, clip)
        j, f = j + one[0], f + one[1]
        switches, matched, tracks = switches + one[2], matched + one[3], tracks + one[4]
        print(f"  {name}: J {np.mean(one[0]):.3f} F {np.mean(one[1]):.3f} tracks {one[4]} switches {one[2]}", flush=True)
    return {"clips": len(names), "objects": len(j), "tracks": tracks, "J": float(np.mean(j)), "F": float(np.mean(f)),
            "J&F": float((np.mean(j) + np.mean(f)) / 2), "objects with J below 0.1": float(np.mean(np.array(j) < 0.1)),
            "identity switches": switches / max(1, matched)}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--program", default="build/sowlv2")
    a.add_argument("--work", default="build/demo-eval")
    a.add_argument("--images", type=int, default=500)
    a.add_argument("--clips", type=int, default=20)
    a.add_argument("--photos")
    a.add_argument("--owl-model", default="demo")
    a.add_argument("--sam-model", default="demo")
    a.add_argument("--only", default="detection,boxes,masks,video")
    a.add_argument("--option", action="append", default=[])
    a = a.parse_args()
    parts, program, scores = a.only.split(","), Program(a), {}
    pictures, clips = os.path.join(a.work, "images"), os.path.join(a.work, "clips")
    if set(parts) & {"detection", "boxes", "masks"}:
        render("images", pictures, a.images, a.photos)
        with open(os.path.join(pictures, "truth.json")) as f:
            truth = json.load(f)
    if "video" in parts:
        render("clips", clips, a.clips, a.photos)
    for part in parts:
        if part == "video":
            scores[part] = video(program, a, clips)
        else:
            scores[part] = {"detection": detection, "boxes": boxes, "masks": end_to_end}[part](program, a, pictures, truth)
        scores[part]["seconds of the program"] = program.seconds[part]
        print(part)
        for name, value in scores[part].items():
            print(f"  {name:32s} {value:.3f}" if isinstance(value, float) else f"  {name:32s} {value}", flush=True)
    with open(os.path.join(a.work, "scores.json"), "w") as f:
        json.dump(scores, f, indent=1)


if __name__ == "__main__":
    main()
