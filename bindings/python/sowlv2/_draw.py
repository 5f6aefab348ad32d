"""Pictures of results: what was found drawn into the image, and PNG without any other package."""

from __future__ import annotations

import colorsys
import struct
import warnings
import zlib
from typing import TYPE_CHECKING, Any, List, Tuple

import numpy as np

from ._images import picture_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._results import Detections


def color_of(index: int) -> Tuple[int, int, int]:
    """A colour of its own for each object: hues a golden ratio apart."""
    red, green, blue = colorsys.hsv_to_rgb((0.04 + index * 0.61803398875) % 1, 0.75, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def png(pixels: "NDArray[np.uint8]") -> bytes:
    """A PNG file of an array [height, width, 3] or [height, width] of uint8."""
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + width * (3 if pixels.ndim == 3 else 1)), np.uint8)
    rows[:, 1:] = pixels.reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6))
        + chunk(b"IEND", b"")
    )


def _draw_box(canvas: "NDArray[np.uint8]", box: List[float], color: Tuple[int, int, int], thick: int) -> None:
    height, width = canvas.shape[:2]
    x0, y0, x1, y1 = (
        int(np.clip(round(value), 0, limit)) for value, limit in zip(box, (width, height, width, height))
    )
    if x1 <= x0 or y1 <= y0:
        return
    canvas[y0 : y0 + thick, x0:x1] = color
    canvas[max(y1 - thick, y0) : y1, x0:x1] = color
    canvas[y0:y1, x0 : x0 + thick] = color
    canvas[y0:y1, max(x1 - thick, x0) : x1] = color


def _draw_labels(canvas: "NDArray[np.uint8]", labels: List[Tuple[str, List[float], Tuple[int, int, int]]]) -> Any:
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        warnings.warn("labels are left out: they need Pillow: pip install pillow", stacklevel=4)
        return canvas
    image = Image.fromarray(canvas)
    draw = ImageDraw.Draw(image)
    size = max(12, min(canvas.shape[:2]) // 32)
    try:
        font: Any = ImageFont.load_default(size)
    except TypeError:  # Pillow before 10.1
        font = ImageFont.load_default()
    for text, box, color in labels:
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        x = min(max(box[0], 0), max(canvas.shape[1] - (right - left) - 4, 0))
        y = max(box[1] - (bottom - top) - 6, 0)
        draw.rectangle((x, y, x + (right - left) + 4, y + (bottom - top) + 6), fill=color)
        draw.text((x + 2 - left, y + 3 - top), text, fill=(0, 0, 0), font=font)
    return np.asarray(image)


def plot(image: Any, found: "Detections", *, boxes: bool, masks: bool, labels: bool) -> "NDArray[np.uint8]":
    """See Detections.plot()."""
    canvas = picture_of(image).pixels.copy()
    thick = max(1, min(canvas.shape[:2]) // 300)
    texts = []
    for index, item in enumerate(found):
        color = color_of(index)
        if masks and item.mask is not None and item.mask.array.shape == canvas.shape[:2]:
            where = item.mask.array
            canvas[where] = (canvas[where].astype(np.uint16) + np.array(color, np.uint16)) // 2
        if not np.all(np.isfinite(item.box)):
            continue
        if boxes:
            _draw_box(canvas, list(item.box), color, thick)
        if labels and item.label:
            texts.append((f"{item.label} {item.score:.2f}", list(item.box), color))
    return _draw_labels(canvas, texts) if texts else canvas
