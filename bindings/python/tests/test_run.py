"""run() and track(): whole jobs."""

import json
import logging
import sys
import threading

import numpy as np
import pytest
import sowlv2
from conftest import DATA

DEMO = {"detector": "demo", "segmenter": "demo"}


def rows(folder):
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_images_to_a_folder(tmp_path, words):
    parts = []
    report = sowlv2.run(
        [DATA / "scene_001.jpg", DATA / "scene_003.jpg"], words, tmp_path / "out", on_part=parts.append, **DEMO
    )
    assert (report.done, report.failed, report.interrupted) == (2, 0, False)
    assert report.objects == sum(len(row["objects"]) for row in rows(tmp_path / "out"))
    assert parts[0].counts["images"] == 2 and parts[0].seconds["total"] > 0 and not parts[0].is_video
    assert (tmp_path / "out" / "binary" / "frames" / "scene_001_obj1_bus_mask.png").is_file() or report.objects


def test_frames_are_what_find_gives(scene, words, detector, segmenter):
    taken = []
    sowlv2.run(scene, words, on_frame=taken.append, detector=detector, segmenter=segmenter)
    (frame,) = taken
    found = sowlv2.find(scene, words, detector=detector, segmenter=segmenter)
    assert [item.label for item in frame] == found.labels and not frame.is_video
    assert np.array_equal(frame.image, found.image)
    assert np.allclose([item.box for item in frame], found.boxes)
    assert all(np.array_equal(item.mask.array, mask.array) for item, mask in zip(frame, found.masks))
    again = frame.detections()
    assert again.labels == found.labels and len(again.to_coco()) == len(found)
    assert frame._repr_png_()[:4] == b"\x89PNG"


def test_images_from_memory(scene, words):
    pixels = sowlv2.decode(scene)
    taken = []
    report = sowlv2.run(
        [pixels, scene],
        words,
        images={"later": lambda: sowlv2.decode(scene), "bad": np.zeros((4, 4), np.float32)},
        on_frame=taken.append,
        **DEMO,
    )
    assert (report.done, report.failed) == (3, 1)
    assert sorted(frame.input for frame in taken) == ["image_1", "later", "scene_001.jpg"]
    assert len({tuple(item.label for item in frame) for frame in taken}) == 1


def test_one_bad_image_does_not_stop_the_others(tmp_path, scene, words, caplog):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff not a picture")
    with caplog.at_level(logging.INFO, "sowlv2"):
        report = sowlv2.run([bad, scene], words, tmp_path / "out", **DEMO)
    assert (report.done, report.failed) == (1, 1)
    assert "bad.jpg" in caplog.text


def test_resume_goes_on_with_the_same_job(tmp_path, words):
    out = tmp_path / "out"
    sowlv2.run(DATA / "scene_001.jpg", words, out, **DEMO)
    report = sowlv2.run([DATA / "scene_001.jpg", DATA / "scene_003.jpg"], words, out, resume=True, **DEMO)
    assert report.done == 2 and report.parts[0].counts["skipped"] == 1
    assert [row["image"] for row in rows(out)] == ["scene_001.jpg", "scene_003.jpg"]
    with pytest.raises(ValueError, match="cat"):
        sowlv2.run(DATA / "scene_001.jpg", ["cat"], out, resume=True, **DEMO)
    with pytest.raises(ValueError, match="threshold"):
        sowlv2.run(DATA / "scene_001.jpg", words, out, resume=True, threshold=0.5, **DEMO)


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no seccomp")


@linux
def test_isolate_gives_the_same(tmp_path, words, clip):
    """Images, and frames of a video; the same job for resume."""
    given = [DATA / "scene_001.jpg", DATA / "scene_003.jpg"]
    sowlv2.run(given, words, tmp_path / "plain", **DEMO)
    sowlv2.run(given, words, tmp_path / "isolated", isolate=True, **DEMO)
    assert rows(tmp_path / "isolated") == rows(tmp_path / "plain")
    report = sowlv2.run(given, words, tmp_path / "isolated", resume=True, **DEMO)
    assert report.parts[0].counts["skipped"] == 2
    plain, isolated = [], []
    sowlv2.run(clip, "banana", on_frame=plain.append, end=0.4, **DEMO)
    sowlv2.run(clip, "banana", on_frame=isolated.append, end=0.4, isolate=True, **DEMO)
    assert len(isolated) == len(plain) == 6
    assert all(np.array_equal(a.image, b.image) for a, b in zip(plain, isolated))


@linux
def test_isolate_decodes_nothing_here(tmp_path, scene, words, caplog, monkeypatch):
    """What decodes is another process: where that cannot be, nothing is decoded, and it is said."""
    with open(scene, "rb") as file:
        data = file.read()
    taken = []
    with caplog.at_level(logging.INFO, "sowlv2"):
        report = sowlv2.run(
            [sowlv2.decode(scene), data], words, images={"path": scene}, on_frame=taken.append, isolate=True, **DEMO
        )
    assert (report.done, report.failed) == (1, 2) and caplog.text.count("would be decoded by this process") == 2
    assert [frame.input for frame in taken] == ["image_1"]
    with pytest.raises(sowlv2.UnsupportedError, match="would be decoded"):
        list(sowlv2.track(iter([data]), words, isolate=True, **DEMO))
    monkeypatch.setenv("SOWLV2_LIBRARY", str(tmp_path / "lib" / "libsowlv2.so"))
    with pytest.raises(sowlv2.UnsupportedError, match="sowlv2 is not there, which decodes"):
        sowlv2.run(scene, words, tmp_path / "o", isolate=True, **DEMO)
    program = tmp_path / "sowlv2"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o600)  # some installers drop the right
    with pytest.raises(sowlv2.Error, match="decode"):
        sowlv2.run(scene, words, tmp_path / "o", isolate=True, **DEMO)


