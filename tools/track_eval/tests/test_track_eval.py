"""The measures against cases worked out by hand, and the clips' generator."""
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

TOOL = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOOL), str(TOOL.parent / "demo_models")]

import masks as M  # noqa: E402
import render as R  # noqa: E402
import report  # noqa: E402
import scenes  # noqa: E402
import scores as S  # noqa: E402


def frames(*rows):
    """Each row: {(truth, track): IoU} of one frame; a lone truth is (i, None), a lone track (None, k)."""
    out = []
    for row in rows:
        truth, tracks = sorted({i for i, _ in row if i}), sorted({k for _, k in row if k})
        out.append(S.Frame(truth, tracks, [[row.get((i, k), 0) for k in tracks] for i in truth]))
    return out


def hota_at(given, alpha):
    h, at = S.hota(given), int(np.argmin(np.abs(S.ALPHAS - alpha)))
    tp, fn, fp = h["tp"][at], h["fn"][at], h["fp"][at]
    return tp, fn, fp, h["association"][at] / max(tp, 1)


def test_assign_is_the_best_of_all_pairings():
    rng = np.random.default_rng(1)
    for n, m in itertools.product(range(1, 6), range(1, 6)):
        worth = rng.random((n, m)).round(1)
        rows, columns = (range(n), range(m)) if n <= m else (range(m), range(n))
        flat = worth if n <= m else worth.T
        best = max(sum(flat[i, k] for i, k in zip(rows, order)) for order in itertools.permutations(columns, len(rows)))
        pairs = S.assign(worth)
        assert len({i for i, _ in pairs}) == len({k for _, k in pairs}) == len(pairs)
        assert sum(worth[p] for p in pairs) == pytest.approx(best)
    assert S.assign(np.zeros((0, 3))) == [] and S.assign(np.zeros((2, 2))) == []


def test_a_perfect_track():
    given = frames(*[{(1, 7): 1.0}] * 10)
    assert hota_at(given, 0.5) == (10, 0, 0, 1)
    assert S.identity(given) == {"tp": 10, "fn": 0, "fp": 0}
    assert S.matches(given)[1:] == (0, 0)


def test_one_object_two_numbers():
    """Ten frames: four answered by one track, six by another. By hand: A(c) = 4/10 of the four, 6/10 of the six, so the sum
    is 4 * 0.4 + 6 * 0.6 = 5.2; HOTA = sqrt(1 * 0.52). IDF1: the better track's six frames are right: 2 * 6 / (10 + 10)."""
    given = frames(*[{(1, 7): 1.0}] * 4 + [{(1, 8): 1.0}] * 6)
    tp, fn, fp, association = hota_at(given, 0.5)
    assert (tp, fn, fp) == (10, 0, 0) and association == pytest.approx(0.52)
    assert S.identity(given) == {"tp": 6, "fn": 4, "fp": 4}
    assert S.matches(given)[1:] == (1, 0)


def test_two_objects_that_change_tracks():
    """Half of the time each: A(c) = 5 / (10 + 10 - 5) = 1/3 for all twenty; IDF1 = 1/2; each has one switch, and each track takes over one."""
    given = frames(*[{(1, 7): 1.0, (2, 8): 1.0}] * 5 + [{(1, 8): 1.0, (2, 7): 1.0}] * 5)
    tp, fn, fp, association = hota_at(given, 0.5)
    assert (tp, fn, fp) == (20, 0, 0) and association == pytest.approx(1 / 3)
    assert S.identity(given) == {"tp": 10, "fn": 10, "fp": 10}
    assert S.matches(given)[1:] == (2, 2)


def test_missed_and_false():
    """Six frames: four found at IoU 0.6, two missed, and a track of nothing on three. At 0.5: TP 4, FN 2, FP 3, and A(c) is
    4 / (6 + 4 - 4) = 2/3; at 0.65 nothing is found."""
    found, missed, false = {(1, 7): 0.6}, {(1, None): 0}, {(1, 7): 0.6, (None, 9): 0}
    given = frames(found, false, false, false, missed, missed)
    tp, fn, fp, association = hota_at(given, 0.5)
    assert (tp, fn, fp) == (4, 2, 3) and association == pytest.approx(4 / 6)
    assert hota_at(given, 0.65)[:3] == (0, 6, 7)
    assert S.identity(given) == {"tp": 4, "fn": 2, "fp": 3}


