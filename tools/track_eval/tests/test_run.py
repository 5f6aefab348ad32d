"""The whole tool on clips of a second, with the program of a build."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOOL), str(TOOL.parent / "demo_models")]

import scenes  # noqa: E402
import ways  # noqa: E402

pytestmark = [pytest.mark.skipif(not os.environ.get("TRACK_EVAL_PROGRAM"), reason="no program of a build is named"),
              pytest.mark.skipif(not Path(scenes.FONT).exists(), reason="fonts-noto-color-emoji is not installed")]


def run(*arguments):
    build = {f"--{name}": os.environ[f"TRACK_EVAL_{name.upper()}"] for name in ("program", "library", "told", "work")}
    command = [sys.executable, str(TOOL / "track_eval.py"), "--frames", "12", "--clips", "1", *sum(map(list, build.items()), []), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def test_ways_over_a_cut():
    done = run("--kinds", "cut", "--ways", "plain,told-plain,truth-plain", "--name", "smoke")
    assert done.returncode == 0, done.stderr
    work = Path(os.environ["TRACK_EVAL_WORK"])
    numbers = json.loads((work / "smoke.json").read_text())
    assert set(numbers["summary"]) == {"plain", "told-plain", "truth-plain"} and not numbers["left out"]
    told, truth = (numbers["summary"][way]["cut"] for way in ("told-plain", "truth-plain"))
    # The one detector names everything rightly, the one tracker is given each object once.
    assert told["label accuracy"] > 0.8 and told["HOTA"] > 0.3
    assert truth["reported"] == truth["true"] and truth["missed a clip"] == 0 and truth["J&F"] > 0.5
    assert "| told-plain |" in (work / "smoke.md").read_text() and "### plain" in done.stdout
    again = run("--kinds", "cut", "--ways", "plain,told-plain,truth-plain", "--name", "smoke", "--keep")
    assert json.loads((work / "smoke.json").read_text())["summary"] == numbers["summary"], again.stderr


def test_what_cannot_be_had_is_named():
    assert "there is no kind rain" in run("--kinds", "rain").stderr
    assert "there is no way home" in run("--ways", "home").stderr


def test_a_program_that_fails_is_named_and_the_table_is_made(tmp_path):
    done = run("--kinds", "cut", "--ways", "plain,truth-plain", "--name", "failing", "--option=--threshold=nonsense")
    assert done.returncode == 1 and "cut_01 failed" in done.stdout and "| truth-plain |" in done.stdout


def test_told_frames_are_known_by_their_looks(tmp_path):
    import numpy as np

    truth = {"width": 32, "height": 24, "prompts": ["pig", "cat"], "objects": [{"id": 1, "noun": "cat", "largest": 64}],
             "frames": [{"frame": 0, "objects": [{"id": 1, "box": [1, 2, 9, 10], "area": 64, "rle": ways.M.encode(np.pad(np.ones((8, 8), bool), ((2, 14), (1, 23))))}]},
                        {"frame": 1, "objects": []}]}
    frames = np.zeros((2, 24, 32, 3), np.uint8)
    frames[1] = np.arange(3)
    ways.write_told(tmp_path / "told", frames, truth)
    lines = (tmp_path / "told").read_text().split("\n")
    assert lines[0] == "2" and lines[1] == "00" * 576 and lines[2:4] == ["1", "1 1 2 9 10"] and lines[4] == "000102" * 192 and lines[5] == "0"