def test_a_video(tmp_path, clip):
    inputs, told = [], []
    report = sowlv2.run(
        clip,
        ["banana", "turtle"],
        tmp_path / "out",
        on_input_end=lambda name, whole: inputs.append((name, whole)),
        progress=lambda done, total, what: told.append((done, total)),
        films=False,
        pictures="none",
        rle=True,
        end=1.0,
        **DEMO,
    )
    assert report.done == 1 and report.parts[0].counts["frames"] == 15
    assert inputs == [("clip_01.mp4", True)] and max(done for done, _ in told) == 15
    assert len(rows(tmp_path / "out")) == 15 and not (tmp_path / "out" / "video").exists()


def test_marks(tmp_path, clip):
    taken = []
    sowlv2.run(clip, boxes=[[59, 37, 190, 164]], on_frame=taken.append, end=0.4, **DEMO)
    assert len(taken) == 6
    assert all(len(frame) == 1 and frame[0].label == "" and frame[0].prompt_index == -1 for frame in taken)


def test_track_from_a_file_and_from_memory(clip, frames):
    from_file = []
    for frame in sowlv2.track(clip, ["banana", "turtle"], **DEMO):
        from_file.append(frame)
        if len(from_file) == len(frames):
            break  # the job ends with the loop
    given = list(sowlv2.track(iter(frames), ["banana", "turtle"], **DEMO))
    assert len(given) == len(frames)
    assert [frame.number for frame in given] == list(range(1, len(frames) + 1))
    assert np.array_equal(given[3].image, frames[3])
    assert {item.label for item in given[-1]} == {item.label for item in from_file[-1]} == {"banana", "turtle"}


def test_track_tells_what_went_wrong(tmp_path, frames):
    with pytest.raises(FileNotFoundError):
        list(sowlv2.track(tmp_path / "no.mp4", "cat", **DEMO))

    def broken():
        yield frames[0]
        raise LookupError("camera")

    with pytest.raises(LookupError, match="camera"):
        list(sowlv2.track(broken(), "banana", **DEMO))


def test_callbacks_exceptions_come_through(scene, words, tmp_path):
    def fail(frame):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        sowlv2.run(scene, words, on_frame=fail, **DEMO)
    with pytest.raises(ZeroDivisionError):
        sowlv2.run(scene, words, tmp_path / "o", progress=lambda done, total, what: 1 / 0, **DEMO)
    report = sowlv2.run(scene, words, tmp_path / "o", **DEMO)  # the folder is free again
    assert report.done == 1
    with pytest.raises(sowlv2.CancelledError):
        sowlv2.run(scene, words, on_frame=lambda frame: False, **DEMO)


def test_stopping(clip):
    stop = sowlv2.Stop()
    taken = []

    def take(frame):
        taken.append(frame)
        if len(taken) == 3:
            threading.Thread(target=stop.set).start()

    report = sowlv2.run(clip, ["banana"], on_frame=take, stop=stop, **DEMO)
    assert report.interrupted and 3 <= len(taken) <= 60 and stop.is_set()


def test_wrong_options(scene, words, tmp_path):
    with pytest.raises(TypeError, match="did you mean overlays"):
        sowlv2.run(scene, words, tmp_path / "o", overlay=True, **DEMO)
    with pytest.raises(ValueError, match="batch_size"):
        sowlv2.run(scene, words, tmp_path / "o", batch_size=0, **DEMO)
    with pytest.raises(ValueError, match="few, all, none"):
        sowlv2.run(scene, words, tmp_path / "o", pictures="some", **DEMO)
    with pytest.raises(ValueError, match="output|sink"):
        sowlv2.run(scene, words, **DEMO)
    with pytest.raises(ValueError, match="prompts|marks"):
        sowlv2.run(scene, output=tmp_path / "o", **DEMO)
    with pytest.raises(ValueError, match="input"):
        sowlv2.run([], words, tmp_path / "o", **DEMO)
    with pytest.raises(FileNotFoundError, match="nothing.jpg"):
        sowlv2.run(tmp_path / "nothing.jpg", words, tmp_path / "o", **DEMO)


def test_key_frames(clip):
    taken = []
    report = sowlv2.run(
        clip,
        ["banana", "turtle"],
        key_frames=True,
        key_frame_count=3,
        scorer="demo",
        on_frame=taken.append,
        end=1.0,
        **DEMO,
    )
    assert report.done == 1 and len(taken) == 15 and report.parts[0].counts["detected_on"] == 3 and {item.label for item in taken[0]} <= {"banana", "turtle"}


def test_the_end_of_an_object(clip, frames):
    ended = []
    empty = [np.full_like(frames[0], 90)] * 12
    sowlv2.run(
        stream=[*frames[:4], *empty],
        prompts=["banana"],
        lost_after=3,
        on_object_end=lambda name, number: ended.append((name, number)),
        **DEMO,
    )
    assert ended == [("stream", 1)]
