"""`make bench-guide`: what users do with the tool, timed: a picture, a video, ten pictures, three videos.

    python bench/guide.py [--build build] [--device auto] [--models demo | --owl FOLDER --sam FOLDER --vjepa FOLDER]
                          [--rounds N] [--seconds 30] [--prompts NOUN NOUN NOUN NOUN] [--out FOLDER]

Whole commands, as typed, opening the models and writing the results included. "Apart" is a command for each prompt,
picture or video, one after the other; "together" one command for all; "key frames" the same with V-JEPA 2, which says
which three quarters of the frames are tracked. All take turns. Memory is the largest of a command, a GPU's in brackets.
Pictures and videos are the samples of examples/data; ffmpeg joins them to videos of --seconds. Writes guide.json and
guide.md.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench" / "peers"))

import machine  # noqa: E402

SAMPLES = ROOT / "examples" / "data"
KEY_FRAMES = ["--enable-vjepa2", "--require-vjepa2", "--frame-budget", "0.75"]
SPREAD, FOREIGN = 0.15, 0.08  # over these a figure is noisy


def make_pictures(folder):
    """Ten: the samples, some of them under two names."""
    pictures = sorted(SAMPLES.glob("scene_*"))
    paths = []
    for i in range(10):
        source = pictures[i % len(pictures)]
        paths.append(folder / f"picture_{i:02d}{source.suffix}")
        shutil.copy(source, paths[-1])
    return paths


def make_videos(folder, seconds):
    """Three, of the sample clips one after the other, each beginning elsewhere."""
    clips = sorted(SAMPLES.glob("clip_*.mp4"))
    paths = []
    for i in range(3):
        order = folder / f"clips_{i}.txt"
        order.write_text("".join(f"file '{clips[(i + k) % len(clips)]}'\n" for k in range(2 + int(seconds))))
        paths.append(folder / f"video_{i}.mp4")
        command = ["ffmpeg", "-v", "error", "-y", "-f", "concat", "-safe", "0", "-i", order, "-ss", str(i), "-t", str(seconds)]
        command += ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-an", paths[-1]]
        try:
            subprocess.run(list(map(str, command)), check=True)
        except FileNotFoundError:
            raise SystemExit("bench/guide.py: ffmpeg is needed to join the sample clips: install it") from None
        except subprocess.CalledProcessError:
            raise SystemExit("bench/guide.py: ffmpeg could not join the sample clips") from None
    return paths


def scenarios(pictures, videos, prompts):
    """(name, prompts and inputs of the commands apart, of the one together, whether key frames make sense)."""
    one, four = prompts[:1], prompts[:4]
    return [
        ("1 picture, 1 prompt", [], (one, pictures[:1]), False),
        ("1 picture, 4 prompts", [([prompt], pictures[:1]) for prompt in four], (four, pictures[:1]), False),
        ("1 video", [], (four, videos[:1]), True),
        ("10 pictures", [(four, [picture]) for picture in pictures], (four, pictures), False),
        ("3 videos", [(four, [video]) for video in videos], (four, videos), True),
    ]


class Tool:
    def __init__(self, arguments, work):
        self.program = Path(arguments.build) / "sowlv2"
        if not self.program.exists():
            raise SystemExit(f"bench/guide.py: {self.program} is missing: run make first")
        self.models = ["--owl-model", arguments.owl or arguments.models, "--sam-model", arguments.sam or arguments.models]
        self.key_frames = [*KEY_FRAMES, "--vjepa2-model", arguments.vjepa or arguments.models]
        self.device = ["--device", arguments.device, *(["--precision", arguments.precision] if arguments.precision else [])]
        self.out = work / "out"

    def run(self, prompts, inputs, key_frames):
        """Seconds, processor seconds, bytes resident and of the GPU, seconds of it that opened the models, objects."""
        shutil.rmtree(self.out, ignore_errors=True)
        command = [self.program, "detect", "--verbose", "--prompt", *prompts, "--input", *inputs, "--output", self.out,
                   *self.models, *self.device, *(self.key_frames if key_frames else [])]
        with tempfile.TemporaryFile("w+") as log:
            start = time.monotonic()
            process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log)
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.monotonic() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            log.seek(0)
            text = log.read()
        if process.returncode != 0:
            raise SystemExit(f"bench/guide.py: {' '.join(map(str, command))} ended with {process.returncode}:\n{text[-2000:]}")
        opened = re.search(r"^open models\s+([\d.]+)", text, re.M)
        on_gpu = re.search(r"([\d.]+) MiB of its memory were in use at most", text)
        rows = self.out.rglob("results.jsonl")
        objects = sum(len(json.loads(line)["objects"]) for path in rows for line in path.read_text().splitlines())
        return {
            "wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "resident": 1024 * usage.ru_maxrss,
            "device": float(on_gpu[1]) * 2**20 if on_gpu else 0, "open": float(opened[1]) if opened else None, "objects": objects,
        }


def together(runs):
    """Commands one after the other as one."""
    added = {key: sum(run[key] for run in runs) for key in ("wall", "cpu", "objects")}
    opened = [run["open"] for run in runs if run["open"] is not None]
    return added | {
        "resident": max(run["resident"] for run in runs), "device": max(run["device"] for run in runs), "open": sum(opened) if opened else None,
    }


def measure(tool, listed, rounds, say):
    cells = []
    for name, apart, (prompts, inputs), has_key_frames in listed:
        ways = {"together": lambda: tool.run(prompts, inputs, False)}
        if apart:
            ways["apart"] = lambda: together([tool.run(*one, False) for one in apart])
        if has_key_frames:
            ways["key frames"] = lambda: tool.run(prompts, inputs, True)
        runs = {way: [] for way in ways}
        watch = {way: machine.Watch() for way in ways}
        for _ in range(rounds):
            for way, run in ways.items():
                watch[way].begin()
                runs[way].append(run())
                watch[way].end(runs[way][-1]["cpu"])
        for way, samples in runs.items():
            walls = sorted(sample["wall"] for sample in samples)
            cell = {"scenario": name, "way": way, "runs": samples, "wall": statistics.median(walls), "foreign": watch[way].share()}
            cell["spread"] = (walls[-1] - walls[0]) / cell["wall"]
            cell["noisy"] = cell["spread"] > SPREAD or cell["foreign"] > FOREIGN
            cells.append(cell)
            say(f"  {name}, {way}: {cell['wall']:.2f} s")
    return cells


def markdown(result):
    where = result["machine"]
    out = [f"{where['processor']}, {where['processors']} processors, {where['memory']} GB; {', '.join(where['features'])}. Device "
           f"{result['device']}{', ' + result['precision'] if result['precision'] else ''}, models {result['models']}, medians of {result['rounds']}.", ""]
    if any(cell["noisy"] for cell in result["cells"]):
        out += ["**Noisy run**: figures with ~ spread, or others used the processors.", ""]
    out += ["| scenario | apart | together | apart / together | with key frames | together / key frames | opening models | peak memory | with key frames |",
            "|---|---|---|---|---|---|---|---|---|"]
    for name in dict.fromkeys(cell["scenario"] for cell in result["cells"]):
        by_way = {cell["way"]: cell for cell in result["cells"] if cell["scenario"] == name}

        def text(way):
            return f"{by_way[way]['wall']:.2f} s{'~' if by_way[way]['noisy'] else ''}" if way in by_way else "-"

        def ratio(a, b):
            return f"{by_way[a]['wall'] / by_way[b]['wall']:.2f}" if a in by_way and b in by_way else "-"

        def memory(way):
            if way not in by_way:
                return "-"
            runs = by_way[way]["runs"]
            device = max(run["device"] for run in runs)
            return f"{max(run['resident'] for run in runs) / 1e9:.2f} GB" + (f" ({device / 1e9:.2f})" if device else "")

        opened = [run["open"] for run in by_way["together"]["runs"] if run["open"] is not None]
        opening = f"{statistics.median(opened):.2f} s" if opened else "-"
        out.append(f"| {name} | {text('apart')} | {text('together')} | {ratio('apart', 'together')} | {text('key frames')} | "
                   f"{ratio('together', 'key frames')} | {opening} | {memory('together')} | {memory('key frames')} |")
    return "\n".join([*out, ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision")
    parser.add_argument("--models", default="demo", help="of all three kinds; demo: the small ones that come along")
    parser.add_argument("--owl")
    parser.add_argument("--sam")
    parser.add_argument("--vjepa")
    parser.add_argument("--prompts", nargs=4, default=["cat", "turtle", "watermelon", "guitar"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30, help="of a video")
    parser.add_argument("--out", help="BUILD/bench-guide without it")
    arguments = parser.parse_args()
    say = lambda text: print(text, file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        tool = Tool(arguments, work)
        pictures, videos = make_pictures(work), make_videos(work, arguments.seconds)
        cells = measure(tool, scenarios(pictures, videos, arguments.prompts), arguments.rounds, say)
    models = arguments.models if not arguments.owl else ", ".join(Path(m).name for m in (arguments.owl, arguments.sam, arguments.vjepa) if m)
    result = {"machine": machine.description(), "device": arguments.device, "precision": arguments.precision, "models": models,
              "rounds": arguments.rounds, "seconds": arguments.seconds, "when": time.strftime("%Y-%m-%d %H:%M"), "cells": cells}
    out = Path(arguments.out or Path(arguments.build) / "bench-guide")
    out.mkdir(parents=True, exist_ok=True)
    (out / "guide.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "guide.md").write_text(markdown(result))
    print((out / "guide.md").read_text() + f"written: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
