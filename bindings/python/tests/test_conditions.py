"""What goes wrong, threads, processes, signals, memory."""

import asyncio
import gc
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import sowlv2
from conftest import DATA

# ---- wrong input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "image, kind, words",
    [
        (5, TypeError, "int"),
        (None, TypeError, "NoneType"),
        (np.zeros((4, 4, 3), np.float32), TypeError, "float32"),
        (np.zeros((4, 4, 3), bool), TypeError, "bool"),
        (np.zeros((3, 40, 50), np.uint8), ValueError, "transpose"),
        (np.zeros((4, 4, 2), np.uint8), ValueError, "shape"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, "empty"),
        (np.zeros(12, np.uint8), ValueError, "shape"),
        (b"", ValueError, "empty|0 bytes"),
        (b"no picture at all", sowlv2.UnsupportedError, "image"),
        ("no such.jpg", FileNotFoundError, "no such.jpg"),
        ("nul\0.jpg", ValueError, "NUL"),
    ],
)
def test_wrong_images(detector, image, kind, words):
    with pytest.raises(kind, match=words):
        detector.detect(image, "cat")


def test_wrong_prompts(detector, scene):
    for prompts, kind in (([], ValueError), (None, TypeError), (5, TypeError), ([5], TypeError), (b"cat", TypeError),
                          ("a\0b", ValueError), ("\ud800", ValueError)):  # fmt: skip
        with pytest.raises(kind):
            detector.detect(scene, prompts)
    assert detector.detect([], "cat") == []
    with pytest.raises(ValueError, match="template|{}"):
        detector.detect(scene, "cat", template="no place")
    other = sowlv2.Detector("demo").encode("cat")
    with pytest.raises(ValueError, match="another"):
        detector.detect(scene, other)
    with pytest.raises(ValueError, match="another"):
        sowlv2.find(scene, other, detector=detector, segmenter="demo")
    with pytest.raises(ValueError, match="1 for 2"):
        detector.detect([scene, scene], [detector.encode("cat")])


def test_wrong_numbers(detector, segmenter, scene):
    with pytest.raises(TypeError, match="threshold"):
        detector.detect(scene, "cat", threshold="high")
    with pytest.raises(TypeError):
        detector.detect(scene, "cat", treshold=0.5)
    for boxes in ([5, 5, 5, 9], [9, 9, 1, 1], [1, 2, 3], [[float("nan"), 0, 5, 5]], [1000, 1000, 1010, 1010]):
        with pytest.raises(ValueError):
            segmenter.segment(scene, boxes=boxes)
    with pytest.raises(TypeError, match="numbers"):
        segmenter.segment(scene, boxes="all")
    with pytest.raises(ValueError, match="boxes or points"):
        segmenter.segment(scene)
    with pytest.raises(ValueError):
        segmenter.segment(scene, points=[[1, 1]], labels=[1, 0])
    with pytest.raises(TypeError, match="no such option"):
        sowlv2.find(scene, "cat", detector=detector, segmenter=segmenter, sharpness=1)
    with pytest.raises(ValueError, match="range"):
        segmenter.segment(scene, boxes=[1, 2, 30, 40], fill_holes=2**40)


def test_wrong_models(tmp_path, scene):
    with pytest.raises(sowlv2.ModelError, match="nowhere"):
        sowlv2.Detector(tmp_path / "nowhere")
    with pytest.raises(sowlv2.ModelError):
        sowlv2.Detector("org/never-downloaded", offline=True)
    with pytest.raises(sowlv2.ModelError):
        sowlv2.Detector(DATA.parents[1] / "models" / "demo" / "sam2")
    with pytest.raises(TypeError, match="Segmenter"):
        sowlv2.find(scene, "cat", detector="demo", segmenter=sowlv2.Detector("demo"))
    with pytest.raises((ValueError, sowlv2.UnsupportedError), match="tpu"):
        sowlv2.Detector("demo", device="tpu")
    with pytest.raises(TypeError, match="device"):
        sowlv2.Detector("demo", device=3)
    error = sowlv2.OutOfMemoryError("out of memory")
    assert isinstance(error, MemoryError) and isinstance(error, RuntimeError)


