"""`make bench-peers`: this program beside PyTorch, ONNX Runtime and OpenVINO, whole models, one run, taking turns.

    python bench/peers [--build build] [--only WORD ...] [--rows WORD ...] [--threads N ...] [--rounds N]
                       [--device cpu|cuda] [--out FOLDER] [--settle SECONDS]

Every contender is a process of its own, warm, with the same pixels, weights and threads; in each round each takes one
turn. A row goes from 8-bit pixels to results in memory. What a contender cannot do is told with its reason. Peers are
packages of bench/requirements-peers.txt; one that is not installed is left out, and so is a GPU that is not there.

--only and --rows take names or parts of them (--list shows them); rows also `main` (the default), `curves` (prompts
and images a pass) and `all`. Written to --out: peers.json, peers.md, peers.svg, peers_curves.svg. The models are random
ones of full size, made in --cache by the reference; --owl, --sam and --vjepa name others. --settle waits, when all is
warm, until the machine is quiet. docs/performance.md says how to read it.
"""

import argparse
import importlib.metadata
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import report
import rows

HERE = Path(__file__).resolve().parent
PRODUCT = (3601, 768, 3072)  # rows, inputs, outputs: OWLv2 base's largest linear layer
SHORTEST = 0.1  # seconds of a sample: shorter passes are repeated
RESERVE = 2**30




