"""Detector, Segmenter, Tracker, KeyFrames and find(): what they give, from every kind of input."""

import json
import pickle
import sys

import numpy as np
import pytest
import sowlv2
from conftest import DATA

TRUTH = {image["image"]: image for image in json.loads((DATA / "truth.json").read_text())["images"]}


def test_version_is_the_librarys():
    from sowlv2._library import ffi, lib

    assert ffi.string(lib.sowlv2_version()).decode() == sowlv2.__version__


def test_find(scene, words, detector, segmenter):
    found = sowlv2.find(scene, words, detector=detector, segmenter=segmenter)
    assert sorted(found.labels) == sorted({item["noun"] for item in TRUTH["scene_001.jpg"]["objects"]})
    assert found.boxes.shape == (4, 4) and found.boxes.dtype == np.float32
    assert found.scores.shape == (4,) and (found.scores > 0.1).all()
    assert found.prompt_indices.dtype == np.int32
    assert len(found.masks) == 4 and found.image.shape == (480, 640, 3)
    owners = sowlv2.decode(DATA / "truth" / "scene_001_owners.png")[:, :, 0]
    overlaps = []
    for item in found:
        value = next(each["value"] for each in TRUTH["scene_001.jpg"]["objects"] if each["noun"] == item.label)
        truth = sowlv2.Mask.from_array(owners == value)
        overlaps.append(item.mask.iou(truth))
        assert item.mask.array.sum() == item.mask.area
    assert np.mean(overlaps) > 0.6 and min(overlaps) > 0.3  # what this small model can


def test_results_are_views(scene, words, detector, segmenter):
    found = sowlv2.find(scene, words, detector=detector, segmenter=segmenter)
    boxes = found.boxes
    assert boxes.base is not None and not boxes.flags.owndata
    runs = found.masks[0].runs
    assert not runs.flags.owndata and runs.sum() == 640 * 480
    expected = boxes.copy(), runs.copy()
    del found  # views keep what they are of
    for _ in range(20):
        sowlv2.find(scene, words, detector=detector, segmenter=segmenter)
    assert np.array_equal(boxes, expected[0]) and np.array_equal(runs, expected[1])


def test_a_contiguous_array_is_not_copied():
    from sowlv2._images import picture_of

    pixels = np.zeros((8, 10, 3), np.uint8)
    assert picture_of(pixels).pixels is pixels
    crop = pixels[2:6, 3:9]  # rows that are apart are walked
    assert picture_of(crop).pixels is crop
    assert picture_of(pixels[:, ::-1]).pixels.flags.owndata
    read_only = pixels.copy()
    read_only.flags.writeable = False
    assert picture_of(read_only).pixels is read_only


class OnlyArray:
    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return self._array


class OnlyDlpack:
    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


def test_inputs(scene, words, detector):
    pixels = sowlv2.decode(scene)
    expected = detector.detect(pixels, words)
    assert len(expected) == 4
    from pathlib import Path

    data = Path(scene).read_bytes()
    padded = np.zeros((480, 700, 3), np.uint8)
    padded[:, :640] = pixels
    rgba = np.dstack([pixels, np.full((480, 640), 7, np.uint8)])
    same = [scene, Path(scene), data, bytearray(data), memoryview(data), OnlyArray(pixels), OnlyDlpack(pixels),
            padded[:, :640], np.asfortranarray(pixels), rgba, pixels[::-1][::-1]]  # fmt: skip
    for image in same:
        found = detector.detect(image, words)
        assert np.array_equal(found.boxes, expected.boxes), type(image)
        assert np.array_equal(found.scores, expected.scores)
    grey = detector.detect(pixels[:, :, 0], words)
    assert np.array_equal(grey.boxes, detector.detect(np.repeat(pixels[:, :, :1], 3, axis=2), words).boxes)


def test_pil(scene, words, detector):
    Image = pytest.importorskip("PIL.Image")
    pixels = sowlv2.decode(scene)
    expected = detector.detect(pixels, words)
    image = Image.fromarray(pixels)
    assert np.array_equal(detector.detect(image, words).boxes, expected.boxes)
    assert np.array_equal(detector.detect(image.convert("RGBA"), words).boxes, expected.boxes)
    grey = image.convert("L")
    assert np.array_equal(detector.detect(grey, words).boxes, detector.detect(grey.convert("RGB"), words).boxes)


