"""What the tracks of one clip are worth, as counts that add up over clips.

HOTA is that of Luiten et al. (2021), IDF1 that of Ristani et al. (2016), a switch of identity that of CLEAR MOT (Bernardin
and Stiefelhagen, 2008), J and F those of DAVIS; all on masks. Measured in each frame on the true objects that count: those
of which the frame shows a tenth of what another frame shows of them, and at least 20 pixels. What lies mostly on other
true pixels, or on ignored ones, is neither right nor wrong.
"""
import numpy as np

import masks as M

ALPHAS = np.arange(1, 20) * 0.05  # of HOTA
SAME, DOUBLE = 0.5, 0.8  # IoU from which a mask answers an object; from which two are one
SHOWN, PIXELS = 0.1, 20
BINS = 10  # of the tracks' own confidence


def assign(worth):
    """Pairs (row, column), each used once, with the largest sum of worth (0 or more); pairs worth nothing are left out.

    Shortest augmenting paths (the Hungarian method) on the costs -worth.
    """
    worth = np.asarray(worth, float)
    if not worth.size:
        return []
    turned = worth.shape[0] > worth.shape[1]
    cost = -(worth.T if turned else worth)
    n, m = cost.shape
    of_row, of_column = np.zeros(n + 1), np.zeros(m + 1)  # potentials; index 0 is a row and a column that are not there
    match, way = np.zeros(m + 1, int), np.zeros(m + 1, int)
    for row in range(1, n + 1):
        match[0], column = row, 0
        least, seen = np.full(m + 1, np.inf), np.zeros(m + 1, bool)
        while match[column]:
            seen[column] = True
            slack = cost[match[column] - 1] - of_row[match[column]] - of_column[1:]
            nearer = ~seen[1:] & (slack < least[1:])
            least[1:][nearer], way[1:][nearer] = slack[nearer], column
            step_to = 1 + int(np.argmin(np.where(seen[1:], np.inf, least[1:])))
            step = least[step_to]
            of_row[match[seen]] += step
            of_column[seen] -= step
            least[~seen] -= step
            column = step_to
        while column:
            match[column], column = match[way[column]], way[column]
    pairs = [(match[c + 1] - 1, c) for c in range(m) if match[c + 1]]
    return sorted((c, r) if turned else (r, c) for r, c in pairs if cost[r, c] < 0)


def overlaps(a, b):
    """IoU of every mask of one list with every one of the other."""
    if not len(a) or not len(b):
        return np.zeros((len(a), len(b)))
    a, b = (np.stack(m).reshape(len(m), -1).astype(np.float32) for m in (a, b))
    both = (a @ b.T).astype(float)
    return both / np.maximum(a.sum(1)[:, None] + b.sum(1)[None] - both, 1)


class Frame:
    """One frame's true objects and tracks, numbered, with how much they overlap."""

    def __init__(self, truth, tracks, similarity):
        self.truth, self.tracks, self.similarity = list(truth), list(tracks), np.asarray(similarity, float).reshape(len(truth), len(tracks))


def counts_of(frames):
    """Frames in which each true object and each track is."""
    truth, tracks = {}, {}
    for f in frames:
        for ids, into in ((f.truth, truth), (f.tracks, tracks)):
            for i in ids:
                into[i] = into.get(i, 0) + 1
    return truth, tracks


def hota(frames):
    """tp, fn, fp and the sum of the associations' scores A(c) over the true positives, for each of ALPHAS."""
    of_truth, of_tracks = counts_of(frames)
    rows, columns = {i: n for n, i in enumerate(of_truth)}, {i: n for n, i in enumerate(of_tracks)}
    n_truth = np.array(list(of_truth.values()), float)[:, None].reshape(-1, 1)
    n_tracks = np.array(list(of_tracks.values()), float).reshape(1, -1)
    together = np.zeros((len(rows), len(columns)))  # how much of each pair's lives is spent together, softly
    at = [(np.array([rows[i] for i in f.truth], int), np.array([columns[i] for i in f.tracks], int)) for f in frames]
    for f, (r, c) in zip(frames, at):
        if len(r) and len(c):
            either = f.similarity.sum(0)[None] + f.similarity.sum(1)[:, None] - f.similarity
            together[np.ix_(r, c)] += np.where(either > 0, f.similarity / np.maximum(either, 1e-12), 0)
    alike = together / np.maximum(n_truth + n_tracks - together, 1e-12)
    tp, matched = np.zeros(len(ALPHAS)), np.zeros((len(ALPHAS),) + together.shape)
    for f, (r, c) in zip(frames, at):
        for i, k in assign(alike[np.ix_(r, c)] * f.similarity):
            hit = f.similarity[i, k] >= ALPHAS - 1e-9
            tp += hit
            matched[hit, r[i], c[k]] += 1
    score = matched / np.maximum(n_truth + n_tracks - matched, 1)
    return {"tp": tp, "fn": n_truth.sum() - tp, "fp": n_tracks.sum() - tp, "association": (matched * score).sum((1, 2))}


