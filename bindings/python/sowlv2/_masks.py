"""Masks: runs of the library's memory, made into pixels, COCO run lengths or polygons when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union, overload

import numpy as np

from ._library import NULL, call, ffi, lib, view_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Mask:
    """One object's mask at the image's size.

    height, width   pixels of the image
    area            pixels of the object
    box             x0, y0, x1, y1 around it in pixels; zeros where it is empty
    score           the model's own estimate of the mask's IoU, 0 to 1
    object_score    logit: over 0, the model sees an object there
    array           bool [height, width], made when it is first asked for
    runs            uint32: lengths of runs of equal pixels, row after row, beginning with the background
    logits          float32 [side, side] as the decoder gave them, or None where they were not asked for
    """

    __slots__ = ("_c", "_keep", "_array")

    def __init__(self, c: Any, keep: Any) -> None:
        self._c = c  # a struct sowlv2_mask of `keep`
        self._keep = keep
        self._array: "Optional[NDArray[np.bool_]]" = None

    @classmethod
    def from_runs(
        cls,
        runs: "NDArray[np.uint32]",
        width: int,
        height: int,
        *,
        score: float = 0,
        object_score: float = 0,
        logits: "Optional[NDArray[np.float32]]" = None,
    ) -> "Mask":
        """A mask of lengths of runs, background first, that add up to width * height."""
        runs = np.ascontiguousarray(runs, np.uint32)
        if runs.ndim != 1 or int(runs.sum(dtype=np.uint64)) != width * height:
            raise ValueError(f"runs: they do not add up to {width} x {height} pixels")
        c = ffi.new("struct sowlv2_mask *")
        c.width, c.height = width, height
        c.runs = ffi.cast("uint32_t *", runs.__array_interface__["data"][0])
        c.run_count = len(runs)
        c.mask_score, c.object_score = score, object_score
        keep: List[Any] = [runs]
        if logits is not None:
            logits = np.ascontiguousarray(logits, np.float32)
            c.logits = ffi.cast("float *", logits.__array_interface__["data"][0])
            c.logits_side = logits.shape[0]
            keep.append(logits)
        mask = cls(c, keep)
        mask._measure()
        return mask

    @classmethod
    def from_array(cls, array: Any, *, score: float = 0, object_score: float = 0) -> "Mask":
        """A mask of an array [height, width]: what is not 0 is the object."""
        pixels = np.asarray(array)
        if pixels.ndim != 2 or 0 in pixels.shape:
            raise ValueError(f"mask: its shape is {pixels.shape}, [height, width] is needed")
        flat = (pixels != 0).reshape(-1)
        edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        runs = np.diff(np.concatenate(([0], edges, [flat.size])))
        if flat[0]:
            runs = np.concatenate(([0], runs))
        return cls.from_runs(
            runs.astype(np.uint32), pixels.shape[1], pixels.shape[0], score=score, object_score=object_score
        )

    def _measure(self) -> None:
        pixels = self.array
        self._c.area = int(pixels.sum())
        rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
        if len(rows) > 0:
            self._c.box = [float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)]
        self._array = None

    @property
    def _address(self) -> Any:
        return self._c if ffi.typeof(self._c).kind == "pointer" else ffi.addressof(self._c)

    @property
    def width(self) -> int:
        return int(self._c.width)

    @property
    def height(self) -> int:
        return int(self._c.height)

    @property
    def area(self) -> int:
        return int(self._c.area)

    @property
    def box(self) -> "NDArray[np.float32]":
        return view_of(ffi.addressof(self._c, "box"), (4,), "<f4", self)

    @property
    def score(self) -> float:
        return float(self._c.mask_score)

    @property
    def object_score(self) -> float:
        return float(self._c.object_score)

    @property
    def runs(self) -> "NDArray[np.uint32]":
        if self._c.runs == NULL:
            return np.empty(0, np.uint32)
        return view_of(self._c.runs, (int(self._c.run_count),), "<u4", self)

    @property
    def logits(self) -> "Optional[NDArray[np.float32]]":
        if self._c.logits == NULL:
            return None
        return view_of(self._c.logits, (int(self._c.logits_side),) * 2, "<f4", self)

    @property
    def array(self) -> "NDArray[np.bool_]":
        if self._array is None:
            if self._c.pixels != NULL:
                self._array = view_of(self._c.pixels, (self.height, self.width), "|b1", self._keep)
            else:
                made = np.empty((self.height, self.width), np.bool_)
                self.write_to(made)
                self._array = made
        return self._array

    def write_to(self, target: "NDArray[np.bool_]") -> None:
        """Writes the mask's pixels into a contiguous array [height, width] of bool or uint8."""
        if target.shape != (self.height, self.width) or target.itemsize != 1 or not target.flags.c_contiguous:
            raise ValueError(f"mask: the target must be a contiguous array of bytes, {self.height} x {self.width}")
        call(
            lib.sowlv2_mask_to_pixels,
            self._address,
            ffi.cast("uint8_t *", target.__array_interface__["data"][0]),
        )

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> "NDArray[Any]":
        array = self.array
        if dtype is not None and np.dtype(dtype) != array.dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def rle(self) -> Dict[str, Any]:
        """COCO's compressed form, as pycocotools has it: {"size": [height, width], "counts": str}."""
        out = ffi.gc(ffi.new("char **"), lib.sowlv2_string_free)
        call(lib.sowlv2_mask_rle, self._address, out)
        return {"size": [self.height, self.width], "counts": ffi.string(out[0]).decode("ascii")}

    def polygons(self) -> "List[NDArray[np.int32]]":
        """The outlines along the edges of pixels: arrays [n, 2] of x, y.

        Outer ones go clockwise as the image is shown, holes the other way: filled by the even-odd or the winding rule
        they give exactly this mask. Parts that touch at a corner only are outlines of their own.
        """
        return outlines(self.array)

    def iou(self, other: "Mask") -> float:
        """Pixels of both through pixels of either; 0 where the sizes differ or both are empty."""
        return float(lib.sowlv2_mask_iou(self._address, other._address))

    def __reduce__(self) -> Tuple[Any, ...]:
        logits = self.logits
        state = (
            self.runs.copy(),
            self.width,
            self.height,
            self.score,
            self.object_score,
            None if logits is None else logits.copy(),
        )
        return _restored, state

    def __repr__(self) -> str:
        return f"Mask({self.width} x {self.height}, area={self.area}, score={self.score:.3f})"


