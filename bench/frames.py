"""What choosing frames by V-JEPA 2 is worth, on videos rendered so that every event and every mask is known.

    python bench/frames.py --build BUILD [--work DIR] [--model DIR] [--photos DIR] [--owl DIR --sam DIR] [--plot FILE.svg]

1. Recall: how many objects and events N chosen frames show, for each kind of importance, pixel motion alone, equal steps
   and chance. An object is shown by a frame with at least half of the most that is ever seen of it; an event (something
   enters, leaves, changes, a cut) by a frame within half a second of it.
2. Budget: region and contour agreement (J & F of DAVIS) where only a part of the frames has a mask of its own and the
   others are filled in: with ideal masks, and, with --owl and --sam, through sowlv2-detect --frame-budget.

The programs come from BUILD (make bench-frames builds them); videos are rendered once into DIR. Prints Markdown tables.
Needs the packages of requirements-reference.txt, ffmpeg and fonts-noto-color-emoji.
"""
import argparse
import glob
import json
import os
import resource
import subprocess
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOLS = os.path.join(ROOT, "tools", "demo_models")
sys.path.insert(0, TOOLS)
import masks as M  # noqa: E402

COUNTS = (4, 6, 8, 12)
METHODS = ("change", "change+motion", "surprise", "surprise+motion", "variance", "variance+motion", "pixels", "uniform", "random")
BUDGETS = (0.75, 0.5)
ENVIRONMENT = dict(os.environ, OMP_WAIT_POLICY="passive")


def call(*command, **more):
    return subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, **more).stdout


def render(script, folder, *more):
    subprocess.run([sys.executable, script, folder, *map(str, more)], check=True, cwd=TOOLS)


def load(path):
    with open(path) as f:
        return json.load(f)


# ---- 1. recall ----

def recall(truth, chosen):
    """Shares of objects and of events that these frames (from 0) show."""
    areas = [np.array(o["area"]) for o in truth["objects"] if max(o["area"]) > 0]
    objects = [bool((a[chosen] >= 0.5 * a.max()).any()) for a in areas]
    near = truth["fps"] // 2
    events = [bool((np.abs(np.array(chosen) - e["frame"]) <= near).any()) for e in truth["events"]]
    return objects, events


def measure_recall(a):
    """{(method, count, disturbance): (objects, events)} as lists of hits, and seconds by kind."""
    videos = sorted(glob.glob(os.path.join(a.work, "events", "*.mp4")))
    truths = {v: load(v[:-4] + ".json") for v in videos}
    hits, seconds = {}, {}
    out = call(os.path.join(a.build, "bench", "bench_frames"), a.model, ",".join(map(str, COUNTS)), *videos)
    rows = [json.loads(line) for line in out.splitlines()]
    rng = np.random.default_rng(1)
    for v in videos:
        for n in COUNTS:
            for _ in range(50):
                rows.append({"video": v, "method": "random", "count": n,
                             "chosen": list(rng.choice(truths[v]["frames"], n, replace=False) + 1)})
    for row in rows:
        if "seconds" in row:
            seconds.setdefault(row["method"], []).append(row["seconds"])
            continue
        truth = truths[row["video"]]
        objects, events = recall(truth, np.array(row["chosen"]) - 1)
        for key in (truth["disturbance"], "all", truth["kind"]):
            o, e = hits.setdefault((row["method"], row["count"], key), ([], []))
            o += objects
            e += events
    return hits, {k: float(np.mean(s)) for k, s in seconds.items()}, len(videos), truths


def table(rows, head):
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def print_recall(hits, methods):
    def cell(m, n, key, k):
        return f"{np.mean(hits[m, n, key][k]):.2f}" if (m, n, key) in hits else "-"
    print("Objects shown / events shown, all videos:\n")
    table([[m] + [cell(m, n, "all", 0) + " / " + cell(m, n, "all", 1) for n in COUNTS] for m in methods],
          ["chosen by"] + [f"{n} frames" for n in COUNTS])
    print("8 frames, by what disturbs:\n")
    keys = ("none", "camera", "flicker", "noise")
    table([[m] + [cell(m, 8, k, 0) + " / " + cell(m, 8, k, 1) for k in keys] for m in methods], ["chosen by", *keys])
    print("8 frames, by what happens:\n")
    keys = ("visits", "changes", "cuts", "mixed")
    table([[m] + [cell(m, 8, k, 0) + " / " + cell(m, 8, k, 1) for k in keys] for m in methods], ["chosen by", *keys])


COLOURS = {"change": "#1b7f3b", "surprise": "#c2410c", "variance": "#7c3aed", "pixels": "#0369a1", "uniform": "#555555", "random": "#aaaaaa"}


