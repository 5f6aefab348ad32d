"""Finding objects by name: OWLv2."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Sequence, Tuple, Union, overload

import numpy as np

from ._images import ImageLike, c_images, pictures_of
from ._library import NULL, Callbacks, call, encode, ffi, get, lib, owned, prompts_of, texts, tick
from ._model import Model
from ._options import make
from ._results import Detections, detections_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_PROMPTS = 16  # sets of encoded prompts that a detector remembers


class Prompts:
    """Prompts of one detector, encoded once for any number of images: see Detector.encode()."""

    def __init__(self, detector: "Detector", texts_: Tuple[str, ...], template: Optional[str], c: Any) -> None:
        self.texts = texts_
        self.template = template
        self._detector = detector
        self._c = c

    def __len__(self) -> int:
        return len(self.texts)

    def __reduce__(self) -> Tuple[Any, ...]:
        return _encoded, (self._detector, self.texts, self.template)

    def __repr__(self) -> str:
        return f"Prompts({list(self.texts)!r})"


def _encoded(detector: "Detector", texts_: Sequence[str], template: Optional[str]) -> Prompts:
    return detector.encode(texts_, template=template)


class Detector(Model):
    """An OWLv2 model: finds objects by what they are called.

        detector = sowlv2.Detector()
        found = detector.detect("photo.jpg", ["cat", "red bicycle"])
        print(found.boxes, found.scores, found.labels)

    Any number of threads may use one at once.
    """

    _open, _free, _kind = "sowlv2_detector_open", "sowlv2_detector_free", "sowlv2_detector *"
    _session_create, _session_free = "sowlv2_detect_session_create", "sowlv2_detect_session_free"
    _session_kind = "sowlv2_detect_session *"

    def _begin(self) -> None:
        self._lock = threading.Lock()
        # The C objects alone: they do not keep the detector.
        self._encoded: "OrderedDict[Tuple[Tuple[str, ...], Optional[str]], Any]" = OrderedDict()

    def close(self) -> None:
        super().close()
        self._encoded = OrderedDict()

    @property
    def image_size(self) -> int:
        """Side of the square that the model computes on, in pixels."""
        return int(get(lib.sowlv2_detector_image_size, self._handle()))

    def tokenize(self, text: str) -> "NDArray[np.int32]":
        """The token ids as the text tower sees them, padding included."""
        handle = self._handle()
        ids = np.zeros(int(get(lib.sowlv2_detector_text_length, handle)), np.int32)
        call(lib.sowlv2_detector_tokenize, handle, encode(text, "text"), ffi.from_buffer("int32_t[]", ids))
        return ids

    def encode(self, prompts: Union[str, Sequence[str]], *, template: Optional[str] = None) -> Prompts:
        """Encodes prompts, once for any number of images. The last sets are remembered.

        template   what is made of each, "{}" standing for it; else "a photo of {}"
        """
        listed = tuple(prompts_of(prompts))
        key = (listed, template)
        with self._lock:
            known = self._encoded.get(key)
            if known is not None:
                self._encoded.move_to_end(key)
                return Prompts(self, listed, template, known)
        handle = self._handle()
        keep: List[Any] = []
        options, options_keep = make("sowlv2_prompt_options", {"prompt_template": template})
        out = ffi.new("sowlv2_prompts **")
        words = texts([encode(text, "prompts") for text in listed], keep)
        call(lib.sowlv2_prompts_encode, handle, words, len(listed), options, out)
        del keep, options_keep
        made = owned(out[0], "sowlv2_prompts *", "sowlv2_prompts_free", handle)
        with self._lock:
            self._encoded[key] = made
            while len(self._encoded) > _MOST_PROMPTS:
                self._encoded.popitem(last=False)
        return Prompts(self, listed, template, made)

    @overload
    def detect(
        self,
        images: "Union[List[Any], Tuple[Any, ...]]",
        prompts: Union[str, Sequence[str], Prompts, Sequence[Prompts]],
        *,
        threshold: float = ...,
        nms: float = ...,
        objectness: bool = ...,
        template: Optional[str] = ...,
        progress: Optional[Callable[[int, int], object]] = ...,
    ) -> List[Detections]: ...

    @overload
    def detect(
        self,
        images: ImageLike,
        prompts: Union[str, Sequence[str], Prompts],
        *,
        threshold: float = ...,
        nms: float = ...,
        objectness: bool = ...,
        template: Optional[str] = ...,
        progress: Optional[Callable[[int, int], object]] = ...,
    ) -> Detections: ...

    def detect(
        self,
        images: Any,
        prompts: Any,
        *,
        threshold: float = 0.1,
        nms: float = 0.0,
        objectness: bool = False,
        template: Optional[str] = None,
        progress: Optional[Callable[[int, int], object]] = None,
    ) -> Any:
        """Finds the prompts in an image, or in several as one batch.

        images      an image (path, bytes of a file, uint8 array [height, width, 3], PIL image, ...), or a list of them
        prompts     a text, a list of texts, what encode() gave; for a list of images also a list of what encode()
                    gave, one an image
        threshold   keep what has a score over this
        nms         drop a box that overlaps a better one of its prompt more than this; 0: off
        objectness  also compute how much of an object each is
        template    as in encode()
        progress    given steps done and all steps; stops the call by giving False
        """
        pictures, single = pictures_of(images)
        if not pictures:
            return []
        with self._session() as session:
            callbacks = Callbacks()
            values = {
                "threshold": threshold,
                "nms_iou": nms,
                "objectness": objectness,
                "progress": tick(callbacks, progress),
            }
            options, keep = make("sowlv2_detect_options", values)
            each = self._prompts_of_each(prompts, len(pictures), template)
            words: Any = NULL
            if len(set(map(id, each))) == 1:
                words = each[0]._c
            else:
                own = ffi.new("const sowlv2_prompts *[]", [one._c.c for one in each])
                keep.append(own)
                options.image_prompts = own
            out = ffi.new("struct sowlv2_detections[]", len(pictures))
            callbacks.run(lib.sowlv2_detect, session, words, c_images(pictures), len(pictures), options, out)
        results = [
            detections_of(out[index], each[index].texts, picture) for index, picture in enumerate(pictures)
        ]
        return results[0] if single else results

    def _prompts_of_each(self, prompts: Any, count: int, template: Optional[str]) -> List[Prompts]:
        if isinstance(prompts, Prompts):
            listed = [prompts] * count
        elif isinstance(prompts, (list, tuple)) and prompts and all(isinstance(one, Prompts) for one in prompts):
            listed = list(prompts)
            if len(listed) != count:
                raise ValueError(f"prompts: {len(listed)} for {count} images")
        else:
            return [self.encode(prompts, template=template)] * count
        for one in listed:
            if one._detector is not self:
                raise ValueError("prompts: they were encoded by another detector")
        return listed