def identity(frames):
    """True positives of identity: of the one best pairing of true objects and tracks over the clip."""
    of_truth, of_tracks = counts_of(frames)
    rows, columns = {i: n for n, i in enumerate(of_truth)}, {i: n for n, i in enumerate(of_tracks)}
    met = np.zeros((len(rows), len(columns)))
    for f in frames:
        for i, k in zip(*np.nonzero(f.similarity >= SAME)):
            met[rows[f.truth[i]], columns[f.tracks[k]]] += 1
    tp = sum(met[pair] for pair in assign(met))
    return {"tp": tp, "fn": sum(of_truth.values()) - tp, "fp": sum(of_tracks.values()) - tp}


def matches(frames):
    """For each frame {true object: track} from IoU SAME on: who was together the frame before stays so, then by overlap.
    Also how often an object is answered by another track than the last time (a switch), and how often a track answers another
    object than the last time (a takeover)."""
    out, before, last, held, switches, takeovers = [], {}, {}, {}, 0, 0
    for f in frames:
        keep = np.array([[before.get(i) == k for k in f.tracks] for i in f.truth], float).reshape(f.similarity.shape)
        worth = np.where(f.similarity >= SAME, 1000 * keep + f.similarity, 0)
        now = {f.truth[i]: f.tracks[k] for i, k in assign(worth)}
        switches += sum(i in last and last[i] != k for i, k in now.items())
        takeovers += sum(k in held and held[k] != i for i, k in now.items())
        last.update(now)
        held.update((k, i) for i, k in now.items())
        before = now
        out.append(now)
    return out, switches, takeovers


def doubles(masks):
    """Pairs of masks that are one thing."""
    return int((np.triu(overlaps(masks, masks), 1) > DOUBLE).sum())


class Truth:
    """A clip's truth with its masks."""

    def __init__(self, truth):
        self.names = {o["id"]: o["noun"] for o in truth["objects"]}
        largest = {o["id"]: o.get("largest") or max(x["area"] for f in truth["frames"] for x in f["objects"] if x["id"] == o["id"])
                   for o in truth["objects"]}
        self.frames, self.spare = [], []
        for row in truth["frames"]:
            counted, spare = {}, M.decode(row["ignored"]) if row.get("ignored") else np.zeros((truth["height"], truth["width"]), bool)
            for o in row["objects"]:
                mask = M.decode(o["rle"])
                if o["area"] >= max(PIXELS, SHOWN * largest[o["id"]]):
                    counted[o["id"]] = mask
                else:
                    spare = spare | mask
            self.frames.append(counted)
            self.spare.append(spare)


def tracks_of(rows, count):
    """From the program's rows: for each frame {number: mask}, labels by (frame, number), confidences likewise, merged numbers."""
    frames, labels, sure, merged = [{} for _ in range(count)], {}, {}, {}
    for row in rows:
        t = row["frame"] - 1
        for o in row["objects"] if t < count else ():
            if "merged_into" in o:
                merged[o["id"]] = o["merged_into"]
            if o["area"] and o.get("box"):
                frames[t][o["id"]] = M.decode(o["rle"])
                labels[t, o["id"]] = o.get("prompt")
                if o.get("confidence") is not None:
                    sure[t, o["id"]] = o["confidence"]
    return frames, labels, sure, merged


def judge(truth, rows, right_on_stills=None):
    """All counts of one clip. truth: of render.py; rows: of results.jsonl, with masks; right_on_stills: for each true object
    the frames near which the detector names it right on a still picture, or None."""
    true = Truth(truth)
    tracks, labels, sure, merged = tracks_of(rows, len(true.frames))
    frames, agree = [], {}
    for t, (objects, spare, seen) in enumerate(zip(true.frames, true.spare, tracks)):
        similarity = overlaps(list(objects.values()), list(seen.values()))
        best = similarity.max(0) if len(objects) else np.zeros(len(seen))
        keep = [k for k, (i, mask) in enumerate(seen.items()) if best[k] >= SAME or (mask & spare).sum() <= 0.5 * mask.sum()]
        frames.append(Frame(objects, [i for k, i in enumerate(seen) if k in keep], similarity[:, keep]))
        for k in keep:
            i = list(seen)[k]
            hit, of = agree.get(i, (0, 0))
            agree[i] = hit + (best[k] >= SAME), of + 1
    pairs, switches, takeovers = matches(frames)
    labelled = [(t, i, labels[t, k] == true.names[i]) for t, now in enumerate(pairs) for i, k in now.items()]
    easy = [right for t, i, right in labelled if right_on_stills is None or t in right_on_stills.get(i, ())]
    j, f = agreement(true, tracks, frames)
    bins = np.zeros((BINS, 3))
    for t, frame in enumerate(frames):
        answers = {k: i for i, k in pairs[t].items()}
        for k in frame.tracks:
            if (t, k) in sure:
                right = k in answers and labels[t, k] == true.names[answers[k]]
                bins[min(BINS - 1, int(sure[t, k] * BINS))] += (1, sure[t, k], right)
    seen = sorted({i for now in tracks for i in now})
    ever = {i for now in pairs for i in now}
    return plain({"frames": len(frames), "clips": 1, "hota": hota(frames),
            "identity": identity(frames), "switches": switches, "takeovers": takeovers, "labels right": sum(r for _, _, r in labelled), "labels": len(labelled),
            "easy labels right": sum(easy), "easy labels": len(easy), "J": sum(j), "F": sum(f), "objects": len(true.names),
            "doubles": sum(doubles(list(now.values())) for now in tracks), "double pairs": double_pairs(tracks, labels),
            "reported": len([i for i in seen if i not in merged]), "merged": len(merged),
            "false": sum(2 * hit < of for hit, of in agree.values()), "missed": len(set(true.names) - ever),
            "confidence": bins})


