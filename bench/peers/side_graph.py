"""ONNX Runtime's and OpenVINO's sides: the reference's exported graphs, with Pillow and NumPy around them, which is
what their users write; nothing of PyTorch is in the process that is measured."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import export
import rows
from side_torch import Missing

HERE = Path(__file__).resolve().parent


def in_another_process(code):
    """What `code` prints last, run here by another Python: what it imports is not in this one's memory."""
    result = subprocess.run([sys.executable, "-c", code], cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if result.returncode != 0:
        raise Missing((result.stderr.strip().splitlines() or ["it failed without a word"])[-1][:200])
    return result.stdout.strip().splitlines()[-1]


class Runtime:
    """ONNX Runtime."""

    def __init__(self, threads):
        import onnxruntime

        onnxruntime.set_default_logger_severity(3)
        self.library, self.options = onnxruntime, onnxruntime.SessionOptions()
        self.options.intra_op_num_threads = threads
        self.options.inter_op_num_threads = 1

    def open(self, path):
        session = self.library.InferenceSession(str(path), self.options, providers=["CPUExecutionProvider"])
        return lambda feeds: session.run(None, feeds)


class OpenVino:
    def __init__(self, threads, precision):
        import openvino

        self.core = openvino.Core()
        self.settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        if precision != "int8":
            self.settings["INFERENCE_PRECISION_HINT"] = precision
        if precision == "bf16" and "BF16" not in self.core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise Missing("OpenVINO has no bf16 on this CPU")

    def open(self, path):
        request = self.core.compile_model(str(path), "CPU", self.settings).create_infer_request()
        return lambda feeds: [np.array(value) for value in request.infer(feeds).values()]


def normalised(picture, mean, std):
    """[3][h][w] of a Pillow image."""
    values = np.asarray(picture, np.float32).transpose(2, 0, 1) / 255
    return (values - np.float32(mean)[:, None, None]) / np.float32(std)[:, None, None]


class Side:
    def __init__(self, variant, threads, device, cache):
        if device != "cpu":
            raise Missing("timed on the CPU alone")
        name, _, self.precision = variant.partition("-")
        try:
            self.engine = Runtime(threads) if name == "ort" else OpenVino(threads, self.precision)
        except ImportError as error:
            raise Missing(f"{error.name} is not installed") from None
        self.converted = name == "openvino" and self.precision == "int8"
        self.cache, self.sessions = cache, {}

    def path(self, kind, count, folder):
        """The graph, made in another process where it is not there yet."""
        maker = "openvino_int8" if self.converted else "graph_int8" if self.precision == "int8" else "graph"
        return in_another_process(
            f"import export; from pathlib import Path; print(export.{maker}({kind!r}, {count}, Path({str(folder)!r}), "
            f"Path({str(self.cache)!r})))"
        )

    def row(self, kind, count, extra, folder, frames, nouns):
        self.frames, self.count, self.at = frames, count, 0
        if kind == "detect" and extra != 1:
            raise Missing("exported for one image")
        self.settings = json.loads(next(folder.glob("*preprocessor_config.json")).read_text())
        graphs = [("encode", 1), ("recall", 1)] if kind == "track" else [(kind, count)]
        paths = [self.path(*graph, folder) for graph in graphs]
        self.sessions = {path: session for path, session in self.sessions.items() if path in paths}
        for path in paths:
            self.sessions.setdefault(path, None)
            self.sessions[path] = self.sessions[path] or self.engine.open(path)
        getattr(self, f"make_{kind}")(*(self.sessions[path] for path in paths), folder, nouns[:count])

    def run(self):
        forward, found = self.step()
        return {"forward": forward, "found": found}

    def next_frame(self):
        from PIL import Image

        self.at += 1
        return Image.fromarray(self.frames[(self.at - 1) % len(self.frames)])

    def infer(self, session, feeds):
        start = time.perf_counter()
        values = session(feeds)
        return values, time.perf_counter() - start

    def pixels(self, picture, side):
        from PIL import Image

        return normalised(picture.resize((side, side), Image.BILINEAR), self.settings["image_mean"], self.settings["image_std"])

    def make_detect(self, session, folder, nouns):
        from PIL import Image

        shapes = export.shapes("detect", self.count, folder)
        side, length = shapes["pixel_values"][0][-1], shapes["input_ids"][0][-1]
        texts = [f"a photo of {noun}" for noun in nouns]
        tokens = json.loads(in_another_process(
            f"import json, transformers; t = transformers.CLIPTokenizer.from_pretrained({str(folder)!r}); e = t({texts!r}, "
            f"padding='max_length', truncation=True, max_length={length}); print(json.dumps([e['input_ids'], e['attention_mask']]))"
        ))
        ids, mask = (np.array(value, np.int64) for value in tokens)

        def step():
            frame = Image.fromarray(self.frames[0])
            square = Image.new("RGB", (max(frame.size),) * 2, (128, 128, 128))
            square.paste(frame)
            feeds = {"pixel_values": self.pixels(square, side)[None], "input_ids": ids, "attention_mask": mask}
            (logits, boxes), seconds = self.infer(session, feeds)
            scores = 1 / (1 + np.exp(-logits[0].max(-1)))
            kept = boxes[0][scores > rows.THRESHOLD] * max(frame.size)
            corners = np.concatenate([kept[:, :2] - kept[:, 2:] / 2, kept[:, :2] + kept[:, 2:] / 2], 1)
            return seconds, len(corners)

        self.step = step

    def make_encode(self, session, folder, nouns):
        side = export.shapes("encode", 1, folder)["pixel_values"][0][-1]

        def step():
            _, seconds = self.infer(session, {"pixel_values": self.pixels(self.next_frame(), side)[None]})
            return seconds, 1

        self.step = step

    def make_decode(self, session, folder, nouns):
        from PIL import Image

        feeds = export.example("decode", self.count, folder)  # features of any image take as long
        height, width = self.frames.shape[1:3]
        side = 4 * feeds["s0"].shape[-1]
        boxes = np.float32(rows.boxes(self.count)) * np.float32([side / width, side / height] * 2)

        def step():
            (masks, *_), seconds = self.infer(session, feeds | {"boxes": boxes[None]})
            made = [np.asarray(Image.fromarray(mask).resize((width, height), Image.BILINEAR)) > 0 for mask in masks[0, :, 0]]
            return seconds, len(made)

        self.step = step

    def make_track(self, encode, recall, folder, nouns):
        """The parts of the reference's tracker as graphs, and what it does in Python around them: memories of the last
        frames, full from the beginning, one after the other with the object's pointers."""
        from PIL import Image

        side = export.shapes("encode", 1, folder)["pixel_values"][0][-1]
        still = export.example("recall", 1, folder)
        height, width = self.frames.shape[1:3]
        here = len(still["position"])
        frames = len(still["memory"]) // here
        pointers = len(still["memory"]) - frames * here
        objects = [still["memory"].copy() for _ in range(self.count)]

        def step():
            features, seconds = self.infer(encode, {"pixel_values": self.pixels(self.next_frame(), side)[None]})
            named = dict(zip(("s0", "s1", "image_embedding"), features))
            for memory in objects:
                (masks, remembered, pointer), more = self.infer(recall, still | named | {"memory": memory})
                memory[: (frames - 1) * here] = memory[here : frames * here].copy()
                memory[(frames - 1) * here : frames * here] = remembered
                newest = pointer.reshape(-1, 1, memory.shape[-1])
                memory[-pointers:] = np.concatenate([memory[-pointers:][len(newest) :], newest])
                np.asarray(Image.fromarray(masks.reshape(-1, *masks.shape[-2:])[0]).resize((width, height), Image.BILINEAR)) > 0
                seconds += more
            return seconds, self.count

        self.step = step

    def make_score(self, session, folder, nouns):
        from PIL import Image

        side = export.shapes("score", self.count, folder)["pixel_values_videos"][0][-1]

        def look(picture):
            scale = side * 256 / 224 / min(picture.size)  # as the reference: a little larger, then its centre
            picture = picture.resize([round(scale * length) for length in picture.size], Image.BILINEAR)
            left, top = (picture.width - side) // 2, (picture.height - side) // 2
            picture = picture.crop((left, top, left + side, top + side))
            return normalised(picture, self.settings["image_mean"], self.settings["image_std"])

        def step():
            clip = np.stack([look(self.next_frame()) for _ in range(self.count)])
            values, seconds = self.infer(session, {"pixel_values_videos": clip[None]})
            values[0].var()
            return seconds, self.count

        self.step = step

    def product(self, count, inputs, outputs):
        raise Missing("it has no product of its own")

    def device_peak(self):
        return 0
