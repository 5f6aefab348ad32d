"""What was measured, as JSON, Markdown and SVG."""

import json
import statistics

import rows

COLOURS = {
    "ours": ("#1b7f3b", "#5fb37a", "#a8d8b6"), "torch": ("#c2410c", "#ea7a4a", "#7c2d12", "#f3b391"),
    "ort": ("#0369a1", "#67b7de"), "openvino": ("#7c3aed", "#a78bfa", "#d4c7fb"),
}
SPREAD = 0.15  # between the quartiles, as a part of the median
FOREIGN = 0.08  # of the processors, used by others


def colour(contender):
    family = contender.split("-")[0]
    return COLOURS[family][[c for c in rows.CONTENDERS if c.startswith(family)].index(contender)]


def median(values):
    return statistics.median(values)


def spread(values):
    """Between the quartiles, or all of few, as a part of the median."""
    if len(values) < 2:
        return 0.0
    ordered = sorted(values)
    low, high = (ordered[0], ordered[-1]) if len(values) < 5 else (ordered[len(values) // 4], ordered[-1 - len(values) // 4])
    return (high - low) / median(values)


def finish(result):
    """Adds to each cell what follows from its samples; the run is noisy where a cell of it is."""
    rates = result["rates"]
    for cell in result["cells"]:
        if "error" in cell:
            continue
        wall = median(cell["wall"])
        cell["median"], cell["spread"] = wall, spread(cell["wall"])
        cell["noisy"] = cell["spread"] > SPREAD or cell["foreign"] > FOREIGN
        work = result["gflop"].get(cell["row"])
        if work:
            cell["gflops"] = work / wall
            precision = next((p for p in ("bf16", "int8") if p in cell["contender"]), "f32")
            rate = rates.get(str(cell["threads"]), {}).get("bf16" if precision == "int8" else precision)
            if rate:
                cell["of_rate"] = cell["gflops"] / rate
    result["noisy"] = any(cell.get("noisy") for cell in result["cells"])
    return result


def find(result, row, contender, threads):
    for cell in result["cells"]:
        if (cell["row"], cell["contender"], cell["threads"]) == (row, contender, threads):
            return cell
    return None


def seconds(value):
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}" if value >= 0.02 else f"{value:.4f}"


def table(head, lines):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(line) + " |" for line in lines), ""])


def wide(result, threads):
    """Median seconds, a row a line; ~ where it is noisy, - where there is no figure (the reasons follow)."""
    contenders = [c for c in rows.CONTENDERS if any(find(result, row, c, threads) for row in result["row_names"])]
    contenders = [c for c in contenders if any("median" in (find(result, row, c, threads) or {}) for row in result["row_names"])]
    lines = []
    for row in result["row_names"]:
        cells = [find(result, row, c, threads) or {} for c in contenders]
        peers = [cell["median"] for c, cell in zip(contenders, cells) if "median" in cell and not c.startswith("ours")]
        line = [rows.ALL[row][4]]
        for c, cell in zip(contenders, cells):
            text = f"{seconds(cell['median'])}{'~' if cell['noisy'] else ''}" if "median" in cell else "-"
            line.append(f"**{text}**" if peers and cell.get("median") == min(peers) else text)
        ours = [cell["median"] for c, cell in zip(contenders, cells) if "median" in cell and c.startswith("ours")]
        first = find(result, row, "ours-f32", threads) or {}
        same = [cell["median"] for c, cell in zip(contenders, cells) if "median" in cell and c.endswith(("-f32", "f32-compiled")) and not c.startswith("ours")]
        line.append(f"{first['median'] / min(same):.2f}" if "median" in first and same else "-")
        line.append(f"{min(ours) / min(peers):.2f}" if ours and peers else "-")
        lines.append(line)
    head = ["seconds", *(rows.CONTENDERS[c] for c in contenders), "ours f32 / best f32", "our best / best peer"]
    return table(head, lines)