def test_a_switch_is_counted_over_a_gap():
    gone = {(1, None): 0}
    assert S.matches(frames({(1, 7): 0.9}, gone, {(1, 8): 0.9}))[1] == 1
    assert S.matches(frames({(1, 7): 0.9}, gone, {(1, 7): 0.9}))[1] == 0
    # Whoever was there stays, though another one overlaps more.
    assert S.matches(frames({(1, 7): 0.9}, {(1, 7): 0.6, (1, 8): 0.9}))[1] == 0


def test_a_track_that_stays_on_the_spot_takes_over():
    assert S.matches(frames({(1, 7): 0.9}, {(1, 7): 0.9}, {(2, 7): 0.9}, {(2, 7): 0.9}))[1:] == (0, 1)


def box(x, y, w=20, h=20):
    mask = np.zeros((48, 64), bool)
    mask[y:y + h, x:x + w] = True
    return mask


def a_truth(per_frame, names):
    """per_frame: {number: mask} of each frame."""
    rows = [{"frame": t, "objects": [{"id": i, "area": int(m.sum()), "rle": M.encode(m)} for i, m in now.items()]} for t, now in enumerate(per_frame)]
    return {"width": 64, "height": 48, "frames": rows, "objects": [{"id": i, "noun": n} for i, n in names.items()]}


def rows(per_frame, **more):
    """per_frame: {number: (label, mask)}."""
    return [{"frame": t + 1, "objects": [{"id": i, "prompt": label, "box": [0, 0, 1, 1] if m.any() else None, "area": int(m.sum()),
                                          "rle": M.encode(m), **more} for i, (label, m) in now.items()]} for t, now in enumerate(per_frame)]


def test_labels_doubles_and_false_objects():
    truth = a_truth([{1: box(2, 2), 2: box(40, 2)}] * 4, {1: "cat", 2: "pig"})
    cat, pig, ghost = ("cat", box(2, 2)), ("cat", box(40, 2)), ("pig", box(20, 26))
    counts = S.judge(truth, rows([{1: cat, 2: pig, 3: ghost}] * 3 + [{1: cat, 2: pig, 4: ("dog", box(41, 2))}], confidence=0.75))
    assert (counts["labels right"], counts["labels"]) == (4, 8)
    assert counts["doubles"] == 1 and counts["double pairs"] == {"cat 2 = dog 4": 1}
    assert counts["reported"] == 4 and counts["false"] == 1 and counts["missed"] == 0
    assert counts["J"] == counts["F"] == 2
    n, said, right = counts["confidence"][7]
    assert (n, said, right) == (12, 9, 4)  # of twelve that were said to be right with 0.75, four are
    total = S.summary(S.add([counts, counts]))
    assert total["doubles"] == 2 and total["label accuracy"] == 0.5 and total["clips"] == 2
    assert total["calibration error"] == pytest.approx(5 / 12)


def test_calibration_by_tenths():
    total = {"confidence": [[0, 0, 0]] * 5 + [[10, 5.5, 8]] + [[0, 0, 0]] * 3 + [[30, 28.5, 27]]}
    table = S.calibration(total)
    assert [row["tracks"] for row in table] == [0] * 5 + [10] + [0] * 3 + [30]
    assert table[0]["says"] is None and table[0]["error"] is None
    assert (table[5]["says"], table[5]["right"], table[5]["error"]) == pytest.approx((0.55, 0.8, 0.25))
    assert table[9]["error"] == pytest.approx(0.05)
    counts = S.judge(a_truth([{1: box(2, 2)}] * 3, {1: "cat"}), rows([{1: ("cat", box(2, 2))}] * 3, confidence=0.9))
    counts["confidence"] = total["confidence"]
    assert S.summary(S.add([counts]))["calibration error"] == pytest.approx((10 * 0.25 + 30 * 0.05) / 40)
    text = report.calibration({"plain": {"cut_01": counts}})
    assert "| 0.5 to 0.6 | 10 | 0.550 | 0.800 | 0.250 |" in text and "| 0.1 to 0.2 | 0 | - | - | - |" in text
    assert "Expected calibration error: 0.100" in text


def test_clips_that_come_first_can_be_left_out():
    assert R.names(["cut", "late"], 4, 3) == ["cut_03", "cut_04", "late_03", "late_04"]
    assert R.names(["cut"], 2) == ["cut_01", "cut_02"]


def test_merged_numbers_are_no_objects_of_their_own():
    truth = a_truth([{1: box(2, 2)}] * 3, {1: "cat"})
    made = rows([{1: ("cat", box(2, 2))}, {1: ("cat", box(2, 2)), 2: ("cat", box(2, 2))}, {1: ("cat", box(2, 2))}])
    made[1]["objects"][1]["merged_into"] = 1
    counts = S.judge(truth, made)
    assert (counts["reported"], counts["merged"], counts["doubles"]) == (1, 1, 1)