def test_paths_with_any_characters(tmp_path, detector, scene):
    data = open(scene, "rb").read()
    for name in ("a b.jpg", "\u732b.jpg", "100%s {}.jpg", "\udcff.jpg", "-x.jpg"):
        path = tmp_path / name
        path.write_bytes(data)
        assert len(detector.detect(path, ["bus", "fox"])) == 2
    with pytest.raises(OSError):
        detector.detect(tmp_path, "cat")


def test_a_wrong_stack_of_masks():
    with pytest.raises(ValueError, match="add up"):
        sowlv2.Mask.from_runs(np.array([3, 4], np.uint32), 5, 5)
    with pytest.raises(ValueError, match="shape"):
        sowlv2.Mask.from_array(np.zeros(4))


def test_exceptions_in_callbacks(detector, scene, words):
    def fail(done, total):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        detector.detect(scene, words, progress=fail)
    with pytest.raises(sowlv2.CancelledError):
        detector.detect(scene, words, progress=lambda done, total: False)
    steps = []
    assert len(detector.detect(scene, words, progress=lambda done, total: steps.append((done, total)))) == 4
    assert steps[-1][0] <= steps[-1][1]


def test_notices_go_to_logging(detector, caplog):
    with caplog.at_level(logging.DEBUG, "sowlv2"):
        detector.encode("cat " * 60)
    assert any(record.name == "sowlv2" and record.levelno >= logging.INFO for record in caplog.records)


# ---- threads ------------------------------------------------------------------------------------


def test_four_threads_share_one_model(detector, segmenter, words):
    paths = [str(DATA / f"scene_00{number}.jpg") for number in (1, 2, 3, 5, 6, 7)]

    def find(path):
        return sowlv2.find(path, words + ["cat", "car"], detector=detector, segmenter=segmenter)

    alone = [find(path) for path in paths]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(find, paths * 3))
    for index, found in enumerate(together):
        expected = alone[index % len(paths)]
        assert np.array_equal(found.boxes, expected.boxes) and found.labels == expected.labels
        assert all(np.array_equal(a.array, b.array) for a, b in zip(found.masks, expected.masks))


def test_closing_while_others_compute(scene, words):
    model = sowlv2.Detector("demo")

    def work():
        try:
            for _ in range(20):
                assert len(model.detect(scene, words)) == 4
        except ValueError as error:
            assert "closed" in str(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    model.close()
    for thread in threads:
        thread.join()


def test_the_gil_is_released(scene, detector):
    counted = [0]
    done = threading.Event()

    def count():
        while not done.is_set():
            counted[0] += 1
            time.sleep(0.0005)

    counter = threading.Thread(target=count)
    counter.start()
    before = counted[0]
    for _ in range(5):
        detector.detect([scene] * 4, "cat")
    done.set()
    counter.join()
    assert counted[0] > before + 3


def test_async(scene, words, detector):
    async def work():
        return await asyncio.gather(*(asyncio.to_thread(detector.detect, scene, words) for _ in range(3)))

    assert [len(found) for found in asyncio.run(work())] == [4, 4, 4]


# ---- processes and signals ----------------------------------------------------------------------


def script(text, **environment):
    return subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )


def test_fork_after_a_model_was_opened_is_an_error(scene):
    done = script(f"""
import os, sowlv2
detector = sowlv2.Detector("demo")
detector.detect({scene!r}, "bus")
child = os.fork()
if child == 0:
    try:
        detector.detect({scene!r}, "bus")
    except sowlv2.UnsupportedError as error:
        assert "spawn" in str(error)
        os._exit(7)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert len(detector.detect({scene!r}, "bus")) == 1
""")
    assert done.returncode == 0, done.stderr


def test_fork_after_the_import_works(scene):
    done = script(f"""
import os, sowlv2
sowlv2.decode({scene!r})
child = os.fork()
if child == 0:
    os._exit(len(sowlv2.Detector("demo").detect({scene!r}, "bus")) + 6)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
""")
    assert done.returncode == 0, done.stderr


