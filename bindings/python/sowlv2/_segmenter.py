"""Cutting out what a box or points name: SAM 2.1."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Sequence, Tuple

import numpy as np

from ._images import ImageLike, c_images, picture_of
from ._library import Callbacks, call, ffi, get, lib, tick
from ._model import Model
from ._options import make
from ._results import Detections, masks_of, objects_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ._images import Picture
    from ._masks import Masks


def floats(values: "ArrayLike", what: str, width: int) -> "NDArray[np.float32]":
    """Numbers as float32 [n, width], contiguous."""
    try:
        array = np.asarray(values, np.float32)
    except (TypeError, ValueError):
        raise TypeError(f"{what}: numbers are needed") from None
    if array.size == 0:
        array = array.reshape(0, width)
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or array.shape[1] != width:
        raise ValueError(f"{what}: the shape is {np.shape(values)}, [n, {width}] is needed")
    return np.ascontiguousarray(array)


def float_pointer(array: "NDArray[np.float32]", row: int = 0) -> Any:
    return ffi.cast("const float *", array.__array_interface__["data"][0] + row * array.strides[0])


class Marks:
    """What is to be cut out, as an array of C structs: boxes, points, or points of each box."""

    def __init__(
        self,
        boxes: "Optional[ArrayLike]" = None,
        points: "Optional[Sequence[ArrayLike]]" = None,
        labels: "Optional[Sequence[ArrayLike]]" = None,
        logits: "Optional[Sequence[Any]]" = None,
    ) -> None:
        self.boxes = None if boxes is None else floats(boxes, "boxes", 4)
        self.points = None if points is None else [floats(each, "points", 2) for each in _groups(points)]
        self.labels: "Optional[List[NDArray[np.int32]]]" = None
        if labels is not None:
            if self.points is None:
                raise ValueError("labels: there are no points that they could be of")
            groups = [labels] if np.ndim(labels[0]) == 0 else labels
            self.labels = [np.ascontiguousarray(each, np.int32) for each in groups]
            if [len(each) for each in self.labels] != [len(each) for each in self.points]:
                raise ValueError("labels: one for each point is needed")
        self.logits = None if logits is None else [np.ascontiguousarray(each, np.float32) for each in logits]
        counts = {len(each) for each in (self.boxes, self.points, self.logits) if each is not None}
        if not counts:
            raise ValueError("say what to cut out: boxes or points")
        if len(counts) > 1:
            raise ValueError("boxes, points and logits: as many of one as of another are needed, one for each mask")
        self.count = counts.pop()
        self.c = ffi.new("struct sowlv2_segment_prompt[]", max(self.count, 1))
        for index in range(self.count):
            self._fill(self.c[index], index)

    def _fill(self, target: Any, index: int) -> None:
        if self.boxes is not None:
            target.box = float_pointer(self.boxes, index)
        if self.points is not None:
            target.points = float_pointer(self.points[index])
            target.point_count = len(self.points[index])
        if self.labels is not None:
            target.labels = ffi.cast("const int32_t *", self.labels[index].__array_interface__["data"][0])
        if self.logits is not None:
            target.logits = float_pointer(self.logits[index])
            target.logits_side = self.logits[index].shape[0]


def _groups(points: Any) -> List[Any]:
    """Points of several masks; points of one alone are [n, 2] or one x, y."""
    try:
        depth = np.asarray(points, np.float32).ndim
    except (TypeError, ValueError):
        return list(points)  # of several, not as many of each
    return list(points) if depth == 3 else [points]


class SegmentSession:
    """One image, encoded once, of which any number of things are cut out: see Segmenter.image().

    Threads that share one wait for each other.
    """

    def __init__(self, segmenter: "Segmenter", picture: "Picture", c: Any) -> None:
        self._segmenter = segmenter
        self._picture = picture
        self._c = c
        self._lock = threading.Lock()

    def segment(
        self,
        boxes: "Optional[ArrayLike]" = None,
        points: "Optional[Sequence[ArrayLike]]" = None,
        labels: "Optional[Sequence[ArrayLike]]" = None,
        *,
        logits: "Optional[Sequence[Any]]" = None,
        multimask: bool = False,
        mask_threshold: float = 0.0,
        fill_holes: int = 0,
        remove_sprinkles: int = 0,
        refine: bool = False,
        pixels: bool = False,
        return_logits: bool = False,
        progress: Optional[Callable[[int, int], object]] = None,
    ) -> "Masks":
        """As Segmenter.segment(), of this image: the decoder alone is computed."""
        if self._c is None:
            raise ValueError("SegmentSession: it is closed")
        marks = Marks(boxes, points, labels, logits)
        callbacks = Callbacks()
        options, _keep = make(
            "sowlv2_segment_options",
            {
                "multimask": multimask,
                "mask_threshold": mask_threshold,
                "fill_holes": fill_holes,
                "remove_sprinkles": remove_sprinkles,
                "refine": refine,
                "pixels": pixels,
                "logits": return_logits,
                "progress": tick(callbacks, progress),
            },
        )
        out = ffi.new("struct sowlv2_mask[]", max(marks.count, 1))
        if marks.count > 0:
            with self._lock:
                callbacks.run(lib.sowlv2_segment, self._c, marks.c, marks.count, options, out)
        return masks_of(out, marks.count)

    def close(self) -> None:
        self._c = None

    def __enter__(self) -> "SegmentSession":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SegmentSession({self._picture.width} x {self._picture.height})"


class Segmenter(Model):
    """A SAM 2 or 2.1 model: cuts out what a box or points name.

        segmenter = sowlv2.Segmenter()
        masks = segmenter.segment("photo.jpg", boxes=[[40, 60, 380, 420]])
        masks[0].array, masks[0].rle(), masks[0].polygons()

    Any number of threads may use one at once.
    """

    _open, _free, _kind = "sowlv2_segmenter_open", "sowlv2_segmenter_free", "sowlv2_segmenter *"
    _init = "sowlv2_segmenter_options_init"
    _session_create, _session_free = "sowlv2_segment_session_create", "sowlv2_segment_session_free"
    _session_kind = "sowlv2_segment_session *"

    @property
    def mask_side(self) -> int:
        """Side of the square low-resolution masks that the decoder gives and takes."""
        return int(get(lib.sowlv2_segmenter_mask_side, self._handle()))

    def image(self, image: ImageLike, *, progress: Optional[Callable[[int, int], object]] = None) -> SegmentSession:
        """Encodes an image, the costly part, for any number of segment() calls on what it gives."""
        picture = picture_of(image)
        session = self._new_session(self._handle())
        self._encode(session, picture, progress)
        return SegmentSession(self, picture, session)

    def _encode(self, session: Any, picture: "Picture", progress: Optional[Callable[[int, int], object]]) -> None:
        callbacks = Callbacks()
        options, _keep = make("sowlv2_segment_options", {"progress": tick(callbacks, progress)})
        callbacks.run(lib.sowlv2_segment_set_image, session, c_images([picture]), options)

    def segment(
        self,
        image: ImageLike,
        boxes: "Optional[ArrayLike]" = None,
        points: "Optional[Sequence[ArrayLike]]" = None,
        labels: "Optional[Sequence[ArrayLike]]" = None,
        **options: Any,
    ) -> "Masks":
        """Cuts out what boxes or points name: a mask for each.

        boxes              [n, 4]: x0, y0, x1, y1 in pixels
        points             of n masks, each [k, 2]: x, y in pixels; [k, 2] alone: of one mask
        labels             of each point: 1 of the object, 0 not of it; else all are 1
        logits             of n masks, those of an earlier result, to go on from
        multimask          let the decoder make several masks and keep the best
        mask_threshold     logits over this are the object
        fill_holes, remove_sprinkles   holes and parts of at most so many pixels of the low-resolution mask
        refine             decode twice, the first mask fed back
        pixels             have the library make all pixels at once: faster where all are looked at
        return_logits      keep the decoder's logits
        progress           given steps done and all steps; stops the call by giving False
        """
        picture = picture_of(image)
        with self._session() as session:
            self._encode(session, picture, options.get("progress"))
            return SegmentSession(self, picture, session).segment(boxes, points, labels, **options)

    def objects(self, found: Detections, *, image: "Optional[ImageLike]" = None, **options: Any) -> Detections:
        """The same detections with the mask of each, cut out by its box.

        image   the image they are of, where the result does not hold it
        """
        picture = found._picture if image is None else picture_of(image)
        if picture is None:
            raise ValueError("objects: these results do not hold their image: give it")
        items = ffi.new("struct sowlv2_detection[]", max(len(found), 1))
        for index, item in enumerate(found):
            items[index].box = item.box
            items[index].score, items[index].objectness = item.score, item.objectness
            items[index].prompt = item.prompt_index
        out = ffi.new("struct sowlv2_objects *")
        if len(found) > 0:
            with self._session() as session:
                self._encode(session, picture, options.get("progress"))
                find, _keep = find_options({}, options, {})
                call(lib.sowlv2_segment_objects, session, items, ffi.NULL, len(found), find, out)
        return objects_of(out[0], found.prompts, picture)


def find_options(detect: "dict[str, Any]", segment: "dict[str, Any]", find: "dict[str, Any]") -> Tuple[Any, List[Any]]:
    """A struct sowlv2_find_options. Masks are made into pixels when they are asked for, unless `pixels` says so."""
    segment = {"pixels": False, "logits": False, **segment}
    if "return_logits" in segment:
        segment["logits"] = segment.pop("return_logits")
    segment["progress"] = segment.pop("c_progress", None)  # the caller's own is the encoder's
    detect_c, detect_keep = make("sowlv2_detect_options", detect)
    segment_c, segment_keep = make("sowlv2_segment_options", segment)
    options, keep = make("sowlv2_find_options", {**find, "detect": detect_c, "segment": segment_c})
    return options, keep + detect_keep + segment_keep