def _restored(runs: Any, width: int, height: int, score: float, object_score: float, logits: Any) -> Mask:
    return Mask.from_runs(runs, width, height, score=score, object_score=object_score, logits=logits)


def outlines(mask: "NDArray[np.bool_]") -> "List[NDArray[np.int32]]":
    """See Mask.polygons()."""
    if not mask.any():
        return []
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = int(rows[0]), int(columns[0])
    padded = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1], 1).astype(np.int8)
    # Edges between pixels, directed so that the object is at their right as the image is shown.
    across = np.diff(padded, axis=0)[:, 1:-1]  # 1: the object begins below
    along = np.diff(padded, axis=1)[1:-1, :]  # 1: it begins at the right
    following: Dict[Tuple[int, int], List[Tuple[int, int]]] = {}
    for y, x in np.argwhere(across == 1).tolist():
        following.setdefault((x, y), []).append((x + 1, y))
    for y, x in np.argwhere(across == -1).tolist():
        following.setdefault((x + 1, y), []).append((x, y))
    for y, x in np.argwhere(along == 1).tolist():
        following.setdefault((x, y + 1), []).append((x, y))
    for y, x in np.argwhere(along == -1).tolist():
        following.setdefault((x, y), []).append((x, y + 1))
    polygons = []
    while following:
        start = next(iter(following))
        points: List[Tuple[int, int]] = []
        at, step = start, (0, 0)
        while True:
            choices = following[at]
            following_step = 0
            if len(choices) > 1 and step != (0, 0):  # a corner that two parts touch at: stay with this one, turn right
                right = (at[0] - step[1], at[1] + step[0])
                following_step = choices.index(right) if right in choices else 0
            target = choices.pop(following_step)
            if not choices:
                del following[at]
            turned = (target[0] - at[0], target[1] - at[1])
            if turned != step:
                points.append(at)
            at, step = target, turned
            if at == start:
                break
        if len(points) > 2 and (points[1][0] - points[0][0], points[1][1] - points[0][1]) != (0, 0):
            first = (points[1][0] - points[0][0], points[1][1] - points[0][1])
            if (first[0] != 0) == (step[0] != 0) and len(points) > 4:  # the start lies within a straight edge
                points = points[1:]
        polygons.append(np.array(points, np.int32) + np.array([left, top], np.int32))
    return polygons


class Masks(Sequence[Mask]):
    """The masks of one image's objects, in their order: a sequence of Mask, whose pixels are made when asked for."""

    def __init__(self, masks: Sequence[Mask]) -> None:
        self._masks = list(masks)

    def __len__(self) -> int:
        return len(self._masks)

    @overload
    def __getitem__(self, index: int) -> Mask: ...

    @overload
    def __getitem__(self, index: "Union[slice, Sequence[int], NDArray[Any]]") -> "Masks": ...

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Masks(self._masks[index])
        if isinstance(index, (int, np.integer)):
            return self._masks[index]
        return Masks([self._masks[i] for i in np.arange(len(self))[np.asarray(index)].tolist()])

    def __iter__(self) -> Iterator[Mask]:
        return iter(self._masks)

    def to_array(self) -> "NDArray[np.bool_]":
        """All of them as bool [count, height, width]."""
        if not self._masks:
            return np.empty((0, 0, 0), np.bool_)
        array = np.empty((len(self), self._masks[0].height, self._masks[0].width), np.bool_)
        for index, mask in enumerate(self._masks):
            mask.write_to(array[index])
        return array

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> "NDArray[Any]":
        array = self.to_array()
        return array if dtype is None else array.astype(dtype, copy=False)

    def __repr__(self) -> str:
        return f"Masks({len(self)})"