def test_a_batch_is_the_same_as_one_by_one(words, detector, segmenter):
    paths = [str(DATA / f"scene_00{number}.jpg") for number in (1, 2, 3)]
    batch = sowlv2.find(paths, words, detector=detector, segmenter=segmenter)
    assert isinstance(batch, list) and len(batch) == 3
    for path, found in zip(paths, batch):
        alone = sowlv2.find(path, words, detector=detector, segmenter=segmenter)
        assert np.allclose(found.boxes, alone.boxes, atol=0.05) and found.labels == alone.labels
    stack = np.stack([sowlv2.decode(paths[0])] * 2)
    assert len(detector.detect(stack, words)) == 2


def test_prompts_of_their_own(detector):
    paths = [str(DATA / "scene_001.jpg"), str(DATA / "scene_003.jpg")]
    own = [detector.encode(["bus", "fox"]), detector.encode("airplane")]
    found = detector.detect(paths, own)
    assert sorted(found[0].labels) == ["bus", "fox"] and found[1].labels == ["airplane"]
    assert detector.encode(["bus", "fox"])._c is own[0]._c  # remembered
    cut = sowlv2.find(paths, own, detector=detector, segmenter="demo")
    assert [one.labels for one in cut] == [one.labels for one in found]


def test_detect_options(scene, words, detector):
    assert len(detector.detect(scene, words, threshold=0.95)) < 4
    assert (detector.detect(scene, words, objectness=True).objectness >= 0).all()
    assert (detector.detect(scene, words).objectness == -1).all()
    assert detector.image_size > 0 and detector.tokenize("a cat").dtype == np.int32
    assert len(detector.detect(scene, "bus", template="a drawing of {}")) <= 1
    assert len(sowlv2.find(scene, words, masks=False, detector=detector)) == 4


def test_indexing(scene, words, detector, segmenter):
    found = sowlv2.find(scene, words, detector=detector, segmenter=segmenter)
    best = found.sorted()
    assert (np.diff(best.scores) <= 0).all() and best.labels[0] == best[0].label
    sure = found[found.scores > 0.95]
    assert len(sure) == len(sure.masks) == int((found.scores > 0.95).sum())
    assert len(found[1:3]) == 2 and found[-1].label == found.labels[-1]
    with pytest.raises(IndexError):
        found[9]


def test_masks(scene, segmenter):
    masks = segmenter.segment(scene, boxes=[[259, 269, 448, 416], [10, 10, 100, 100]])
    assert len(masks) == 2 and masks.to_array().shape == (2, 480, 640)
    mask = masks[0]
    assert mask.logits is None and mask.array.dtype == np.bool_
    assert segmenter.segment(scene, boxes=[259, 269, 448, 416], pixels=True)[0].array.sum() == mask.area
    with_logits = segmenter.segment(scene, boxes=[259, 269, 448, 416], return_logits=True)[0]
    assert with_logits.logits.shape == (segmenter.mask_side,) * 2
    again = segmenter.segment(scene, boxes=[259, 269, 448, 416], logits=[with_logits.logits])[0]
    assert again.iou(mask) > 0.5
    rle = mask.rle()
    assert rle["size"] == [480, 640] and isinstance(rle["counts"], str)
    x0, y0, x1, y1 = mask.box.astype(int)
    assert mask.array[y0:y1, x0:x1].sum() == mask.area
    assert np.array_equal(sowlv2.Mask.from_runs(mask.runs, 640, 480).array, mask.array)


def fill(polygons, shape):
    """The pixels inside by the even-odd rule: crossings of the row's middle at the left of each pixel."""
    inside = np.zeros(shape, np.int64)
    for polygon in polygons:
        for (xa, ya), (xb, yb) in zip(polygon, np.roll(polygon, -1, axis=0)):
            assert xa == xb or ya == yb
            if xa == xb:
                inside[min(ya, yb) : max(ya, yb), xa:] += 1
    return inside % 2 == 1


