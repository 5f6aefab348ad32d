"""A small PNG encoder for test images: every colour type, depth, interlacing and any chunks."""
import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _rows(samples, depth):
    """samples [height, width, channels] -> filtered rows; filter types take turns."""
    height, width, channels = samples.shape
    if width == 0 or height == 0:
        return b""
    if depth == 16:
        packed = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    elif depth == 8:
        packed = samples.astype(np.uint8).reshape(height, -1)
    else:
        bits = (samples.reshape(height, -1, 1) >> np.arange(depth - 1, -1, -1)) & 1
        packed = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    step = max(1, channels * depth // 8)
    out = b""
    above = np.zeros(packed.shape[1], int)
    for y in range(height):
        row = packed[y].astype(int)
        left = np.concatenate([np.zeros(step, int), row[:-step]]) if step < len(row) else np.zeros(len(row), int)
        corner = np.concatenate([np.zeros(step, int), above[:-step]]) if step < len(row) else np.zeros(len(row), int)
        estimate = left + above - corner
        a, b, c = abs(estimate - left), abs(estimate - above), abs(estimate - corner)
        paeth = np.where((a <= b) & (a <= c), left, np.where(b <= c, above, corner))
        kind = y % 5
        predicted = [np.zeros(len(row), int), left, above, (left + above) // 2, paeth][kind]
        out += bytes([kind]) + ((row - predicted) & 255).astype(np.uint8).tobytes()
        above = row
    return out


def encode(samples, depth, color_type, interlaced=False, before=b"", after=b"", end=True):
    """samples: integers [height, width, channels]; `before` and `after`: chunks around IDAT."""
    height, width, channels = samples.shape
    assert channels == CHANNELS[color_type]
    if interlaced:
        rows = b"".join(_rows(samples[y0::dy, x0::dx], depth) for x0, y0, dx, dy in PASSES)
    else:
        rows = _rows(samples, depth)
    data = zlib.compress(rows, 9)
    half = len(data) // 2
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, int(interlaced))
    return (
        SIGNATURE + chunk(b"IHDR", header) + before + chunk(b"IDAT", data[:half]) + chunk(b"IDAT", data[half:])
        + after + (chunk(b"IEND", b"") if end else b"")
    )
