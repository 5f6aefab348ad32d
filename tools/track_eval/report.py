"""Tables of what scores.py counted."""
import math

import scores

COLUMNS = (("clips", 1, "d"), ("HOTA", 100, ".1f"), ("IDF1", 100, ".1f"), ("J&F", 100, ".1f"), ("switches", 1, "d"), ("takeovers", 1, "d"), ("doubles a frame", 1, ".3f"),
           ("label accuracy", 1, ".3f"), ("label accuracy, stills right", 1, ".3f"), ("false a clip", 1, ".2f"),
           ("missed a clip", 1, ".2f"), ("reported", 1, "d"), ("true", 1, "d"), ("calibration error", 1, ".3f"), ("ms a frame", 1, ".0f"))


def cell(value, scale, form):
    if value is None or isinstance(value, float) and math.isnan(value):
        return "-"
    return format(int(value) if form == "d" else value * scale, form)


def by_kind(results, kinds):
    """{way: {kind or "all": summary}}"""
    out = {}
    for way, clips in results.items():
        out[way] = {}
        for kind in kinds:
            some = [counts for name, counts in clips.items() if name.rsplit("_", 1)[0] == kind]
            if some:
                out[way][kind] = scores.summary(scores.add(some))
        out[way]["all"] = scores.summary(scores.add(list(clips.values())))
    return out


def table(first, rows):
    """Markdown; rows: (name, summary). Columns that no row has are left out."""
    columns = [c for c in COLUMNS if any(c[0] in s and not (isinstance(s[c[0]], float) and math.isnan(s[c[0]])) for _, s in rows)]
    lines = ["| " + " | ".join([first] + [c[0] for c in columns]) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, s in rows:
        lines.append("| " + " | ".join([name] + [cell(s.get(c[0]), *c[1:]) for c in columns]) + " |")
    return "\n".join(lines) + "\n"


def calibration(results):
    """Markdown: what tracks say of how likely they are right beside how often they are, a table a way."""
    text = ""
    for way, clips in results.items():
        total = scores.add(list(clips.values()))
        lines = [f"### {way}: confidence", "| says | frames of tracks | on average | right | error |", "|---|---|---|---|---|"]
        for i, row in enumerate(scores.calibration(total)):
            cells = [cell(row[name], 1, ".3f") for name in ("says", "right", "error")]
            lines.append(f"| {i / scores.BINS:.1f} to {(i + 1) / scores.BINS:.1f} | {row['tracks']} | " + " | ".join(cells) + " |")
        error = cell(scores.summary(total).get("calibration error"), 1, ".3f")
        text += "\n" + "\n".join(lines) + f"\n\nExpected calibration error: {error}\n"
    return text


def tables(results, left_out, kinds):
    summaries = by_kind(results, kinds)
    text = table("way", [(way, s["all"]) for way, s in summaries.items()])
    for way, some in left_out.items():
        text += f"\n{way}: left out: " + "; ".join(sorted(set(some))) + "\n"
    for way, s in summaries.items():
        text += f"\n### {way}\n" + table("kind", [(kind, s[kind]) for kind in kinds if kind in s])
    return text


def as_json(results, left_out, kinds, options):
    """A measure of nothing is null."""
    summaries = {way: {kind: {name: None if isinstance(v, float) and math.isnan(v) else v for name, v in s.items()} for kind, s in some.items()}
                 for way, some in by_kind(results, kinds).items()}
    return {"options": options, "left out": left_out, "summary": summaries, "clips": results}
