"""The ways of tracking that are compared. Each gives a clip's rows as results.jsonl has them, and the CPU seconds it took."""
import inspect
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from PIL import Image

import masks as M
import metrics

import scores

ROOT = Path(__file__).resolve().parents[2]
WAYS = {
    "plain": "this program, detector and plain memory",
    "chosen": "this program, detector and chosen memory",
    "reference": "the reference's video model, given the first box of each object of `plain`",
    "told-plain": "this program with a detector that is told the truth, plain memory",
    "told-chosen": "the same, chosen memory",
    "truth-plain": "this program's tracker, plain memory, given each true object's first box",
    "truth-chosen": "the same, chosen memory",
    "truth-reference": "the reference's video model, given each true object's first box",
}


class Missing(Exception):
    """The program cannot go this way."""


def pixels(video):
    """A video's frames as uint8 t x h x w x 3, by the ffmpeg program."""
    probe = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=width,height", "-of", "csv=p=0", video],
                           check=True, capture_output=True, text=True)
    w, h = map(int, probe.stdout.strip().split(",")[:2])
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", video, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], check=True, capture_output=True)
    return np.frombuffer(raw.stdout, np.uint8).reshape(-1, h, w, 3).copy()  # torch wants what it could write to


def first_boxes_of_truth(truth):
    """(frame, number, label, box) of each true object, where first half of its largest sight shows."""
    out = []
    for o in truth["objects"]:
        seen = [(row["frame"], x) for row in truth["frames"] for x in row["objects"] if x["id"] == o["id"]]
        t, x = next((s for s in seen if s[1]["area"] >= 0.5 * o["largest"]), seen[0])
        out.append((t, o["id"], o["noun"], [float(v) for v in x["box"]]))
    return sorted(out)


def first_boxes_of_rows(rows):
    """The same of each object that rows report."""
    out, seen = [], set()
    for row in rows:
        for o in row["objects"]:
            if o["id"] not in seen and o.get("box"):
                seen.add(o["id"])
                out.append((row["frame"] - 1, o["id"], o["prompt"], o["box"]))
    return sorted(out)


def row_of(t, objects):
    """objects: (number, label, mask)."""
    out = []
    for number, label, mask in objects:
        box = None
        if mask.any():
            ys, xs = np.nonzero(mask)
            box = [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1]
        out.append({"id": number, "prompt": label, "box": box, "area": int(mask.sum()), "rle": M.encode(mask)})
    return {"frame": t + 1, "objects": out}