def long(result, threads):
    """Everything of each cell that has a figure."""
    lines = []
    for row in result["row_names"]:
        for c in rows.CONTENDERS:
            cell = find(result, row, c, threads)
            if not cell or "median" not in cell:
                continue
            lines.append([
                rows.ALL[row][4], rows.CONTENDERS[c] + (" ~" if cell["noisy"] else ""), seconds(cell["median"]),
                seconds(min(cell["wall"])), f"{100 * cell['spread']:.0f} %",
                seconds(median(cell["forward"])) if "forward" in cell else "-", seconds(median(cell["cpu"])),
                f"{max(cell['peak'], cell['open_peak']) / 1e9:.2f}" + (f" ({cell['device_peak'] / 1e9:.2f})" if cell["device_peak"] else ""),
                f"{cell['gflops']:.0f}" if "gflops" in cell else "-", f"{cell['of_rate']:.2f}" if "of_rate" in cell else "-",
                f"{100 * cell['foreign']:.0f} %",
            ])
    head = ["", "", "median s", "best s", "spread", "of it the model s", "processor s", "peak GB", "GFLOP/s", "of the product rate", "others' load"]
    return table(head, lines)


def reasons(result):
    """Why there is no figure: each reason once, with the rows that it is about."""
    texts = {}
    for cell in result["cells"]:
        if "error" in cell:
            texts.setdefault((cell["contender"], cell["error"]), set()).add(cell["row"])
    lines = []
    for (contender, text), about in texts.items():
        names = "every row" if about >= set(result["row_names"]) else ", ".join(row for row in result["row_names"] if row in about)
        lines.append(f"- {rows.CONTENDERS[contender]}, {names}: {text}")
    return "\n".join([*lines, ""]) if lines else ""


def curve(result, points, contender, threads):
    """[(x, seconds)] of those that were measured."""
    found = ((x, find(result, row, contender, threads) or {}) for x, row in points.items())
    return [(x, cell["median"]) for x, cell in found if "median" in cell]


def costs(result):
    """Cost of more prompts, images and threads, against one."""
    out = []
    for points, what, each in ((rows.PROMPT_CURVE, "prompts", False), (rows.IMAGE_CURVE, "images a pass", True)):
        lines = []
        for threads in result["threads"]:
            for contender in rows.CONTENDERS:
                values = dict(curve(result, points, contender, threads))
                if len(values) > 1 and 1 in values:
                    relative = [f"{values[x] / values[1] / (x if each else 1):.2f}" if x in values else "-" for x in points]
                    lines.append([rows.CONTENDERS[contender], str(threads), f"{seconds(values[1])} s", *relative[1:]])
        if lines:
            head = ["", "threads", f"1 {what.split()[0].rstrip('s')}", *(f"{x} {what}" for x in list(points)[1:])]
            out.append(f"Cost against one{', an image' if each else ''}:\n\n" + table(head, lines))
    if len(result["threads"]) > 1:
        lines = []
        for row in result["row_names"]:
            for contender in rows.CONTENDERS:
                cells = [find(result, row, contender, threads) or {} for threads in result["threads"]]
                if sum("median" in cell for cell in cells) > 1:
                    lines.append([rows.ALL[row][4], rows.CONTENDERS[contender], *(seconds(c["median"]) if "median" in c else "-" for c in cells)])
        out.append("Seconds by threads:\n\n" + table(["", "", *map(str, result["threads"])], lines))
    return "\n".join(out)


def markdown(result):
    machine = result["machine"]
    quota = f", a quota of {machine['quota']:.1f} processors" if machine["quota"] else ""
    out = [
        f"{machine['processor']}, {machine['processors']} processors{quota}, {machine['memory']} GB; {', '.join(machine['features']) or 'no features known'}. "
        + (f"Device {result['device']}. " if result["device"] != "cpu" else "")
        + ", ".join(f"{name} {version}" for name, version in result["versions"].items()) + f". Medians of {result['rounds']} turns.",
        "",
    ]
    if result["noisy"]:
        out += ["**Noisy run**: figures with ~ spread by more than "
                f"{100 * SPREAD:.0f} % or had others on more than {100 * FOREIGN:.0f} % of the processors.", ""]
    for threads in result["threads"]:
        rates = result["rates"].get(str(threads), {})
        told = ", ".join(f"{name} {value:.0f} ({rates[name + '_of']})" for name, value in rates.items() if not name.endswith("_of"))
        out += [f"{threads} thread{'s' if threads > 1 else ''}; product of {result['product']}, GFLOP/s: {told or 'not measured'}", "",
                wide(result, threads), "<details><summary>all figures</summary>", "", long(result, threads), "</details>", ""]
    out += [costs(result), reasons(result)]
    return "\n".join(out)


