"""A small BMP encoder for test images: headers, depths, palettes, bit fields, run lengths."""
import struct

import numpy as np


def pack_rows(samples, bits):
    """samples [height, width] of `bits` each, or [height, width, bytes], to rows padded to four bytes."""
    height, width = samples.shape[:2]
    if bits >= 8:
        rows = samples.astype(np.uint8).reshape(height, -1)
    else:
        spread = (samples[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        rows = np.packbits(spread.reshape(height, -1).astype(np.uint8), axis=1)
    return b"".join(row.tobytes().ljust((width * bits + 31) // 32 * 4, b"\0") for row in rows)


def encode(width, height, bits, pixels, palette=b"", header=40, compression=0, masks=(), colours=0, top_down=False,
           offset=None):
    """`pixels` are rows as stored, `palette` its bytes, `masks` 32-bit values."""
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, width, -height if top_down else height, 1, bits, compression,
                           len(pixels), 2835, 2835, colours, 0)
        if header > 40:
            info += b"".join(struct.pack("<I", m) for m in masks)
            info = info.ljust(header, b"\0")
    after = b"".join(struct.pack("<I", m) for m in masks) if header == 40 else b""
    at = 14 + len(info) + len(after) + len(palette) if offset is None else offset
    size = 14 + len(info) + len(after) + len(palette) + len(pixels)
    return b"BM" + struct.pack("<IHHI", size, 0, 0, at) + info + after + palette + pixels


def runs(samples, bits, delta=None):
    """Run-length data of samples [height, width], bottom row first: runs and literals take turns.

    `delta` (row, count) leaves `count` pixels at the start of a row out by a jump."""
    data = b""
    for y, row in enumerate(samples[::-1]):
        x = 0
        if delta and delta[0] == y:
            data += bytes([0, 2, delta[1], 0])
            x = delta[1]
        while x < len(row):
            n = 1
            while x + n < len(row) and row[x + n] == row[x] and n < 200:
                n += 1
            if n == 1 and len(row) - x >= 5:
                part = row[x:x + 5]
                if bits == 8:
                    data += bytes([0, 5]) + bytes(part.tolist()) + b"\0"
                else:
                    p = part.tolist()
                    data += bytes([0, 5, p[0] << 4 | p[1], p[2] << 4 | p[3], p[4] << 4, 0])
                x += 5
                continue
            data += bytes([n, row[x] if bits == 8 else row[x] << 4 | row[x]])
            x += n
        data += b"\0\0"
    return data[:-2] + b"\0\1"