@pytest.mark.parametrize("seed", range(12))
def test_polygons_give_the_mask_back(seed):
    random = np.random.default_rng(seed)
    array = random.random((17, 23)) < (0.1 + 0.07 * seed)
    if seed % 3 == 0:
        array = np.kron(array[:6, :8], np.ones((3, 3), bool))
    mask = sowlv2.Mask.from_array(array)
    assert np.array_equal(mask.array, array) and mask.area == array.sum()
    polygons = mask.polygons()
    assert np.array_equal(fill(polygons, array.shape), array)
    for polygon in polygons:  # no point lies on a straight edge
        steps = np.roll(polygon, -1, axis=0) - polygon
        assert ((steps[:, 0] == 0) != (np.roll(steps, -1, axis=0)[:, 0] == 0)).all()


def test_a_rectangles_polygon():
    array = np.zeros((9, 9), bool)
    array[2:5, 3:8] = True
    (polygon,) = sowlv2.Mask.from_array(array).polygons()
    assert {tuple(point) for point in polygon.tolist()} == {(3, 2), (8, 2), (8, 5), (3, 5)}
    assert sowlv2.Mask.from_array(np.zeros((4, 4))).polygons() == []


def test_points(scene, segmenter):
    with segmenter.image(scene) as image:
        box = image.segment(boxes=[259, 269, 448, 416])[0]
        point = image.segment(points=[[354, 340], [10, 10]], labels=[1, 0])
        assert len(point) == 1 and point[0].area > 0
        both = image.segment(boxes=[[259, 269, 448, 416]], points=[[[354, 340]]])
        assert both[0].iou(box) > 0.5
        assert len(image.segment(points=[[[354, 340]], [[20, 20], [30, 30]]])) == 2
    with pytest.raises(ValueError, match="closed"):
        image.segment(boxes=[0, 0, 10, 10])


def test_objects_of_detections(scene, words, detector, segmenter):
    boxes = detector.detect(scene, words)
    assert boxes.masks is None
    found = segmenter.objects(boxes)
    whole = sowlv2.find(scene, words, detector=detector, segmenter=segmenter)
    assert found.labels == whole.labels
    assert all(a.mask.iou(b.mask) > 0.99 for a, b in zip(found, whole))


def test_coco_and_pictures(scene, words, detector, segmenter, tmp_path):
    found = sowlv2.find(scene, words, detector=detector, segmenter=segmenter)
    rows = found.to_coco(image_id=7)
    assert len(json.loads(json.dumps(rows))) == 4
    assert rows[0]["image_id"] == 7 and rows[0]["category_id"] == found.prompt_indices[0] + 1
    x, y, width, height = rows[0]["bbox"]
    assert np.allclose([x, y, x + width, y + height], found.boxes[0])
    assert found.to_coco(category_ids={word: 50 + i for i, word in enumerate(words)})[0]["category_id"] >= 50
    picture = found.plot()
    assert picture.shape == found.image.shape and (picture != found.image).any()
    png = found._repr_png_()
    assert np.array_equal(sowlv2.decode(png), picture)  # by the library's own decoder
    assert "bus" in repr(found)


def test_supervision(scene, words, detector, segmenter):
    pytest.importorskip("supervision")
    found = sowlv2.find(scene, words, detector=detector, segmenter=segmenter).to_supervision()
    assert len(found) == 4 and found.mask.shape == (4, 480, 640)


def test_tracking(frames, segmenter):
    with sowlv2.Tracker(segmenter) as tracker:
        tracker.frame(frames[0])
        number = tracker.add(box=[59, 37, 190, 164], label="banana")
        first = tracker.run()
        assert first.objects.tolist() == [number] and first[0].prompted and first[0].label == "banana"
        for image in frames[1:6]:
            tracks = tracker.track(image)
            assert tracks[0].visible and not tracks[0].prompted
            assert tracks.boxes.shape == (1, 4) and tracks[0].pointer.size > 0
        assert tracker.frame_number == 5 and tracks.masks[0].iou(first.masks[0]) > 0.3
        other = tracker.add(mask=tracker.segment(boxes=[[65, 187, 186, 283]])[0], label="turtle")
        assert tracker.run().objects.tolist() == [number, other]
        tracker.remove(number)
        assert tracker.track(frames[6]).objects.tolist() == [other]
        assert tracks._repr_png_()[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="closed"):
        tracker.track(frames[0])


def test_tracking_what_was_detected(frames, words, detector, segmenter):
    found = detector.detect(frames[4], ["banana", "turtle"])
    tracker = sowlv2.Tracker(segmenter, keep_frames=2)
    tracker.frame(frames[4], 4)
    assert len(tracker.add_all(found)) == len(found) > 0
    assert [track.label for track in tracker.run()] == found.labels
    tracker.track(frames[5], 5)
    tracker.back(4)
    assert len(tracker.run()) == len(found)


