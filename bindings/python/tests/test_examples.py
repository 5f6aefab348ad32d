"""Each program of examples/python runs, and says what it should."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sowlv2
from conftest import DATA, ROOT

FOLDER = ROOT / "examples" / "python"
BOTH = ["--detector", "demo", "--segmenter", "demo"]
SCENE = str(DATA / "scene_001.jpg")


def run(name, arguments, folder):
    done = subprocess.run(
        [sys.executable, str(FOLDER / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(DATA / "clip_01.mp4"), "-frames:v", "12", str(path)], check=True
    )
    return path


def test_every_example_is_run_here():
    text = Path(__file__).read_text()
    for example in FOLDER.glob("*.py"):
        assert f'"{example.name}"' in text


def test_find(tmp_path):
    said = run("find.py", [SCENE, "bus", "fox", *BOTH], tmp_path)
    assert "bus:" in said and "fox:" in said
    assert sowlv2.decode(tmp_path / "found.png").shape == (480, 640, 3)


def test_segment(tmp_path):
    said = run("segment.py", [SCENE, "259,269,448,416", "--not-here", "265,275", "--segmenter", "demo"], tmp_path)
    assert "without that point" in said and "outline of" in said


def test_track(tmp_path, film):
    said = run("track.py", [film, "banana", "turtle", *BOTH], tmp_path).splitlines()
    assert len(said) == 12 and "banana" in said[-1]


def test_track_frames(tmp_path, frames):
    from sowlv2._draw import png

    for number, image in enumerate(frames[:3]):
        (tmp_path / f"{number}.png").write_bytes(png(image))
    said = run("track_frames.py", ["59,37,190,164", "0.png", "1.png", "2.png", "--segmenter", "demo"], tmp_path)
    assert len(said.splitlines()) == 3


def test_key_frames(tmp_path, film):
    said = run("key_frames.py", [film, "--count", 2, "--model", "demo"], tmp_path)
    assert len(said.splitlines()) == 2 and len(list((tmp_path / "chosen").glob("*.png"))) == 2


def test_folder(tmp_path):
    (tmp_path / "in").mkdir()
    for number in (1, 2):
        (tmp_path / "in" / f"{number}.jpg").symlink_to(DATA / f"scene_00{number}.jpg")
    assert "2 done, 0 failed" in run("folder.py", ["in", "out", "bus", *BOTH], tmp_path)
    assert "2 done, 0 failed" in run("folder.py", ["in", "out", "bus", "--resume", *BOTH], tmp_path)


def test_threads(tmp_path):
    said = run("threads.py", ["bus", SCENE, SCENE, "--detector", "demo"], tmp_path)
    assert said.splitlines()[-1] == "altogether 2"


def test_guide(tmp_path, film):
    models = ["--owl-model", "demo", "--sam-model", "demo", "--vjepa2-model", "demo"]
    said = run("guide.py", [film, "out", "banana", "turtle", *models], tmp_path)
    assert said.startswith("12 frames") and (tmp_path / "out" / "results.jsonl").is_file()
