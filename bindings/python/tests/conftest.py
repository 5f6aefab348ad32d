"""Where tests find the library, the demo models and the pictures."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = Path(__file__).resolve().parents[1]

# The installed package, or that of this clone with the library of a build (`make test` sets it).
if os.environ.get("SOWLV2_LIBRARY"):
    sys.path.insert(0, str(PACKAGE))
os.environ.setdefault("SOWLV2_DATA", str(ROOT / "models"))
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import sowlv2  # noqa: E402

DATA = ROOT / "examples" / "data"


@pytest.fixture(scope="session")
def scene():
    """A picture with a bus, a boat, a guitar and a fox."""
    return str(DATA / "scene_001.jpg")


@pytest.fixture(scope="session")
def clip():
    """A video of 60 frames with a banana, a guitar and a turtle."""
    return str(DATA / "clip_01.mp4")


@pytest.fixture(scope="session")
def words():
    return ["bus", "boat", "guitar", "fox"]


@pytest.fixture(scope="session")
def detector():
    return sowlv2.Detector("demo")


@pytest.fixture(scope="session")
def segmenter():
    return sowlv2.Segmenter("demo")


@pytest.fixture(scope="session")
def key_frames():
    return sowlv2.KeyFrames("demo")


@pytest.fixture(scope="session")
def frames(clip, tmp_path_factory):
    """The first frames of the video, as arrays."""
    taken = []

    def take(frame):
        taken.append(frame.image)
        return len(taken) < 16

    with pytest.raises(sowlv2.CancelledError):
        sowlv2.run(clip, "rocket", on_frame=take, detector="demo", segmenter="demo")
    return taken
