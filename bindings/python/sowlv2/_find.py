"""Finding and cutting out in one call."""

from __future__ import annotations

import os
import threading
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Type, Union, overload

from ._detector import Detector, Prompts
from ._device import Device
from ._images import ImageLike, c_images, pictures_of
from ._library import Callbacks, ffi, lib, tick
from ._model import Model
from ._results import Detections, objects_of
from ._segmenter import Segmenter, find_options

_lock = threading.Lock()
_open_models: Dict[Tuple[Type[Model], Optional[str], str], Model] = {}

ModelName = Union[str, "os.PathLike[str]", None]


def opened(kind: Type[Any], model: Any, device: Union[str, Device]) -> Any:
    """The model as it was given, or the one of this name, opened once for the process."""
    if isinstance(model, kind):
        return model
    if isinstance(model, Model):
        raise TypeError(f"a {kind.__name__} is needed, not a {type(model).__name__}")
    if isinstance(device, Device):
        return kind(model, device=device)
    key = (kind, None if model is None else os.fspath(model), device)
    with _lock:
        known = _open_models.get(key)
        if known is None or known.closed:
            known = _open_models[key] = kind(model, device=device)
        return known


def close_models() -> None:
    """Closes the models that find(), run() and track() opened by name and keep for the next call."""
    with _lock:
        for model in _open_models.values():
            model.close()
        _open_models.clear()


@overload
def find(
    images: "Union[List[Any], Tuple[Any, ...]]", prompts: Union[str, Sequence[str], Prompts], **options: Any
) -> List[Detections]: ...


@overload
def find(images: ImageLike, prompts: Union[str, Sequence[str], Prompts], **options: Any) -> Detections: ...


def find(
    images: Any,
    prompts: Any,
    *,
    detector: "Union[Detector, ModelName]" = None,
    segmenter: "Union[Segmenter, ModelName]" = None,
    device: Union[str, Device] = "auto",
    masks: bool = True,
    threshold: float = 0.1,
    nms: float = 0.0,
    dedupe: float = 0.0,
    objectness: bool = False,
    template: Optional[str] = None,
    progress: Optional[Callable[[int, int], object]] = None,
    **segment: Any,
) -> Any:
    """Finds objects by what they are called, and cuts each out.

        found = sowlv2.find("photo.jpg", ["cat", "red bicycle"])
        found.boxes, found.scores, found.labels, found.masks

    images      an image (path, bytes of a file, uint8 array [height, width, 3], PIL image, ...), or a list of them,
                which are detected as one batch
    prompts     a text or a list of texts
    detector, segmenter   open models, or hub ids or folders, which are opened once and kept; "demo": the small ones
    device      where those are opened: "auto", "cpu", "cuda"
    masks       False: boxes alone, without a segmenter
    threshold, nms, objectness, template   as in Detector.detect()
    dedupe      drop an object whose mask overlaps a better one's more than this; 0: off
    progress    of the detector: given steps done and all steps; stops the call by giving False
    **segment   options of Segmenter.segment()
    """
    pictures, single = pictures_of(images)
    finder = opened(Detector, detector, device)
    if not masks:
        if segment or dedupe:
            raise TypeError(f"{', '.join(segment) or 'dedupe'}: is about masks, and masks=False asks for none")
        found = finder.detect(
            pictures, prompts, threshold=threshold, nms=nms, objectness=objectness, template=template, progress=progress
        )
        return found[0] if single else found
    cutter = opened(Segmenter, segmenter, device)
    if not pictures:
        return []
    each = finder._prompts_of_each(prompts, len(pictures), template)
    callbacks = Callbacks()
    options, _keep = find_options(
        {
            "threshold": threshold,
            "nms_iou": nms,
            "objectness": objectness,
            "progress": tick(callbacks, progress),
            "image_prompts": ffi.new("const sowlv2_prompts *[]", [one._c.c for one in each]),
        },
        {**segment, "c_progress": tick(callbacks)},
        {"dedupe_iou": dedupe},
    )
    out = ffi.new("struct sowlv2_objects[]", len(pictures))
    with finder._session() as detect_session, cutter._session() as segment_session:
        callbacks.run(
            lib.sowlv2_find,
            detect_session,
            each[0]._c,
            segment_session,
            c_images(pictures),
            len(pictures),
            options,
            out,
        )
    results = [objects_of(out[index], each[index].texts, picture) for index, picture in enumerate(pictures)]
    return results[0] if single else results