class Contender:
    """A process that answers a line of JSON to a line."""

    def __init__(self, name, arguments, threads):
        self.name = name
        if name.startswith("ours"):
            program = Path(arguments.build) / "bench" / "bench_models"
            command = [*arguments.start.split(), program, arguments.device, name.split("-")[1], threads]
            command += [arguments.cpu] if arguments.cpu else []
        else:
            command = [sys.executable, HERE / "worker.py", name, arguments.device, threads, Path(arguments.cache) / "graphs"]
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="false")
        if name.startswith("ours"):
            environment.setdefault("GOMP_SPINCOUNT", "10000")  # as the tool sets it
        self.patience, self.log = arguments.patience, tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment
        )
        self.told = self.read()

    def read(self):
        """Its answer; {"error"} also where it is gone or takes too long, which ends it."""
        ready, _, _ = select.select([self.process.stdout], [], [], self.patience)
        line = self.process.stdout.readline() if ready else ""
        if line:
            return json.loads(line)
        self.process.kill()
        status = self.process.wait()
        self.log.seek(0)
        last = (self.log.read().strip().splitlines() or [""])[-1][:200]
        return {"error": f"it ended with {status}: {last}" if ready else f"no answer in {self.patience:.0f} s"}

    def ask(self, *words):
        if self.process.poll() is not None:
            return {"error": "it has ended"}
        try:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return self.read()

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Bench:
    def __init__(self, arguments, models, raw):
        self.arguments, self.models, self.raw = arguments, models, raw
        self.nouns = arguments.nouns or rows.NOUNS
        self.cells, self.rates, self.quiet = [], {}, True

    def fail(self, row, name, threads, why):
        self.say(f"  {row}, {rows.CONTENDERS[name]}: {why}")
        self.cells.append({"row": row, "contender": name, "threads": threads, "error": why})

    def say(self, text):
        print(text, file=sys.stderr, flush=True)

    def begin(self, name, threads):
        """A contender that has its frames and texts; one that cannot be had has said why in `told`."""
        contender = Contender(name, self.arguments, threads)
        if "ready" in contender.told:
            height, width = rows.SIZE
            contender.told |= contender.ask("frames", width, height, rows.FRAMES, self.raw)
            contender.ask("texts", "\t".join(self.nouns))
        return contender

    def measure_products(self, names, threads):
        """The best rate that a product reaches here, by precision."""
        best = self.rates.setdefault(str(threads), {})
        for name in names:
            if name not in ("ours-f32", "ours-bf16", "torch-f32", "torch-bf16"):
                continue
            contender = self.begin(name, threads)
            told = contender.told if "error" in contender.told else contender.ask("product", *PRODUCT)
            contender.close()
            precision = name.split("-")[1]
            if told.get("gflops", 0) > best.get(precision, 0):
                best[precision], best[precision + "_of"] = told["gflops"], rows.CONTENDERS[name]
        self.say(f"products, {threads} threads: {best}")

    def shifts(self, names, model):
        """Contenders that fit into memory together; ours in f32 is in every shift, as the yardstick."""
        weights = sum(path.stat().st_size for path in self.models[model].glob("*.safetensors"))
        room = max(int((machine.memory() - RESERVE) / (2.5 * weights + RESERVE // 2)), 2)
        first = [name for name in names if name == "ours-f32"]
        others = [name for name in names if name != "ours-f32"]
        size = max(room - len(first), 1)
        return [first + others[i : i + size] for i in range(0, max(len(others), 1), size)]

    def measure_model(self, model, names, row_names, threads):
        for shift in self.shifts(names, model):
            contenders = []
            for name in shift:
                contender = self.begin(name, threads)
                if "error" in contender.told:
                    why = contender.told["error"]
                    if name.startswith("ours") and "so far" in why:  # this version has not that precision; or the machine
                        why = f"not built: {why}"
                    for row in row_names:
                        self.fail(row, name, threads, why)
                    contender.close()
                else:
                    contenders.append(contender)
            for row in row_names:
                self.measure_row(row, contenders, threads)
            for contender in contenders:
                contender.close()

    def warm(self, row, contender, threads):
        """A cell for the row, or None where it cannot be had."""
        kind, count, extra, model, _ = rows.ALL[row]
        contender.ask("peak")
        told = contender.ask("row", kind, count, extra, self.models[model])
        run = told if "error" in told else contender.ask("run")
        if "error" in run:
            self.fail(row, contender.name, threads, run["error"])
            return None
        peak = contender.ask("peak")
        run = contender.ask("run") if "compiled" in contender.name or run["wall"] < SHORTEST else run
        self.say(f"  {row}, {rows.CONTENDERS[contender.name]}: ready, {run['wall']:.3f} s")
        cell = {
            "row": row, "contender": contender.name, "threads": threads, "open": told["open"], "open_peak": peak["resident"],
            "found": run["found"], "wall": [], "cpu": [], "repeats": min(max(round(SHORTEST / max(run["wall"], 1e-6)), 1), 50),
            "watch": machine.Watch(),
        }
        return cell

    def turn(self, contender, cell):
        """One sample: the mean of as many passes as last long enough."""
        cell["watch"].begin()
        runs = [contender.ask("run") for _ in range(cell["repeats"])]
        failed = next((run["error"] for run in runs if "error" in run), None)
        if failed:
            cell["error"] = failed
            return
        cell["watch"].end(sum(run["cpu"] for run in runs))
        for key in ("wall", "cpu", "forward"):
            if key in runs[0]:
                cell.setdefault(key, []).append(sum(run[key] for run in runs) / len(runs))

    def measure_row(self, row, contenders, threads):
        ready = []
        for contender in contenders:
            cell = self.warm(row, contender, threads)
            if cell:
                ready.append((contender, cell))
        if self.arguments.settle and ready:
            self.say("waiting until the machine is quiet")
            self.quiet = machine.settle(self.arguments.settle) and self.quiet
        for _ in range(self.arguments.rounds):
            for contender, cell in ready:
                if "error" not in cell:
                    self.turn(contender, cell)
        for contender, cell in ready:
            cell["foreign"] = cell.pop("watch").share()
            if "error" in cell:
                self.fail(row, contender.name, threads, cell["error"])
                continue
            peak = contender.ask("peak")
            cell["peak"], cell["device_peak"] = peak.get("resident", 0), peak.get("device", 0)
            cell["median"] = report.median(cell["wall"])
            self.say(f"  {row}, {rows.CONTENDERS[contender.name]}: {report.seconds(cell['median'])} s")
            self.add(cell)

    def add(self, cell):
        """The samples of one that was in several shifts go together."""
        there = report.find({"cells": self.cells}, cell["row"], cell["contender"], cell["threads"])
        if not there:
            self.cells.append(cell)
            return
        if "error" in there:  # it had no room then, and has now
            self.cells[self.cells.index(there)] = cell
            return
        if "error" in cell:
            return
        for key in ("wall", "cpu", "forward"):
            if key in cell:
                there[key] = there.get(key, []) + cell[key]
        there["foreign"] = max(there["foreign"], cell["foreign"])
        there["peak"] = max(there["peak"], cell["peak"])


def gflop(row_names, models):
    """By row, by the reference's modules; empty where the reference is not installed."""
    asked = {row: [*rows.ALL[row][:3], str(models[rows.ALL[row][3]])] for row in row_names}
    result = subprocess.run([sys.executable, HERE / "work.py", json.dumps(asked)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(result.stdout) if result.returncode == 0 else {}


def versions():
    found = {}
    for name in ("torch", "transformers", "onnxruntime", "openvino"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def arguments_of(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(rows.ROOT / "build"), help="build folder")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cpu", help="force a CPU level, of ours")
    parser.add_argument("--only", nargs="+", default=list(rows.CONTENDERS), metavar="WORD", help="contenders")
    parser.add_argument("--rows", nargs="+", default=["main"], metavar="WORD")
    parser.add_argument("--threads", nargs="+", type=int, default=[len(os.sched_getaffinity(0))], metavar="N")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--settle", type=float, default=0, metavar="SECONDS", help="wait at most so long for quiet before a row")
    parser.add_argument("--patience", type=float, default=1200, metavar="SECONDS", help="for one answer, compiling included")
    parser.add_argument("--cache", default=str(rows.ROOT / ".parity"), help="folder for models and graphs")
    parser.add_argument("--owl")
    parser.add_argument("--sam")
    parser.add_argument("--vjepa")
    parser.add_argument("--nouns", nargs="+", help="what is looked for")
    parser.add_argument("--out", help="folder for what is written; BUILD/bench-peers without it")
    parser.add_argument("--start", default="", help="what stands before our program, to run it")
    parser.add_argument("--list", action="store_true", help="rows and contenders")
    return parser.parse_args(words)


def main():
    arguments = arguments_of(sys.argv[1:])
    if arguments.list:
        print("rows:", *(f"  {name:12s}{row[4]}" for name, row in rows.ALL.items()), sep="\n")
        print("contenders:", *(f"  {name:22s}{text}" for name, text in rows.CONTENDERS.items()), sep="\n")
        return 0
    names = rows.chosen(arguments.only, rows.CONTENDERS, {})
    row_names = rows.chosen(arguments.rows, rows.ALL, rows.SETS)
    cache = Path(arguments.cache).resolve()
    given = {"owlv2": arguments.owl, "sam2": arguments.sam, "vjepa2": arguments.vjepa}
    models = {name: Path(folder).resolve() for name, folder in given.items() if folder}
    if not models.keys() >= {rows.ALL[row][3] for row in row_names}:
        models = rows.random_models(cache) | models
    result = {
        "machine": machine.description(), "device": arguments.device, "versions": versions(), "rounds": arguments.rounds,
        "threads": arguments.threads, "row_names": row_names, "product": " x ".join(map(str, PRODUCT)),
        "models": {name: str(folder.name) for name, folder in models.items()}, "when": time.strftime("%Y-%m-%d %H:%M"),
        "gflop": gflop(row_names, models), "load_at_start": machine.load(),
    }
    with tempfile.NamedTemporaryFile(suffix=".rgb") as raw:
        rows.write_frames(raw.name)
        bench = Bench(arguments, models, raw.name)
        for threads in arguments.threads:
            bench.measure_products(names, threads)
            for model in ("owlv2", "sam2", "vjepa2"):
                of_model = [row for row in row_names if rows.ALL[row][3] == model]
                if of_model:
                    bench.measure_model(model, names, of_model, threads)
    result |= {"cells": bench.cells, "rates": bench.rates, "settled": bench.quiet}
    out = Path(arguments.out or Path(arguments.build) / "bench-peers")
    report.write(report.finish(result), out)
    print((out / "peers.md").read_text())
    print(f"written: {out}")
    return 0 if any("median" in cell for cell in bench.cells) else 1


if __name__ == "__main__":
    sys.exit(main())