def test_key_frames_of_a_video(clip, key_frames, tmp_path):
    told = []
    report = key_frames.choose(
        clip, 4, progress=lambda done, total, what: told.append(done), scores=tmp_path / "s.csv", plot=tmp_path / "p.png"
    )
    assert len(report.chosen) == 4 and (np.diff(report.chosen) > 0).all()
    assert report.scores.min() == 0 and report.scores.max() == 1 and told[-1] == len(report)
    assert (tmp_path / "s.csv").is_file() and (tmp_path / "p.png").is_file() and report.failure is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no seccomp")
def test_key_frames_of_an_isolated_video(clip, frames, key_frames):
    report = key_frames.choose(clip, 4, end=1.0)
    isolated = key_frames.choose(clip, 4, end=1.0, isolate=True)
    assert np.array_equal(isolated.scores, report.scores) and np.array_equal(isolated.chosen, report.chosen)
    with pytest.raises(TypeError, match="isolate"):
        key_frames.choose(frames, 4, isolate=True)


def test_key_frames_from_memory(frames, key_frames):
    kept = []
    report = key_frames.score(iter(frames), 3, frame_rate=10, on_features=kept.append, pooled=True, importance="change")
    assert len(report) == len(frames) and len(report.chosen) == 3
    assert np.allclose(report.times, np.arange(len(frames)) / 10)
    assert kept[0].values.shape[1] == key_frames.width and kept[0].frames == key_frames.frames_per_clip
    assert np.array_equal(key_frames.choose(frames, 3, importance="change").chosen, report.chosen)
    if key_frames.labels:
        labelled = key_frames.score(frames, 3, classify=True)
        assert labelled.clips[0].labels[0][0] in key_frames.labels
    features = key_frames.features(frames)
    assert features[0].values.shape[0] > kept[0].values.shape[0]


def test_selecting():
    scores = np.zeros(100, np.float32)
    scores[[3, 50, 97]] = [0.5, 1, 0.7]
    assert sowlv2.select_frames(scores, 3).tolist() == [3, 50, 97]
    assert sowlv2.select_frames(scores, 1).tolist() == [50]
    assert sowlv2.select_frames([], 3).tolist() == []
    assert sowlv2.uniform_frames(100, 4).tolist() == [12, 37, 62, 87]


def test_pickle(scene, words, detector, segmenter, key_frames):
    found = sowlv2.find(scene, words, detector=detector, segmenter=segmenter)
    again = pickle.loads(pickle.dumps(found))
    assert np.array_equal(again.boxes, found.boxes) and again.labels == found.labels
    assert all(np.array_equal(a.array, b.array) for a, b in zip(again.masks, found.masks))
    for model in (detector, segmenter, key_frames):
        assert pickle.loads(pickle.dumps(model)).name == model.name
    reopened = pickle.loads(pickle.dumps(detector))
    assert np.array_equal(reopened.detect(scene, words).boxes, detector.detect(scene, words).boxes)
    prompts = pickle.loads(pickle.dumps(detector.encode(words)))
    assert list(prompts.texts) == words
    assert pickle.loads(pickle.dumps(sowlv2.Tracker(segmenter))).segmenter.name == "demo"


def test_closing(scene, words):
    with sowlv2.Detector("demo") as model:
        prompts = model.encode(words)
        found = model.detect(scene, prompts)
    assert model.closed and "closed" in repr(model)
    with pytest.raises(ValueError, match="closed"):
        model.detect(scene, words)
    with pytest.raises(ValueError, match="closed"):
        pickle.dumps(model)
    assert found.labels and len(found.boxes) == 4  # results outlive it


def test_devices_and_models(detector):
    assert any(entry.name == "cpu" for entry in sowlv2.devices())
    device = sowlv2.Device("cpu", threads=1)
    assert device.threads == 1 and device.name == "cpu" and device.memory()[0] > 0
    model = sowlv2.Detector("demo", device=device)
    assert model.device is device and pickle.loads(pickle.dumps(device)).threads == 1
    assert {item.task for item in sowlv2.models() if item.id == "demo"} == {
        "detection",
        "segmentation",
        "key frames",
    }
