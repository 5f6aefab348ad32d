"""Following objects through frames that the caller gives one by one: SAM 2.1."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence, Union

import numpy as np

from ._images import ImageLike, c_images, picture_of
from ._library import Callbacks, Handle, call, ffi, get, lib, owned, tick
from ._options import make
from ._results import Detections, Tracks, tracks_of
from ._segmenter import Marks, Segmenter, SegmentSession

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ._images import Picture
    from ._masks import Masks


class Tracker:
    """Follows objects through frames from any source, in time order or backward.

        tracker = sowlv2.Tracker()
        tracker.frame(first)
        tracker.add(box=[40, 60, 380, 420])
        tracks = tracker.run()              # on the first frame
        for image in frames:
            tracks = tracker.track(image)   # on those that follow
            tracks.boxes, tracks.masks

    Belongs to one thread at a time; many share one Segmenter.
    """

    def __init__(
        self,
        segmenter: "Union[Segmenter, str, os.PathLike[str], None]" = None,
        *,
        max_cond_frames: Optional[int] = None,
        keep_frames: int = 0,
        mask_threshold: float = 0.0,
        fill_holes: int = 0,
        remove_sprinkles: int = 0,
        separate: bool = False,
        memory: str = "plain",
        pixels: bool = False,
        progress: Optional[Callable[[int, int], object]] = None,
        **model: Any,
    ) -> None:
        """Begins a video.

        segmenter        a Segmenter, or what one is opened by; **model are its other options
        max_cond_frames  frames with prompts whose memory is kept for each object; else 4; -1: all
        keep_frames      frames that back() can go to
        mask_threshold, fill_holes, remove_sprinkles   as in Segmenter.segment()
        separate         a pixel belongs to one object at most
        memory           what objects are remembered by: "plain", the last frames, or "chosen", those that show them well
        pixels           have the library make all masks' pixels at once
        progress         of a frame's encoding: given steps done and all steps; stops the call by giving False
        """
        self.segmenter = segmenter if isinstance(segmenter, Segmenter) else Segmenter(segmenter, **model)
        if isinstance(segmenter, Segmenter) and model:
            raise TypeError(f"{', '.join(model)}: are for opening a model, and the segmenter is open")
        self._options: Dict[str, Any] = {
            "max_cond_frames": max_cond_frames,
            "keep_frames": keep_frames,
            "mask_threshold": mask_threshold,
            "fill_holes": fill_holes,
            "remove_sprinkles": remove_sprinkles,
            "separate": separate,
            "memory": memory,
            "pixels": pixels,
        }
        self._callbacks = Callbacks()
        self._lock = threading.RLock()
        options, _keep = make("sowlv2_track_options", {**self._options, "progress": tick(self._callbacks, progress)})
        out = ffi.new("sowlv2_track_session **")
        handle = self.segmenter._handle()
        call(lib.sowlv2_track_session_create, handle, options, out)
        self._c: Optional[Handle] = owned(out[0], "sowlv2_track_session *", "sowlv2_track_session_free", handle, self._callbacks)
        self._number: Optional[int] = None
        self._picture: "Optional[Picture]" = None
        self._next_object = 1
        self.labels: Dict[int, str] = {}

    def _run(self, function: Any, *arguments: Any) -> None:
        if self._c is None:
            raise ValueError("Tracker: it is closed")
        with self._lock:
            self._callbacks.exception = None
            self._callbacks.run(function, self._c, *arguments)

    @property
    def frame_number(self) -> Optional[int]:
        """The current frame's; None before the first."""
        return self._number

    def frame(self, image: ImageLike, number: Optional[int] = None) -> "Tracker":
        """Makes the next frame the current one: the costly part. All have one size.

        number   else the one after the last; frames may be left out, and backward they fall
        """
        if number is None:
            number = 0 if self._number is None else self._number + 1
        picture = picture_of(image)
        self._picture = None
        self._run(lib.sowlv2_track_set_frame, number, c_images([picture]))
        self._number, self._picture = number, picture
        return self

    def back(self, number: int) -> "Tracker":
        """Makes an earlier frame the current one, where it is among the last `keep_frames`."""
        self._run(lib.sowlv2_track_return, number)
        self._number, self._picture = number, None
        return self

    def add(
        self,
        object: Optional[int] = None,
        *,
        box: "Optional[ArrayLike]" = None,
        points: "Optional[ArrayLike]" = None,
        labels: "Optional[ArrayLike]" = None,
        mask: Any = None,
        refine: bool = False,
        label: Optional[str] = None,
    ) -> int:
        """Names an object on the current frame, or corrects one that is followed already; gives its number.

        box      x0, y0, x1, y1 in pixels
        points   [k, 2]; labels: 1 of the object, 0 not of it; else all are 1
        mask     [height, width], or a Mask, in place of box and points
        refine   the points come in addition to those it was given on this frame before
        label    what tracks call it
        """
        number = self._next_object if object is None else int(object)
        prompt = ffi.new("struct sowlv2_track_prompt *")
        keep: Any = None
        if mask is not None:
            if box is not None or points is not None:
                raise ValueError("add: a mask is given alone, without box and points")
            keep = np.ascontiguousarray(np.asarray(mask) != 0, np.uint8)
            if keep.ndim != 2:
                raise ValueError(f"mask: its shape is {keep.shape}, [height, width] is needed")
            prompt.mask = ffi.cast("const uint8_t *", keep.__array_interface__["data"][0])
            prompt.mask_height, prompt.mask_width = keep.shape
        else:
            keep = Marks(
                None if box is None else [box],  # type: ignore[arg-type, unused-ignore]
                None if points is None else [np.reshape(points, (-1, 2))],
                None if labels is None else [np.reshape(labels, -1)],
            )
            prompt.box, prompt.points = keep.c[0].box, keep.c[0].points
            prompt.labels, prompt.point_count = keep.c[0].labels, keep.c[0].point_count
        prompt.refine = refine
        self._run(lib.sowlv2_track_prompt, number, prompt)
        self._next_object = max(self._next_object, number + 1)
        if label is not None:
            self.labels[number] = label
        return number

    def add_all(self, found: Detections) -> List[int]:
        """Names what was detected on the current frame, each by its box, or its mask where it has one."""
        return [
            self.add(label=item.label, box=item.box)
            if item.mask is None or item.mask.area == 0
            else self.add(label=item.label, mask=item.mask)
            for item in found
        ]

    def remove(self, object: int) -> None:
        """Forgets an object."""
        self._run(lib.sowlv2_track_remove, int(object))
        self.labels.pop(int(object), None)

    def run(self, *, reverse: bool = False, prompted_only: bool = False) -> Tracks:
        """Finds all objects on the current frame.

        reverse         the video is gone through backward
        prompted_only   only objects that were named or corrected since the last call
        """
        options, _keep = make("sowlv2_track_run_options", {"reverse": reverse, "prompted_only": prompted_only})
        out = ffi.new("struct sowlv2_tracks *")
        self._run(lib.sowlv2_track_run, options, out)
        return tracks_of(out, self._picture, self.labels)

    def track(self, image: ImageLike, number: Optional[int] = None, *, reverse: bool = False) -> Tracks:
        """The next frame, and all objects on it: frame() and run()."""
        return self.frame(image, number).run(reverse=reverse)

    def segment(
        self,
        boxes: "Optional[ArrayLike]" = None,
        points: "Optional[Sequence[ArrayLike]]" = None,
        labels: "Optional[Sequence[ArrayLike]]" = None,
        **options: Any,
    ) -> "Masks":
        """As Segmenter.segment(), on the current frame: costs the decoder only, and knows nothing of objects."""
        if self._c is None or self._picture is None:
            raise ValueError("Tracker: there is no current frame: give one by frame()")
        frame = get(lib.sowlv2_track_frame, self._c)  # belongs to the session
        return SegmentSession(self.segmenter, self._picture, frame).segment(boxes, points, labels, **options)

    def close(self) -> None:
        """Forgets everything. The segmenter stays open."""
        self._c = None
        self._picture = None

    @property
    def closed(self) -> bool:
        return self._c is None

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __reduce__(self) -> Any:
        """Opens the same model elsewhere and begins anew there: what was seen does not travel."""
        return _begun, (self.segmenter, self._options)

    def __repr__(self) -> str:
        state = "closed" if self._c is None else f"frame {self._number}, {self._next_object - 1} objects named"
        return f"Tracker({self.segmenter.name!r}, {state})"


def _begun(segmenter: Segmenter, options: Dict[str, Any]) -> Tracker:
    return Tracker(segmenter, **options)
