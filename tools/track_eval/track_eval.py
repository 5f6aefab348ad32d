"""`make track-eval`: how well objects are tracked through clips that are hard, by this program and by the reference.

    python track_eval.py [--build build] [--kinds cut,fade] [--clips N] [--ways plain,chosen] [--option=--detect-every=10]

Renders the clips that are not there yet into BUILD/track-eval/clips, tracks them each way, two processes at once, and prints
a table a way, by kind and in total; it is written to BUILD/track-eval/NAME.md and NAME.json too. Rows are kept in
BUILD/track-eval/rows/NAME/WAY. What the reference makes of the same boxes is not computed twice.
--from 3 --calibration checks the tracks' own confidence on clips that it was not fitted to.
--demo makes the table of the two demo clips instead, three ways to look.
Needs requirements-reference.txt for the ways with "reference", cffi for those with "truth".
"""
import argparse
import hashlib
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "demo_models")]

import demo  # noqa: E402
import kinds as K  # noqa: E402
import render as R  # noqa: E402
import report  # noqa: E402
import scores  # noqa: E402
import ways as W  # noqa: E402


def load(path):
    """Rows, and the CPU seconds that they took."""
    with open(path) as f:
        *rows, last = [json.loads(line) for line in f]
    return rows, last["cpu"]


def store(path, rows, cpu):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".part", "w") as f:
        f.writelines(json.dumps(row) + "\n" for row in rows + [{"cpu": cpu}])
    os.replace(path + ".part", path)


def build_of(program):
    """Which build of a program this is."""
    about = os.stat(program)
    return [about.st_size, about.st_mtime_ns]


def key_of(options, *more):
    """Names a file by what its contents depend on."""
    return hashlib.sha256(json.dumps([options.seed, options.frames, R.VERSION, *more]).encode()).hexdigest()[:24]


def stills_of(name, truth, video, options):
    """ways.rightly_named(), once."""
    path = os.path.join(options.work, "stills", key_of(options, build_of(options.program), options.owl_model, name, truth["prompts"]) + ".json")
    if not os.path.exists(path):
        seen = W.rightly_named(truth, video, f"{path}.{os.getpid()}", options)
        with open(f"{path}.{os.getpid()}.json", "w") as f:
            json.dump(seen, f)
        os.replace(f"{path}.{os.getpid()}.json", path)
    with open(path) as f:
        return {int(i): set(frames) for i, frames in json.load(f).items()}


def work(job):
    """One clip, one way: its counts, or why there are none."""
    way, name, options = job
    folder = os.path.join(options.work, "rows", options.name)
    path = os.path.join(folder, way, name + ".jsonl")
    with open(os.path.join(options.clips_folder, name + ".json")) as f:
        truth = json.load(f)
    video = os.path.join(options.clips_folder, truth["video"])
    try:
        plain, kept = None, path
        if way == "reference":
            plain, _ = load(os.path.join(folder, "plain", name + ".jsonl"))
        if way.endswith("reference"):
            asked = W.first_boxes_of_truth(truth) if way != "reference" else W.first_boxes_of_rows(plain)
            kept = os.path.join(options.work, "reference", key_of(options, options.sam_model, name, asked) + ".jsonl")
        if os.path.exists(kept) and (kept != path or options.keep):
            rows, cpu = load(kept)
        else:
            rows, cpu = W.go(way, truth, video, os.path.join(folder, way, name), options, plain)
            store(kept, rows, cpu)
        if kept != path:
            store(path, rows, cpu)
        counts = scores.judge(truth, rows, stills_of(name, truth, video, options))
        counts["cpu"] = cpu
        return way, name, counts, None
    except (W.Missing, ImportError) as error:
        return way, name, None, str(error)
    except (RuntimeError, OSError, ValueError, KeyError) as error:
        return way, name, None, f"{name} failed: {error}"