def write_told(path, frames, truth):
    """What told_detector.c answers for each frame: the true objects that count, by the looks of the frame."""
    counted = scores.Truth(truth).frames
    h, w = frames.shape[1:3]
    rows, columns = (np.arange(n + 1) * size // n for n, size in ((12, h), (16, w)))
    with open(path, "w") as f:
        f.write(f"{len(frames)}\n")
        for image, row, count in zip(frames, truth["frames"], counted):
            sums = np.add.reduceat(np.add.reduceat(image.astype(np.int64), rows[:-1], 0), columns[:-1], 1)
            grid = sums // (np.diff(rows)[:, None, None] * np.diff(columns)[None, :, None])
            objects = [o for o in row["objects"] if o["id"] in count]
            f.write(grid.astype(np.uint8).tobytes().hex() + f"\n{len(objects)}\n")
            for o in objects:
                noun = truth["objects"][o["id"] - 1]["noun"]
                f.write(" ".join(map(str, [truth["prompts"].index(noun), *o["box"]])) + "\n")


class Program:
    """The command-line tool."""

    def __init__(self, options, path):
        self.path, self.options = os.path.abspath(path), options
        self.help = subprocess.run([self.path, "detect", "--help"], capture_output=True, text=True).stdout

    def knows(self, flag):
        return flag in self.help.split()

    def run(self, verb, out, arguments):
        shutil.rmtree(out, ignore_errors=True)
        command = [self.path, verb, "--output", out, "--no-binary", "--no-overlay", "--no-video", "--quiet", "--threads", "1", *arguments]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if run.returncode:
            raise RuntimeError(f"{' '.join(command)}\nended with {run.returncode}: {run.stderr.strip()}")
        with open(os.path.join(out, "results.jsonl")) as f:
            rows = [json.loads(line) for line in f]
        shutil.rmtree(out)
        return rows, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    @staticmethod
    def models(options, masks=True):
        return ["--owl-model", options.owl_model, "--sam-model", options.sam_model if masks else "none"]

    def track(self, video, prompts, out, memory=None, more=()):
        if memory is not None:
            if not self.knows("--memory"):
                if memory != "plain":
                    raise Missing("this program has no --memory")
            else:
                more = ["--memory", memory, *more]
        return self.run("detect", out, [*self.models(self.options), "--input", video, *more, *self.options.option, "--prompt", *prompts])


class OurTracker:
    """The tracker of the Python package, over the build's library."""

    def __init__(self, options):
        os.environ["SOWLV2_LIBRARY"] = os.path.abspath(options.library)
        os.environ.setdefault("SOWLV2_DATA", str(ROOT / "models"))
        sys.path.insert(0, str(ROOT / "bindings" / "python"))
        import sowlv2

        self.sowlv2, self.segmenter = sowlv2, sowlv2.Segmenter(options.sam_model, threads=1)

    def track(self, frames, asked, memory):
        more = {}
        if "memory" in inspect.signature(self.sowlv2.Tracker.__init__).parameters:
            more["memory"] = memory
        elif memory != "plain":
            raise Missing("sowlv2.Tracker has no memory=")
        rows = []
        with self.sowlv2.Tracker(self.segmenter, **more) as tracker:
            for t, image in enumerate(frames):
                objects = []
                if asked and t >= asked[0][0]:
                    tracker.frame(image, t)
                    for at, number, label, box in asked:
                        if at == t:
                            tracker.add(number, box=box, label=label)
                    objects = [(track.object, track.label, np.asarray(track.mask) != 0) for track in tracker.run()]
                rows.append(row_of(t, objects))
        return rows


class Reference:
    """The reference's own video model, with the same weights."""

    def __init__(self, folder):
        import torch
        from transformers import Sam2ImageProcessor, Sam2VideoModel, Sam2VideoProcessor, Sam2VideoVideoProcessor
        from transformers.utils import logging

        logging.disable_progress_bar()
        torch.set_num_threads(1)
        self.torch, self.model = torch, Sam2VideoModel.from_pretrained(folder, dtype=torch.float32).eval()
        images, videos = Sam2ImageProcessor.from_pretrained(folder), Sam2VideoVideoProcessor.from_pretrained(folder)
        self.processor = Sam2VideoProcessor(images, videos)

    def track(self, frames, asked):
        session = self.processor.init_video_session(inference_device="cpu", dtype=self.torch.float32)
        labels, rows = {number: label for _, number, label, _ in asked}, []
        for t, image in enumerate(frames):
            now, objects = [a for a in asked if a[0] == t], []
            if asked and t >= asked[0][0]:
                inputs = self.processor(images=image, device="cpu", return_tensors="pt")
                if now:
                    self.processor.add_inputs_to_inference_session(
                        inference_session=session, frame_idx=t, obj_ids=[a[1] for a in now], input_boxes=[[list(map(float, a[3])) for a in now]],
                        original_size=inputs.original_sizes[0])
                with self.torch.no_grad():
                    output = self.model(inference_session=session, frame=inputs.pixel_values[0], frame_idx=t)
                made = self.processor.post_process_masks([output.pred_masks], original_sizes=inputs.original_sizes, binarize=True)[0]
                objects = [(i, labels[i], made[k, 0].numpy().astype(bool)) for k, i in enumerate(output.object_ids)]
            rows.append(row_of(t, objects))
        return rows


STILL_EVERY = 6  # frames


def rightly_named(truth, video, out, options):
    """On which frames the detector names a true object rightly where it sees them as still pictures: {number: [frame, ...]},
    each such picture standing for the frames around it."""
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    frames, names, seen = pixels(video), {o["id"]: o["noun"] for o in truth["objects"]}, {}
    for t in range(0, len(frames), STILL_EVERY):
        Image.fromarray(frames[t]).save(os.path.join(out, f"{t:06d}.png"))
    rows, _ = Program(options, options.program).run("detect", out + ".out", [*Program.models(options, False), "--input", out, "--prompt", *truth["prompts"]])
    for row in rows:
        t = int(row["image"].split(".")[0])
        boxes = np.array([o["box"] for o in row["objects"]], float).reshape(-1, 4)
        for o in truth["frames"][t]["objects"]:
            there = np.flatnonzero(metrics.iou_matrix(boxes, np.array([o["box"]], float))[:, 0] >= 0.5)
            if len(there):
                best = max(there, key=lambda k: row["objects"][k]["score"])
                if row["objects"][best]["prompt"] == names[o["id"]]:
                    seen.setdefault(o["id"], []).extend(range(max(0, t - STILL_EVERY // 2), min(len(frames), t + (STILL_EVERY + 1) // 2)))
    shutil.rmtree(out)
    return seen


_kept = {}


def kept(make, *arguments):
    """One of each in a process."""
    if make not in _kept:
        _kept[make] = make(*arguments)
    return _kept[make]


def go(way, truth, video, out, options, plain_rows=None):
    """Rows and CPU seconds of a way over a clip."""
    if way in ("plain", "chosen"):
        return Program(options, options.program).track(video, truth["prompts"], out, way)
    if way.startswith("told"):
        told = out + ".told"
        os.makedirs(os.path.dirname(told), exist_ok=True)
        write_told(told, pixels(video), truth)
        os.environ["SOWLV2_TOLD"] = told
        return Program(options, options.told).track(video, truth["prompts"], out, way.split("-")[1])
    given, engine = way.split("-") if "-" in way else ("plain", way)
    asked = first_boxes_of_truth(truth) if given == "truth" else first_boxes_of_rows(plain_rows)
    frames = pixels(video)
    if engine == "reference":
        folder = ROOT / "models/demo/sam2" if options.sam_model == "demo" else options.sam_model
        runner, arguments = kept(Reference, folder), ()
    else:
        runner, arguments = kept(OurTracker, options), (engine,)
    began = time.process_time()
    rows = runner.track(frames, asked, *arguments)
    return rows, time.process_time() - began