def plain(value):
    """Numbers as JSON takes them."""
    if isinstance(value, dict):
        return {name: plain(v) for name, v in value.items()}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def agreement(true, tracks, frames):
    """J and F of each true object over the frames from its first one on, in which it counts or its track shows something
    while nothing of it is there. Its track is the one that the best pairing over the clip gives it."""
    ids, numbers = list(true.names), sorted({i for now in tracks for i in now})
    sums = np.zeros((len(ids), len(numbers)))
    for f in frames:
        for i, row in zip(f.truth, f.similarity):
            for k, value in zip(f.tracks, row):
                sums[ids.index(i), numbers.index(k)] += value
    answer = {ids[r]: numbers[c] for r, c in assign(sums)}
    j, f = [], []
    for i in ids:
        first = next((t for t, now in enumerate(true.frames) if i in now), 0)
        mine, edges = [], []
        for t in range(first, len(tracks)):
            mask, made = true.frames[t].get(i), tracks[t].get(answer.get(i))
            if mask is None and (made is None or (made & true.spare[t]).any()):
                continue
            if mask is None or made is None:
                mine.append(0.0), edges.append(0.0)
            else:
                mine.append(M.region(mask, made)), edges.append(M.contour(mask, made))
        j.append(np.mean(mine or [0])), f.append(np.mean(edges or [0]))
    return j, f


def double_pairs(tracks, labels):
    """Which two tracks are one thing on how many frames: {"cat 1 = panda 4": 20}."""
    out = {}
    for t, now in enumerate(tracks):
        numbers = sorted(now)
        same = np.triu(overlaps([now[i] for i in numbers], [now[i] for i in numbers]), 1) > DOUBLE
        for a, b in zip(*np.nonzero(same)):
            name = " = ".join(f"{labels[t, numbers[i]]} {numbers[i]}" for i in (a, b))
            out[name] = out.get(name, 0) + 1
    return out


def add(results):
    """The sum of several clips' counts."""
    total = {}
    for one in results:
        for name, value in one.items():
            if isinstance(value, dict) and name != "double pairs":
                into = total.setdefault(name, {})
                for key, v in value.items():
                    into[key] = np.asarray(v) + into.get(key, 0)
            elif isinstance(value, (int, float, list)):
                total[name] = np.asarray(value) + total.get(name, 0)
    return total


def calibration(total):
    """Of each tenth of the tracks' own confidence: frames of tracks, what they say on average, how often they are right, and the
    distance between both; None where there are none."""
    out = []
    for n, said, right in np.asarray(total["confidence"], float):
        out.append({"tracks": int(n), "says": said / n if n else None, "right": right / n if n else None,
                    "error": abs(said - right) / n if n else None})
    return out


def summary(total):
    """The measures, of one clip's counts or of a sum."""
    h, i, share = total["hota"], total["identity"], lambda a, b: float(a) / float(b) if b else float("nan")
    tp, fn, fp = (np.asarray(h[k], float) for k in ("tp", "fn", "fp"))
    detection, association = tp / np.maximum(tp + fn + fp, 1), np.asarray(h["association"]) / np.maximum(tp, 1)
    bins = np.asarray(total["confidence"], float)
    out = {"clips": int(total["clips"]), "HOTA": float(np.sqrt(detection * association).mean()), "DetA": float(detection.mean()),
           "AssA": float(association.mean()), "IDF1": share(2 * i["tp"], 2 * i["tp"] + i["fn"] + i["fp"]),
           "switches": int(total["switches"]), "takeovers": int(total["takeovers"]), "J&F": share(total["J"] + total["F"], 2 * total["objects"]),
           "J": share(total["J"], total["objects"]), "F": share(total["F"], total["objects"]),
           "label accuracy": share(total["labels right"], total["labels"]),
           "label accuracy, stills right": share(total["easy labels right"], total["easy labels"]),
           "doubles a frame": share(total["doubles"], total["frames"]), "doubles": int(total["doubles"]),
           "reported": int(total["reported"]), "merged": int(total["merged"]), "true": int(total["objects"]),
           "false a clip": share(total["false"], total["clips"]), "missed a clip": share(total["missed"], total["clips"])}
    if bins[:, 0].sum():
        out["calibration error"] = float(bins[:, 0] @ [b["error"] or 0 for b in calibration(total)] / bins[:, 0].sum())
    if "cpu" in total:
        out["ms a frame"] = 1000 * share(total["cpu"], total["frames"])
    return out