def detect_elsewhere(arguments):
    detector, path, words = arguments
    return detector.detect(path, words)


def test_a_model_goes_to_another_process(scene, words, detector):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (found,) = pool.map(detect_elsewhere, [(detector, scene, words)])
    assert np.array_equal(found.boxes, detector.detect(scene, words).boxes)


@pytest.mark.parametrize("call", ["detector.detect([scene] * 16, words)", "job()", "tracked()"])
def test_ctrl_c(scene, clip, call):
    done = script(f"""
import os, signal, sys, threading, time, sowlv2
scene, clip, words = {scene!r}, {clip!r}, ["bus", "fox", "turtle", "banana"]
detector, segmenter = sowlv2.Detector("demo"), sowlv2.Segmenter("demo")
def job():
    sowlv2.run([clip] * 20, words, on_frame=lambda frame: None, detector=detector, segmenter=segmenter)
def tracked():
    for frame in sowlv2.track(clip, words, detector=detector, segmenter=segmenter):
        pass
def interrupt():
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
began = time.monotonic()
try:
    while time.monotonic() < began + 30:
        {call}
except KeyboardInterrupt:
    print("interrupted after", time.monotonic() - began)
    sys.exit(0 if time.monotonic() < began + 10 else 2)
sys.exit(1)
""")
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)


def test_torch_in_the_same_process(scene, words):
    pytest.importorskip("torch")
    for order in ("torch, sowlv2", "sowlv2, torch"):
        done = script(f"""
import {order}
a = torch.randn(300, 300)
detector = sowlv2.Detector("demo")
for _ in range(3):
    assert len(detector.detect({scene!r}, {words!r})) == 4
    assert torch.isfinite(a @ a).all()
assert len(detector.detect(torch.from_numpy(sowlv2.decode({scene!r})), {words!r})) == 4
""")
        assert done.returncode == 0, done.stderr


def test_the_library_that_is_not_there(tmp_path):
    done = script("import sowlv2; sowlv2.devices()", SOWLV2_LIBRARY=str(tmp_path / "none.so"))
    assert done.returncode == 1 and "none.so is not there" in done.stderr and "ImportError" in done.stderr


def test_garbage_in_cycles_is_freed_in_order(scene):
    done = script(f"""
import gc, sowlv2
class Holder: pass
for _ in range(5):
    holder = Holder()
    holder.me = holder
    holder.found = sowlv2.find({scene!r}, "bus", detector=sowlv2.Detector("demo"), segmenter=sowlv2.Segmenter("demo"))
    holder.tracker = sowlv2.Tracker("demo")
    holder.tracker.track({scene!r})
    holder.detector = sowlv2.Detector("demo")
    holder.prompts = holder.detector.encode("cat")
    holder.scores = sowlv2.KeyFrames("demo").score([{scene!r}] * 8)
    del holder
    gc.collect()
holder = sowlv2.Detector("demo")
holder.me = holder
holder.found = holder.detect({scene!r}, "bus")
""")
    assert done.returncode == 0, (done.returncode, done.stderr)


# ---- memory -------------------------------------------------------------------------------------


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_memory_stays_flat(detector, segmenter, words):
    pixels = sowlv2.decode(DATA / "scene_001.jpg")
    for index in range(120):
        found = sowlv2.find(pixels, words, detector=detector, segmenter=segmenter)
        if index == 40:
            gc.collect()
            before = resident()
    del found
    gc.collect()
    assert resident() < before * 1.02 + (1 << 20)


def test_large_results_do_not_pile_up(detector):
    signal.alarm(0)
    pixels = np.zeros((480, 640, 3), np.uint8)
    before = None
    for index in range(60):
        sowlv2.decode(DATA / "scene_001.jpg")
        detector.detect(pixels, "cat", threshold=0.0)
        if index == 20:
            before = resident()
    assert resident() < before * 1.02 + (1 << 20)