def test_what_counts_of_an_object():
    """A sliver is neither missed nor false; a track that stays where its object was is wrong there."""
    truth = a_truth([{1: box(2, 2)}, {1: box(2, 2, 1, 21)}, {}, {1: box(2, 2)}], {1: "cat"})
    seen = rows([{1: ("cat", box(2, 2))}, {1: ("cat", box(2, 2, 1, 21))}, {}, {1: ("cat", box(2, 2))}])
    stays = rows([{1: ("cat", box(2, 2))}] * 4)
    assert S.judge(truth, seen)["J"] == 1 and S.summary(S.add([S.judge(truth, seen)]))["HOTA"] == 1
    assert S.judge(truth, stays)["J"] == pytest.approx(2 / 3)  # right, not counted, wrong, right
    nothing = S.judge(truth, rows([{}] * 4))
    assert nothing["J"] == 0 and nothing["missed"] == 1 and S.summary(S.add([nothing]))["HOTA"] == 0


def test_ignored_pixels_are_nobodys_fault():
    truth = a_truth([{1: box(2, 2)}, {}], {1: "cat"})
    truth["frames"][1]["ignored"] = M.encode(box(2, 2))
    s = S.summary(S.add([S.judge(truth, rows([{1: ("cat", box(2, 2))}] * 2))]))
    assert s["HOTA"] == 1 and s["J&F"] == 1 and s["IDF1"] == 1


def test_against_trackeval():
    """The same random tracks through the measures' own authors' program, where it is installed."""
    metrics = pytest.importorskip("trackeval.metrics")
    rng = np.random.default_rng(3)
    for _ in range(20):
        given = []
        for _ in range(12):
            truth, tracks = (sorted(rng.choice(5, rng.integers(1, 5), replace=False)) for _ in range(2))
            given.append(S.Frame(truth, tracks, rng.random((len(truth), len(tracks)))))
        names = sorted({i for f in given for i in f.truth}), sorted({k for f in given for k in f.tracks})
        data = {"num_timesteps": len(given), "num_gt_ids": len(names[0]), "num_tracker_ids": len(names[1]),
                "num_gt_dets": sum(len(f.truth) for f in given), "num_tracker_dets": sum(len(f.tracks) for f in given),
                "gt_ids": [np.array([names[0].index(i) for i in f.truth]) for f in given],
                "tracker_ids": [np.array([names[1].index(k) for k in f.tracks]) for f in given],
                "similarity_scores": [f.similarity for f in given]}
        theirs, ours = metrics.HOTA().eval_sequence(data), S.hota(given)
        np.testing.assert_allclose(ours["tp"], theirs["HOTA_TP"])
        np.testing.assert_allclose(ours["association"] / np.maximum(ours["tp"], 1), theirs["AssA"], atol=1e-9)
        identity = metrics.Identity({"PRINT_CONFIG": False}).eval_sequence(data)
        assert S.identity(given) == {"tp": identity["IDTP"], "fn": identity["IDFN"], "fp": identity["IDFP"]}
        assert S.matches(given)[1] == metrics.CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)["IDSW"]


needs_font = pytest.mark.skipif(not Path(scenes.FONT).exists(), reason="fonts-noto-color-emoji is not installed")


@pytest.fixture(scope="module")
def stock():
    return scenes.Sprites(), scenes.Backgrounds("held", 1, 6)


@needs_font
def test_clips_are_the_same_for_the_same_numbers(stock):
    import kinds
    import render

    for kind in kinds.KINDS:
        one, two = (kinds.make(*stock, kind, 1, 5, frames=12) for _ in range(2))
        assert (one["frames"] == two["frames"]).all() and (one["owners"] == two["owners"]).all(), kind
        assert one["prompts"] == two["prompts"] and len(one["prompts"]) == len(set(one["objects"])) + 2
        assert (kinds.make(*stock, kind, 2, 5, frames=12)["frames"] != one["frames"]).any(), kind
        truth = render.truth_of(one, "x", kind)
        for row, owner in zip(truth["frames"], one["owners"]):
            for o in row["objects"]:
                assert (M.decode(o["rle"]) == (owner == o["id"] - 1)).all()
        perfect = [{"frame": r["frame"] + 1, "objects": [{**o, "prompt": truth["objects"][o["id"] - 1]["noun"]} for o in r["objects"]]}
                   for r in truth["frames"]]
        s = S.summary(S.add([S.judge(truth, perfect)]))
        assert s["HOTA"] == s["IDF1"] == s["J&F"] == s["label accuracy"] == 1 and s["switches"] == s["doubles"] == 0, kind
