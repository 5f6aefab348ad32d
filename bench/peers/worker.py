"""One peer behind a pipe, which speaks as bench/models.c does: `python worker.py CONTENDER DEVICE THREADS CACHE`."""

import json
import os
import re
import sys
import time
import traceback
from pathlib import Path

import numpy as np


def resident_peak():
    """Bytes, since this was last asked."""
    found = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())
    try:
        Path("/proc/self/clear_refs").write_text("5\n")
    except OSError:
        pass  # the peak goes on from the beginning
    return 1024 * int(found[1]) if found else 0


class Worker:
    def __init__(self, contender, device, threads, cache):
        if contender.startswith("torch"):
            from side_torch import Side
        else:
            from side_graph import Side
        self.side = Side(contender, threads, device, Path(cache))
        self.frames, self.texts = None, []

    def do_frames(self, width, height, count, path):
        shape = (int(count), int(height), int(width), 3)
        self.frames = np.fromfile(path, np.uint8).reshape(shape)
        return {}

    def do_texts(self, *words):
        self.texts = " ".join(words).split("\t")
        return {}

    def do_row(self, kind, count, extra, folder):
        start = time.perf_counter()
        self.side.row(kind, int(count), int(extra), Path(folder), self.frames, self.texts)
        return {"open": time.perf_counter() - start}

    def do_run(self):
        wall, processor = time.perf_counter(), time.process_time()
        result = self.side.run()
        return result | {"wall": time.perf_counter() - wall, "cpu": time.process_time() - processor}

    def do_peak(self):
        return {"resident": resident_peak(), "device": self.side.device_peak()}

    def do_product(self, *sizes):
        return self.side.product(*map(int, sizes))


def main():
    answers = os.fdopen(os.dup(1), "w")  # what libraries print must not look like an answer
    os.dup2(2, 1)

    def answer(value):
        print(json.dumps(value), file=answers, flush=True)

    def guarded(call):
        try:
            answer(call())
        except Exception as error:  # a peer that cannot do a row says why, and goes on with the next
            if type(error).__name__ != "Missing":
                traceback.print_exc()
            text = (str(error).strip().splitlines() or [""])[0]
            answer({"error": text if type(error).__name__ == "Missing" else f"{type(error).__name__}: {text}"[:200]})
            return False
        return True

    contender, device, threads, cache = sys.argv[1:]
    made = []

    def make():
        made.append(Worker(contender, device, int(threads), cache))
        return {"ready": contender}

    if not guarded(make):
        return 1
    for line in sys.stdin:
        command, _, arguments = line.rstrip("\n").partition(" ")
        words = arguments.split(" ", 3) if command != "texts" else [arguments]
        guarded(lambda: getattr(made[0], f"do_{command}")(*(words if arguments else [])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