def svg_bars(result, threads):
    """Seconds as parts of PyTorch's in f32 (or of the slowest where that is missing), a row a group."""
    groups = []
    for row in result["row_names"]:
        cells = [(c, find(result, row, c, threads) or {}) for c in rows.CONTENDERS]
        cells = [(c, cell["median"]) for c, cell in cells if "median" in cell]
        if cells:
            groups.append((row, cells, dict(cells).get("torch-f32") or max(value for _, value in cells)))
    most = max([value / unit for _, cells, unit in groups for _, value in cells] + [1])
    left, width, y, body = 230, 480, 40, []
    for row, cells, unit in groups:
        body.append(f'<text x="{left - 8}" y="{y + 11}" text-anchor="end" font-weight="bold">{rows.ALL[row][4]}</text>')
        for c, value in cells:
            long_ = width * value / unit / most
            body.append(f'<rect x="{left}" y="{y}" width="{long_:.1f}" height="11" fill="{colour(c)}"/>'
                        f'<text x="{left + long_ + 5:.1f}" y="{y + 10}" font-size="10">{rows.CONTENDERS[c]}: {seconds(value)} s</text>')
            y += 13
        y += 9
    one = left + width / most
    body.append(f'<path d="M{one:.1f} 30V{y}" stroke="#888" stroke-dasharray="3 3"/>')
    noisy = ", a noisy run" if result["noisy"] else ""
    title = f'<text x="{left}" y="20" font-size="13">PyTorch f32 = 1 (dashed), shorter is faster; {threads} threads{noisy}</text>'
    return svg(960, y + 10, [title, *body])


def svg_curves(result):
    """Seconds over prompts, images and threads."""
    threads = result["threads"][-1]
    panels = []
    for points, title in ((rows.PROMPT_CURVE, "prompts"), (rows.IMAGE_CURVE, "images a pass")):
        panels.append((title, {c: curve(result, points, c, threads) for c in rows.CONTENDERS}))
    if len(result["threads"]) > 1:
        by = {c: [(t, (find(result, result["row_names"][0], c, t) or {}).get("median")) for t in result["threads"]] for c in rows.CONTENDERS}
        panels.append((f"threads, {rows.ALL[result['row_names'][0]][4]}", {c: [p for p in v if p[1]] for c, v in by.items()}))
    body, names = [], []
    for number, (title, lines) in enumerate(panels):
        lines = {c: points for c, points in lines.items() if len(points) > 1}
        if not lines:
            continue
        names += [c for c in lines if c not in names]
        left, top, w, h = 60 + 330 * number, 40, 260, 220
        xs = sorted({x for points in lines.values() for x, _ in points})
        most = max(y for points in lines.values() for _, y in points)
        body.append(f'<text x="{left}" y="{top - 14}" font-size="13">seconds by {title}</text>')
        place = {x: left + w * i / max(len(xs) - 1, 1) for i, x in enumerate(xs)}
        for i in range(5):
            y = top + h - h * i / 4
            body.append(f'<path d="M{left} {y:.0f}h{w}" stroke="#ddd"/><text x="{left - 6}" y="{y + 4:.0f}" text-anchor="end">{seconds(most * i / 4) if i else 0}</text>')
        body += [f'<text x="{place[x]:.0f}" y="{top + h + 16}" text-anchor="middle">{x}</text>' for x in xs]
        for c, points in lines.items():
            way = " ".join(f"{place[x]:.1f},{top + h - h * y / most:.1f}" for x, y in points)
            body.append(f'<polyline points="{way}" fill="none" stroke="{colour(c)}" stroke-width="2"/>')
    if not body:
        return None
    body += [f'<path d="M{60 + 210 * (i % 4)} {298 + 18 * (i // 4)}h20" stroke="{colour(c)}" stroke-width="3"/>'
             f'<text x="{86 + 210 * (i % 4)}" y="{302 + 18 * (i // 4)}">{rows.CONTENDERS[c]}</text>' for i, c in enumerate(names)]
    return svg(60 + 330 * len(panels), 320 + 18 * (len(names) // 4), body)


def svg(width, height, body):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>', *body, "</svg>", "",
    ])


def write(result, folder):
    """peers.json, peers.md and the plots; what a plot has nothing for is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "peers.json").write_text(json.dumps(result, indent=1) + "\n")
    (folder / "peers.md").write_text(markdown(result) + "\n")
    if any("median" in cell for cell in result["cells"]):
        (folder / "peers.svg").write_text(svg_bars(result, result["threads"][-1]))
        curves = svg_curves(result)
        if curves:
            (folder / "peers_curves.svg").write_text(curves)
