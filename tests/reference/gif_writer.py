"""A small GIF encoder for test images: palettes, interlacing, frames in a part of the canvas, extensions."""
import struct


def lzw(indices, bits):
    """Codes of one width only: a clear code often enough that the width never grows."""
    size = max(2, bits)
    clear, width = 1 << size, size + 1
    value, count, data = 0, 0, b""
    codes = []
    for i, index in enumerate(indices):
        if i % (clear - 2) == 0:
            codes.append(clear)
        codes.append(index)
    for code in [*codes, clear + 1]:
        value |= code << count
        count += width
        while count >= 8:
            data += bytes([value & 255])
            value >>= 8
            count -= 8
    if count:
        data += bytes([value & 255])
    chunks = [data[i:i + 255] for i in range(0, len(data), 255)]
    return bytes([size]) + b"".join(bytes([len(c)]) + c for c in chunks) + b"\0"


def control(transparent=None):
    return b"!\xf9\4" + bytes([transparent is not None, 10, 0, transparent or 0, 0])


def frame(samples, bits, at=(0, 0), palette=b"", interlaced=False):
    height, width = samples.shape
    order = list(range(height))
    if interlaced:
        order = [*range(0, height, 8), *range(4, height, 8), *range(2, height, 4), *range(1, height, 2)]
    flags = (0x80 | bits - 1 if palette else 0) | (0x40 if interlaced else 0)
    return b"," + struct.pack("<HHHHB", *at, width, height, flags) + palette + lzw(samples[order].ravel().tolist(), bits)


def encode(size, bits, palette, *parts, version=b"GIF89a", background=0):
    flags = 0x70 | (0x80 | bits - 1 if palette else 0)
    return version + struct.pack("<HHBBB", *size, flags, background, 0) + palette + b"".join(parts) + b";"