def plot(hits, methods, path):
    """Recall of objects and of events over the number of frames, as SVG."""
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 330" font-family="sans-serif" font-size="12">',
           '<rect width="820" height="330" fill="white"/>']
    for k, title in enumerate(("objects shown", "events shown")):
        left, top, w, h = 50 + k * 340, 40, 280, 230
        out.append(f'<text x="{left}" y="{top - 14}" font-size="14">{title}</text>')
        for i in range(6):
            y = top + h - h * i / 5
            out.append(f'<path d="M{left} {y:.0f}h{w}" stroke="#ddd"/><text x="{left - 8}" y="{y + 4:.0f}" text-anchor="end">{i / 5:.1f}</text>')
        for n in COUNTS:
            x = left + w * (n - COUNTS[0]) / (COUNTS[-1] - COUNTS[0])
            out.append(f'<text x="{x:.0f}" y="{top + h + 18}" text-anchor="middle">{n}</text>')
        out.append(f'<text x="{left + w / 2}" y="{top + h + 38}" text-anchor="middle">frames chosen</text>')
        for m in methods:
            points = " ".join(f"{left + w * (n - COUNTS[0]) / (COUNTS[-1] - COUNTS[0]):.0f},{top + h - h * np.mean(hits[m, n, 'all'][k]):.1f}" for n in COUNTS)
            dash = ' stroke-dasharray="5 3"' if "+motion" in m else ""
            out.append(f'<polyline points="{points}" fill="none" stroke-width="2" stroke="{COLOURS[m.split("+")[0]]}"{dash}/>')
    for i, m in enumerate(methods):
        dash = ' stroke-dasharray="5 3"' if "+motion" in m else ""
        out.append(f'<path d="M690 {50 + 22 * i}h22" stroke-width="2" stroke="{COLOURS[m.split("+")[0]]}"{dash}/><text x="718" y="{54 + 22 * i}">{m}</text>')
    with open(path, "w") as f:
        f.write("\n".join(out + ["</svg>", ""]))


# ---- 2. budget ----

def truth_masks(truth):
    """[frames][objects][h][w]."""
    out = np.zeros((len(truth["frames"]), len(truth["objects"]), truth["height"], truth["width"]), bool)
    for row in truth["frames"]:
        for o in row["objects"]:
            out[row["frame"], o["id"] - 1] = M.decode(o["rle"])
    return out


def write_owners(masks, path):
    owners = np.full(masks.shape[:1] + masks.shape[2:], 255, np.uint8)
    for k in range(masks.shape[1]):
        owners[masks[:, k]] = k
    owners.tofile(path)


def agreement(a, b):
    return 0.5 * (M.region(a, b) + M.contour(a, b))


def measure_ideal(a, hows):
    """Mean J & F over all objects and frames by (how, budget), those of frames that were filled in, ms a mask."""
    sums, filled, spent = {}, {}, []
    for video in sorted(glob.glob(os.path.join(a.work, "clips", "*.mp4"))):
        masks = truth_masks(load(video[:-4] + ".json"))
        owners, found = os.path.join(a.work, "owners.bin"), os.path.join(a.work, "found.bin")
        write_owners(masks, owners)
        for how in hows:
            for budget in BUDGETS:
                model = [] if how in ("even", "pixels") else [a.model]
                report = json.loads(call(os.path.join(a.build, "bench", "bench_between"), video, owners, masks.shape[1], budget, how, found, *model))
                got = np.fromfile(found, np.uint8).reshape(masks.shape).astype(bool)
                tracked = np.array(report["tracked"], bool)
                for t in np.flatnonzero(~tracked):
                    for k in range(masks.shape[1]):
                        filled.setdefault((how, budget), []).append(agreement(masks[t, k], got[t, k]))
                sums.setdefault((how, budget), []).append((int(tracked.sum()) * masks.shape[1], masks.shape[0] * masks.shape[1]))
                spent.append(1e3 * report["seconds_filling"] / max(report["masks_filled"], 1))
    out = {}
    for key, values in filled.items():
        total = sum(n for _, n in sums[key])
        out[key] = ((total - len(values) + sum(values)) / total, float(np.mean(values)))
    return out, float(np.mean(spent))


def read_rows(path, shape):
    """{(object, prompt): masks [frames][h][w]} of a results.jsonl."""
    out = {}
    with open(path) as f:
        for row in map(json.loads, f):
            for o in row["objects"]:
                if o.get("rle"):
                    out.setdefault((o["id"], o["prompt"]), np.zeros((shape[0],) + shape[2:], bool))[row["frame"] - 1] = M.decode(o["rle"])
    return out


