"""A small TIFF encoder for test images: any layout of samples, in strips or tiles, plain or deflated."""
import struct
import zlib

import numpy as np

TYPES = {"B": 1, "H": 3, "I": 4, "Q": 16}


def pack(samples, bits, order, kind="u"):
    """samples [height, width, channels] to rows of packed bytes."""
    height = samples.shape[0]
    if bits in (16, 32):
        return samples.astype(f"{order}{kind}{bits // 8}").reshape(height, -1).tobytes()
    if bits == 8:
        return samples.astype(np.uint8).tobytes()
    spread = (samples.reshape(height, -1, 1).astype(int) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(spread.reshape(height, -1).astype(np.uint8), axis=1).tobytes()


def blocks(samples, rows, tile):
    """The strips or tiles of one plane; tiles at the edges are filled up with their last pixels."""
    height, width = samples.shape[:2]
    if not tile:
        return [samples[y:y + rows] for y in range(0, height, rows)]
    full = np.pad(samples, ((0, -height % tile[1]), (0, -width % tile[0]), (0, 0)), "edge")
    return [full[y:y + tile[1], x:x + tile[0]] for y in range(0, height, tile[1]) for x in range(0, width, tile[0])]


def encode(samples, bits=8, photometric=2, order="<", rows=1000, tile=None, planar=1, deflate=False, extra=(),
           kind="u", sample_format=None, tags=(), fill=1, big=False, pages=1, predictor=1):
    """`tags` are (number, type letter, values) more; `big` makes a BigTIFF; pages repeat the picture."""
    height, width, channels = samples.shape
    planes = [samples] if planar == 1 else [samples[..., c:c + 1] for c in range(channels)]
    parts = [pack(block, bits, order, kind) for plane in planes for block in blocks(plane, rows, tile)]
    if predictor == 2:
        parts = [np.diff(b, axis=1, prepend=0 * b[:, :1]).astype(np.uint8).tobytes() for p in planes
                 for b in blocks(p.astype(np.uint8), rows, tile)]
    if fill == 2:
        parts = [bytes(int(f"{b:08b}"[::-1], 2) for b in part) for part in parts]
    if deflate:
        parts = [zlib.compress(part) for part in parts]
    word, start = ("Q", 16) if big else ("I", 8)
    data, offsets = b"", []
    for part in parts:
        offsets.append(start + len(data))
        data += part + b"\0" * (len(part) % 2)
    entries = [
        (256, "I", [width]), (257, "I", [height]), (258, "H", [bits] * channels), (259, "H", [8 if deflate else 1]),
        (266, "H", [fill]), (277, "H", [channels]), (284, "H", [planar]), *tags,
        (324 if tile else 273, word, offsets), (325 if tile else 279, word, [len(p) for p in parts]),
    ]
    if photometric is not None:
        entries.append((262, "H", [photometric]))
    entries += [(322, "I", [tile[0]]), (323, "I", [tile[1]])] if tile else [(278, "I", [min(rows, height)])]
    if extra:
        entries.append((338, "H", list(extra)))
    if sample_format:
        entries.append((339, "H", [sample_format] * channels))
    if predictor != 1:
        entries.append((317, "H", [predictor]))
    entries.sort(key=lambda entry: entry[0])
    out = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    out += struct.pack(order + "HH", 8, 0) if big else b""
    out += struct.pack(order + word, start + len(data)) + data
    for page in range(pages):
        out += directory(entries, order, big, len(out), page + 1 < pages)
    return out


def directory(entries, order, big, at, more):
    word, room, step = ("Q", 8, 20) if big else ("I", 4, 12)
    head = struct.pack(order + ("Q" if big else "H"), len(entries))
    tail_at = at + len(head) + step * len(entries) + room
    body, tail = b"", b""
    for number, letter, values in entries:
        raw = values if isinstance(values, bytes) else b"".join(struct.pack(order + letter, v) for v in values)
        count = len(raw) // struct.calcsize(letter)
        if len(raw) > room:
            value = struct.pack(order + word, tail_at + len(tail))
            tail += raw + b"\0" * (len(raw) % 2)
        else:
            value = raw.ljust(room, b"\0")
        body += struct.pack(order + "HH" + word, number, TYPES[letter], count) + value
    following = tail_at + len(tail) if more else 0
    return head + body + struct.pack(order + word, following) + tail
