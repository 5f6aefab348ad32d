"""Images as callers have them: paths, bytes of files, arrays, PIL images, tensors."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Tuple, Union

import numpy as np

from ._library import NULL, Held, call, encode_path, ffi, lib, view_of
from ._options import make

if TYPE_CHECKING:
    from numpy.typing import NDArray

Pixels = "NDArray[np.uint8]"
ImageLike = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, Any]


class Picture:
    """An image in memory as the library takes it: 8-bit RGB.

    `pixels` is an array [height, width, 3]: the caller's own, where nothing had to be converted. `name` is what
    messages call it.
    """

    __slots__ = ("pixels", "name")

    def __init__(self, pixels: "NDArray[np.uint8]", name: str = "") -> None:
        self.pixels = pixels
        self.name = name

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    def write_to(self, target: Any) -> None:
        """Fills a `struct sowlv2_image`, which is good as long as this object."""
        target.pixels = ffi.cast("const uint8_t *", self.pixels.__array_interface__["data"][0])
        target.height, target.width = self.pixels.shape[:2]
        target.stride = self.pixels.strides[0]


def decode(
    source: Union[str, "os.PathLike[str]", bytes, bytearray, memoryview],
    *,
    max_pixels: Optional[int] = None,
    allow_truncated: bool = False,
) -> "NDArray[np.uint8]":
    """Decodes an image file, given by its path or its bytes, as it is shown: EXIF orientation applied.

    Gives an array [height, width, 3] of uint8, R, G, B, over memory of the library. JPEG, PNG, TIFF, WebP, BMP, GIF;
    AVIF and HEIC where built in; the content decides, not the name.
    """
    options, _keep = make("sowlv2_image_options", {"max_pixels": max_pixels, "allow_truncated": allow_truncated})
    out = ffi.gc(ffi.new("struct sowlv2_decoded_image *"), lib.sowlv2_decoded_image_free)
    if isinstance(source, (bytes, bytearray, memoryview)):
        view = memoryview(source)
        data = view if view.contiguous else memoryview(view.tobytes())
        call(lib.sowlv2_image_decode, b"image", ffi.from_buffer(data), data.nbytes, options, out)
    else:
        path = encode_path(source, "image")
        call(lib.sowlv2_image_decode, path, NULL, 0, options, out, path=os.fsdecode(path))
    pixels: "NDArray[np.uint8]" = view_of(out.pixels, (int(out.image.height), int(out.image.width), 3), "|u1", out)
    return pixels


def _is_pil(value: Any) -> bool:
    return hasattr(value, "getbands") and hasattr(value, "convert")


def _as_array(value: Any) -> "NDArray[Any]":
    if isinstance(value, np.ndarray):
        return value
    if _is_pil(value):
        return np.asarray(value if value.mode == "RGB" else value.convert("RGB"))
    device = getattr(value, "__dlpack_device__", None)
    if device is not None and device()[0] not in (1, 3):  # the CPU's own memory, and what is pinned for a GPU
        raise TypeError("image: its memory is not the CPU's: give it as an array on the CPU (of torch: tensor.cpu())")
    if hasattr(value, "__array_interface__") or hasattr(value, "__array__"):
        return np.asarray(value)
    if device is not None and hasattr(np, "from_dlpack"):
        return np.from_dlpack(value)
    raise TypeError(
        "image: a path, the bytes of a file, a PIL image or an array [height, width, 3] of uint8 is needed, "
        f"not {type(value).__name__}"
    )


def _rgb(array: "NDArray[Any]") -> "NDArray[np.uint8]":
    """The array as [height, width, 3] with rows that the library can walk; itself where it is so already."""
    if array.dtype != np.uint8:
        raise TypeError(
            f"image: an array of uint8 is needed, not of {array.dtype}: for values from 0 to 1 "
            "give (255 * image).round().astype('uint8')"
        )
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        hint = ": give image.transpose(1, 2, 0)" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        raise ValueError(f"image: its shape is {array.shape}, [height, width, 3] is needed{hint}")
    if 0 in array.shape:
        raise ValueError(f"image: it is empty, its shape is {array.shape}")
    if array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    elif array.shape[2] == 4:
        array = array[:, :, :3]
    height, width = array.shape[:2]
    walkable = array.strides[2] == 1 and array.strides[1] == 3 and (height == 1 or array.strides[0] >= 3 * width)
    if not walkable or (height == 1 and array.strides[0] < 3 * width):
        array = np.ascontiguousarray(array)
    return array


def is_encoded(value: ImageLike) -> bool:
    """Whether it is a file, or the bytes of one, that has to be decoded."""
    if isinstance(value, (str, os.PathLike, bytes, bytearray)):
        return True
    return isinstance(value, memoryview) and value.ndim == 1


def picture_of(value: ImageLike, name: str = "") -> Picture:
    """The image behind whatever the caller gave. An array of uint8 [height, width, 3] is not copied."""
    if isinstance(value, Picture):
        return value
    if is_encoded(value):
        return Picture(decode(value), name or (os.fspath(value) if isinstance(value, (str, os.PathLike)) else ""))
    return Picture(_rgb(_as_array(value)), name)


def is_batch(value: Any) -> bool:
    """Whether several images were given: a list or tuple of them, or an array [count, height, width, channels]."""
    return isinstance(value, (list, tuple)) or (getattr(value, "ndim", 0) == 4 and not _is_pil(value))


def pictures_of(values: Any) -> Tuple[List[Picture], bool]:
    """The images, and whether it was one alone that was given."""
    if is_batch(values):
        return [picture_of(value) for value in values], False
    return [picture_of(values)], True


def c_images(pictures: Sequence[Picture]) -> Held:
    """An array of `struct sowlv2_image` for a call."""
    array = ffi.new("struct sowlv2_image[]", len(pictures))
    for index, picture in enumerate(pictures):
        picture.write_to(array[index])
    return Held(array, pictures)


def as_file_path(path: ImageLike) -> str:
    return os.fsdecode(encode_path(path, "path"))
