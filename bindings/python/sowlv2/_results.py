"""What was found: detections, objects with masks, tracks. Arrays are views of the library's memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence, Tuple, overload

import numpy as np

from . import _draw
from ._library import NULL, Handle, ffi, lib, view_of
from ._masks import Mask, Masks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._images import Picture


def _detection_dtype(struct: str = "struct sowlv2_detection", at: int = 0) -> "np.dtype[Any]":
    """struct sowlv2_detection, `at` bytes into a struct that holds it, as numpy sees it."""
    kinds = {"box": ("<f4", (4,)), "score": "<f4", "objectness": "<f4", "prompt": "<i4"}
    names = list(kinds)
    return np.dtype(
        {
            "names": names,
            "formats": [kinds[name] for name in names],
            "offsets": [at + ffi.offsetof("struct sowlv2_detection", name) for name in names],
            "itemsize": ffi.sizeof(struct),
        }  # type: ignore[call-overload, unused-ignore]
    )


DETECTION = _detection_dtype()
OBJECT = _detection_dtype("struct sowlv2_object", ffi.offsetof("struct sowlv2_object", "detection"))


@dataclass(frozen=True)
class Detection:
    """One object: `box` is x0, y0, x1, y1 in pixels; `mask` is None where only boxes were asked for."""

    label: str
    score: float
    box: Tuple[float, float, float, float]
    prompt_index: int = -1
    objectness: float = -1.0
    mask: Optional[Mask] = None


class Detections(Sequence[Detection]):
    """The objects of one image.

    boxes           float32 [n, 4]: x0, y0, x1, y1 in pixels of the image
    scores          float32 [n], 0 to 1; 0 where an object was marked and not detected
    labels          the prompt of each, as it was given
    prompt_indices  int32 [n] into `prompts`; -1 where an object was marked
    objectness      float32 [n], -1 where it was not asked for
    masks           Masks of the n objects, or None where only boxes were asked for
    prompts         what was looked for
    image           uint8 [height, width, 3]: the image itself
    """

    def __init__(
        self,
        items: "NDArray[Any]",
        prompts: Sequence[str],
        masks: Optional[Masks] = None,
        picture: "Optional[Picture]" = None,
    ) -> None:
        self._items = items
        self.prompts: Tuple[str, ...] = tuple(prompts)
        self.masks = masks
        self._picture = picture

    @property
    def boxes(self) -> "NDArray[np.float32]":
        return self._items["box"]  # type: ignore[no-any-return, unused-ignore]

    @property
    def scores(self) -> "NDArray[np.float32]":
        return self._items["score"]  # type: ignore[no-any-return, unused-ignore]

    @property
    def objectness(self) -> "NDArray[np.float32]":
        return self._items["objectness"]  # type: ignore[no-any-return, unused-ignore]

    @property
    def prompt_indices(self) -> "NDArray[np.int32]":
        return self._items["prompt"]  # type: ignore[no-any-return, unused-ignore]

    @property
    def labels(self) -> List[str]:
        return [self._label(index) for index in self.prompt_indices.tolist()]

    def _label(self, index: int) -> str:
        return self.prompts[index] if 0 <= index < len(self.prompts) else ""

    @property
    def image(self) -> "Optional[NDArray[np.uint8]]":
        return None if self._picture is None else self._picture.pixels

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Detection: ...

    @overload
    def __getitem__(self, index: Any) -> "Detections": ...

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)):
            item = self._items[index]
            return Detection(
                label=self._label(int(item["prompt"])),
                score=float(item["score"]),
                box=tuple(item["box"].tolist()),
                prompt_index=int(item["prompt"]),
                objectness=float(item["objectness"]),
                mask=None if self.masks is None else self.masks[int(index)],
            )
        masks = None if self.masks is None else self.masks[index]
        return type(self)(self._items[index], self.prompts, masks, self._picture)

    def __iter__(self) -> Iterator[Detection]:
        return (self[index] for index in range(len(self)))

    def sorted(self) -> "Detections":
        """The same, the best score first."""
        return self[np.argsort(-self.scores, kind="stable")]

    def to_coco(self, image_id: int = 0, category_ids: Optional[Dict[str, int]] = None) -> List[Dict[str, Any]]:
        """Results as COCO has them: bbox is [x, y, width, height], segmentation a compressed RLE.

        category_ids   the number of each prompt; else they are counted from 1 in the order of `prompts`
        """
        results = []
        for item in self:
            x0, y0, x1, y1 = item.box
            category = item.prompt_index + 1
            if category_ids is not None:
                category = category_ids[item.label]
            result: Dict[str, Any] = {
                "image_id": image_id,
                "category_id": category,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "score": item.score,
                "area": float((x1 - x0) * (y1 - y0)) if item.mask is None else item.mask.area,
            }
            if item.mask is not None:
                result["segmentation"] = item.mask.rle()
            results.append(result)
        return results

    def to_supervision(self) -> Any:
        """The same as supervision.Detections (needs `pip install supervision`)."""
        try:
            import supervision
        except ImportError:
            raise ImportError("to_supervision() needs the package supervision: pip install supervision") from None
        return supervision.Detections(
            xyxy=self.boxes.copy(),
            mask=None if self.masks is None else self.masks.to_array().reshape(len(self), *self._shape()),
            confidence=self.scores.copy(),
            class_id=self.prompt_indices.astype(int),
            data={"class_name": np.array(self.labels, dtype=object)},
        )

    def _shape(self) -> Tuple[int, int]:
        if self._picture is not None:
            return self._picture.height, self._picture.width
        return (self.masks[0].height, self.masks[0].width) if self.masks else (0, 0)

    def plot(self, image: Any = None, *, boxes: bool = True, masks: bool = True, labels: bool = True) -> Any:
        """The image with the objects drawn in: uint8 [height, width, 3]. Labels need Pillow, and are left out, with a
        warning, where it is not installed.

        image   draw on this one instead of the one that was looked at
        """
        if image is None:
            image = self.image
        if image is None:
            raise ValueError("plot: these results do not hold their image: give it")
        return _draw.plot(image, self, boxes=boxes, masks=masks, labels=labels)

    def _repr_png_(self) -> Optional[bytes]:
        return None if self.image is None else _draw.png(self.plot())

    def __repr__(self) -> str:
        shown = ", ".join(f"{item.label or 'object'} {item.score:.2f}" for item in list(self)[:4])
        more = f", ... {len(self) - 4} more" if len(self) > 4 else ""
        masks = "" if self.masks is None else ", with masks"
        return f"{type(self).__name__}({len(self)}{masks}: {shown}{more})" if len(self) else f"{type(self).__name__}(0)"

    def __reduce__(self) -> Tuple[Any, ...]:
        # As plain arrays: what is sent to another process owns its memory.
        items = np.empty(len(self), DETECTION)
        for name in items.dtype.names or ():
            items[name] = self._items[name]
        pixels = None if self._picture is None else np.ascontiguousarray(self._picture.pixels)
        masks = None if self.masks is None else list(self.masks)
        return _restored, (type(self), items, self.prompts, masks, pixels)


def _restored(kind: Any, items: Any, prompts: Any, masks: Any, pixels: Any) -> Any:
    from ._images import Picture

    picture = None if pixels is None else Picture(pixels)
    return kind(items, prompts, None if masks is None else Masks(masks), picture)


def _items_of(owner: Any, dtype: "np.dtype[Any]") -> "NDArray[Any]":
    """The items of a struct of the library, as an array over its memory."""
    if owner.count == 0:
        return np.empty(0, DETECTION)
    memory = view_of(owner.items, (int(owner.count),), f"|V{dtype.itemsize}", owner)
    return memory.view(dtype)


def detections_of(out: Any, prompts: Sequence[str], picture: "Picture") -> Detections:
    """Takes over what a struct sowlv2_detections holds."""
    owner = ffi.gc(ffi.new("struct sowlv2_detections *", out), lib.sowlv2_detections_free)
    return Detections(_items_of(owner, DETECTION), prompts, None, picture)


def objects_of(out: Any, prompts: Sequence[str], picture: "Picture") -> Detections:
    """Takes over what a struct sowlv2_objects holds: detections with masks."""
    owner = ffi.gc(ffi.new("struct sowlv2_objects *", out), lib.sowlv2_objects_free)
    masks = Masks([Mask(owner.items[index].mask, owner) for index in range(owner.count)])
    return Detections(_items_of(owner, OBJECT), prompts, masks, picture)


def masks_of(out: Any, count: int) -> Masks:
    """Takes over an array of struct sowlv2_mask."""
    owner = Handle(out, lib.sowlv2_masks_free, [out, count], ())
    return Masks([Mask(out[index], owner) for index in range(count)])


@dataclass(frozen=True)
class Track:
    """One object on a frame: its number, its mask (empty where it is out of sight), how sure the tracker is."""

    object: int
    mask: Mask
    confidence: float
    prompted: bool
    pointer: "NDArray[np.float32]"
    label: str = ""

    @property
    def visible(self) -> bool:
        return self.mask.area > 0


class Tracks(Sequence[Track]):
    """The objects of one frame, in the order in which they came.

    objects       int64 [n]: their numbers
    boxes         float32 [n, 4] around the masks; zeros where an object is out of sight
    confidences   float32 [n], 0 to 1: the mask's score, weighed by how likely the object is there
    masks         Masks of the n objects
    """

    def __init__(self, tracks: Sequence[Track], picture: "Optional[Picture]" = None) -> None:
        self._tracks = list(tracks)
        self._picture = picture

    @property
    def objects(self) -> "NDArray[np.int64]":
        return np.array([track.object for track in self._tracks], np.int64)

    @property
    def boxes(self) -> "NDArray[np.float32]":
        return np.array([track.mask.box for track in self._tracks], np.float32).reshape(len(self), 4)

    @property
    def confidences(self) -> "NDArray[np.float32]":
        return np.array([track.confidence for track in self._tracks], np.float32)

    @property
    def masks(self) -> Masks:
        return Masks([track.mask for track in self._tracks])

    @property
    def image(self) -> "Optional[NDArray[np.uint8]]":
        return None if self._picture is None else self._picture.pixels

    def __len__(self) -> int:
        return len(self._tracks)

    @overload
    def __getitem__(self, index: int) -> Track: ...

    @overload
    def __getitem__(self, index: slice) -> "Tracks": ...

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Tracks(self._tracks[index], self._picture)
        return self._tracks[index]

    def plot(self, image: Any = None, *, boxes: bool = True, masks: bool = True, labels: bool = True) -> Any:
        """As Detections.plot(), labelled with the objects' numbers."""
        items = np.zeros(len(self), DETECTION)
        items["box"], items["score"] = self.boxes, self.confidences
        items["prompt"] = np.arange(len(self))
        names = [f"{track.object} {track.label}".rstrip() for track in self._tracks]
        found = Detections(items, names, self.masks, self._picture)
        return found.plot(image, boxes=boxes, masks=masks, labels=labels)

    def _repr_png_(self) -> Optional[bytes]:
        return None if self.image is None else _draw.png(self.plot())

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{track.object}: {track.confidence:.2f}" + ("" if track.visible else " unseen") for track in self._tracks
        )
        return f"Tracks({{{shown}}})"


def tracks_of(out: Any, picture: "Optional[Picture]", labels: Dict[int, str]) -> Tracks:
    """Takes over what a struct sowlv2_tracks holds."""
    owner = ffi.gc(out, lib.sowlv2_tracks_free)
    tracks = []
    for index in range(owner.count):
        item = owner.items[index]
        pointer = (
            np.empty(0, np.float32)
            if item.pointer == NULL
            else view_of(item.pointer, (int(item.pointer_length),), "<f4", owner)
        )
        tracks.append(
            Track(
                object=int(item.object),
                mask=Mask(item.mask, owner),
                confidence=float(item.confidence),
                prompted=bool(item.prompted),
                pointer=pointer,
                label=labels.get(int(item.object), ""),
            )
        )
    return Tracks(tracks, picture)
