"""The table of the two demo clips: how many objects are reported, and which two numbers are one thing, for three ways to look."""
import json
import os

import scores
import ways as W

LOOKS = (("default", ()), ("--detect-every 10", ("--detect-every", "10")),
         ("two passes", ("--vjepa2-model", "demo", "--enable-vjepa2", "--use-temporal-detection")))
DATA = W.ROOT / "examples" / "data"


def run(job):
    """One clip, one way to look."""
    name, look, more, options = job
    with open(DATA / (name + ".json")) as f:
        truth = json.load(f)
    prompts = sorted({o["noun"] for o in truth["objects"]})
    out = os.path.join(options.work, "demo", f"{name}_{look.replace(' ', '_')}")
    rows, cpu = W.Program(options, options.program).track(str(DATA / truth["video"]), prompts, out, options.memory, more)
    counts = scores.judge(truth, rows)
    counts["cpu"] = cpu
    return name, look, counts


def table(pool, options):
    """Markdown, and the counts by clip and way."""
    jobs = [(name, look, more, options) for name in ("clip_02", "clip_01") for look, more in LOOKS]
    lines, found = ["| clip, way | objects reported (true) | pairs on one thing, frames | switches | HOTA | J&F | label accuracy |", "|---|---|---|---|---|---|---|"], {}
    for name, look, counts in pool.map(run, jobs):
        s = scores.summary(scores.add([counts]))
        pairs = ", ".join(f"{pair}: {n}" for pair, n in sorted(counts["double pairs"].items(), key=lambda p: -p[1])) or "none"
        lines.append(f"| {name}, {look} | {s['reported']} ({s['true']}) | {pairs} | {s['switches']} | {100 * s['HOTA']:.1f} | {100 * s['J&F']:.1f} | "
                     f"{s['label accuracy']:.3f} |")
        found[f"{name}, {look}"] = counts
    return "\n".join(lines) + "\n", found