def score_tracks(truth, masks, rows):
    """Mean J & F; each true object goes with the found one of its prompt that fits best."""
    out = []
    for k, o in enumerate(truth["objects"]):
        fits = [(np.mean([M.region(m[t], masks[t, k]) for t in range(len(m))]), m) for (_, p), m in rows.items() if p == o["noun"]]
        best = max(fits, key=lambda f: f[0])[1] if fits else np.zeros(masks[:, k].shape, bool)
        out += [agreement(best[t], masks[t, k]) for t in range(len(best))]
    return out


def measure_tracked(a):
    scores, found, seconds = {}, {}, {}
    for video in sorted(glob.glob(os.path.join(a.work, "clips", "*.mp4"))):
        truth = load(video[:-4] + ".json")
        masks = truth_masks(truth)
        nouns = sorted({o["noun"] for o in truth["objects"]})
        for budget in (1.0,) + BUDGETS:
            for extra in ([], ["--enable-vjepa2", "--vjepa2-model", a.model]):
                folder = os.path.join(a.work, "tracked")
                start = resource.getrusage(resource.RUSAGE_CHILDREN)
                call(os.path.join(a.build, "sowlv2-detect"), "--quiet", "--prompt", *nouns, "--input", video, "--output", folder, "--owl-model", a.owl,
                     "--sam-model", a.sam, "--no-binary", "--no-overlay", "--no-merged", "--frame-budget", budget, *extra)
                key = (budget, "V-JEPA 2" if extra else "motion")
                end = resource.getrusage(resource.RUSAGE_CHILDREN)
                seconds[key] = seconds.get(key, 0) + end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
                rows = read_rows(os.path.join(folder, "results.jsonl"), masks.shape)
                found[key] = found.get(key, 0) + len(rows)
                scores.setdefault(key, []).extend(score_tracks(truth, masks, rows))
    return {k: float(np.mean(v)) for k, v in scores.items()}, found, seconds


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--build", default=os.path.join(ROOT, "build"))
    a.add_argument("--work", help="folder for rendered videos; BUILD/bench-frames without it")
    a.add_argument("--model", default=os.path.join(ROOT, "models", "demo", "vjepa2"))
    a.add_argument("--photos", help="folder of photographs for backgrounds")
    a.add_argument("--rounds", type=int, default=2, help="16 videos of events each")
    a.add_argument("--clips", type=int, default=12, help="clips for the budget")
    a.add_argument("--owl")
    a.add_argument("--sam")
    a.add_argument("--plot")
    a = a.parse_args()
    a.build, a.model = os.path.abspath(a.build), os.path.abspath(a.model)
    a.work = os.path.abspath(a.work or os.path.join(a.build, "bench-frames"))
    if not os.path.exists(os.path.join(a.model, "config.json")):
        sys.exit(f"bench/frames.py: {a.model}: no model there: give one with --model")
    photos = ["--photos", os.path.abspath(a.photos)] if a.photos else []
    os.makedirs(a.work, exist_ok=True)
    render("render_events.py", os.path.join(a.work, "events"), "--rounds", a.rounds, *photos)
    if len(glob.glob(os.path.join(a.work, "clips", "*.json"))) < a.clips:
        render("render_clips.py", os.path.join(a.work, "clips"), a.clips, *photos)
    hits, seconds, count, _ = measure_recall(a)
    methods = [m for m in METHODS if (m, 8, "all") in hits]
    print(f"## Recall, {count} videos of 20 s\n")
    print_recall(hits, methods)
    print("Seconds a video, reading included: " + ", ".join(f"{k} {s:.2f}" for k, s in seconds.items()) + "\n")
    if a.plot:
        plot(hits, methods, a.plot)
    ideal, spent = measure_ideal(a, ("even", "pixels", "change", "surprise", "variance"))
    print("## J & F by budget, ideal masks (1.0: 1.000)\n")
    table([[how] + [f"{ideal[how, b][0]:.4f} ({ideal[how, b][1]:.3f})" for b in BUDGETS] for how in sorted({h for h, _ in ideal})],
          ["left out by"] + [f"budget {b}: all frames (filled ones)" for b in BUDGETS])
    print(f"Filling takes {spent:.1f} ms a mask.\n")
    if a.owl and a.sam:
        tracked, found, seconds = measure_tracked(a)
        print("## J & F by budget, through sowlv2-detect\n")
        table([[f"{b}", how, f"{tracked[b, how]:.4f}", f"{tracked[b, how] - tracked[1.0, how]:+.4f}", f"{found[b, how]}", f"{seconds[b, how]:.0f}"] for b, how in tracked],
              ["budget", "by", "J & F", "against all frames", "objects found", "processor seconds"])


if __name__ == "__main__":
    main()