def evaluate(options, names, ways):
    """{way: {clip: counts}}, and why ways or clips of theirs are left out."""
    results, left_out = {way: {} for way in ways}, {}
    first = [way for way in ways if way != "reference"]
    with ProcessPoolExecutor(options.jobs) as pool:
        for some in (first, [way for way in ways if way == "reference"]):
            for way, name, counts, why in pool.map(work, [(way, name, options) for way in some for name in names]):
                if counts is None:
                    left_out.setdefault(way, []).append(why)
                else:
                    results[way][name] = counts
                    s = scores.summary(scores.add([counts]))
                    print(f"{way} {name}: HOTA {100 * s['HOTA']:.1f} J&F {100 * s['J&F']:.1f} switches {s['switches']} "
                          f"doubles {s['doubles']} objects {s['reported']} ({s['true']})", file=sys.stderr, flush=True)
    return {way: r for way, r in results.items() if r}, left_out


def write(options, text, numbers):
    print(text)
    name = os.path.join(options.work, options.name + ("_demo" if options.demo else ""))
    os.makedirs(options.work, exist_ok=True)
    with open(name + ".md", "w") as f:
        f.write(text)
    with open(name + ".json", "w") as f:
        json.dump(numbers, f, indent=1)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--build", default="build")
    a.add_argument("--program", help="default BUILD/sowlv2")
    a.add_argument("--library", help="default BUILD/src/libsowlv2.so")
    a.add_argument("--told", help="default BUILD/tools/track_eval/sowlv2_told")
    a.add_argument("--work", help="default BUILD/track-eval")
    a.add_argument("--name", default="tracks", help="of the tables and the rows that are written")
    a.add_argument("--kinds", default=",".join(K.KINDS))
    a.add_argument("--clips", type=int, default=6, help="of each kind")
    a.add_argument("--from", type=int, default=1, dest="first", help="the first clip of each kind; the confidence was fitted to 1 and 2 of seed 1")
    a.add_argument("--calibration", action="store_true", help="also how often tracks are right beside what they say in `confidence`")
    a.add_argument("--ways", default=",".join(W.WAYS))
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--frames", type=int, default=K.FRAMES)
    a.add_argument("--keep", action="store_true", help="rows of that name that are there are judged again, not made again")
    a.add_argument("--jobs", type=int, default=2, help="processes at once")
    a.add_argument("--owl-model", default="demo")
    a.add_argument("--sam-model", default="demo")
    a.add_argument("--option", action="append", default=[], help="handed to each run of the program")
    a.add_argument("--demo", action="store_true", help="the two demo clips, three ways to look, in place of the hard clips")
    a.add_argument("--memory", default="plain", choices=("plain", "chosen"), help="of --demo, where the program has a choice")
    a = a.parse_args()
    a.program = a.program or os.path.join(a.build, "sowlv2")
    a.library = a.library or os.path.join(a.build, "src", "libsowlv2.so")
    a.told = a.told or os.path.join(a.build, "tools", "track_eval", "sowlv2_told")
    a.work = a.work or os.path.join(a.build, "track-eval")
    kinds, ways = a.kinds.split(","), a.ways.split(",")
    for what, given, known in (("kind", kinds, K.KINDS), ("way", ways, W.WAYS)):
        for name in given:
            if name not in known:
                raise SystemExit(f"track_eval: there is no {what} {name}: {', '.join(known)}")
    if "reference" in ways and "plain" not in ways:
        ways.insert(0, "plain")
    if a.demo:
        with ProcessPoolExecutor(a.jobs) as pool:
            text, found = demo.table(pool, a)
        return write(a, text, {"options": vars(a), "clips": found})
    a.clips_folder = os.path.join(a.work, "clips")
    names = R.names(kinds, a.clips, a.first)
    if not names:
        raise SystemExit(f"track_eval: no clips: --from {a.first} is after --clips {a.clips}")
    R.render(a.clips_folder, names, a.seed, a.frames)
    results, left_out = evaluate(a, names, ways)
    text = report.tables(results, left_out, kinds) + (report.calibration(results) if a.calibration else "")
    write(a, text, report.as_json(results, left_out, kinds, vars(a)))
    if any(" failed: " in why for some in left_out.values() for why in some):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
