"""A small baseline JPEG encoder for test images: any sampling factors, component numbers and markers.

Pillow writes only a few of the kinds that cameras and programs produce.
"""
import struct

import numpy as np

ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8))


def _dct_matrix():
    k, n = np.mgrid[0:8, 0:8]
    matrix = np.cos((2 * n + 1) * k * np.pi / 16) / 2
    matrix[0] /= np.sqrt(2)
    return matrix


DCT = _dct_matrix()


def segment(marker, data=b""):
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


class Bits:
    def __init__(self):
        self.out = bytearray()
        self.value = self.count = 0

    def put(self, value, count):
        self.value = self.value << count | value
        self.count += count
        while self.count >= 8:
            byte = self.value >> (self.count - 8) & 255
            self.out.append(byte)
            if byte == 255:
                self.out.append(0)
            self.count -= 8
        self.value &= (1 << self.count) - 1

    def finish(self):
        if self.count:
            self.put((1 << (8 - self.count)) - 1, 8 - self.count)
        done, self.out = bytes(self.out), bytearray()
        return done


# Eight-bit codes for everything; the first twelve are also those of the DC differences.
SYMBOLS = [(run << 4) | size for run in range(16) for size in range(12)]
HUFFMAN = {symbol: (i, 8) for i, symbol in enumerate(SYMBOLS)}


def _table(symbols):
    return bytes([0] * 7 + [len(symbols)] + [0] * 8) + bytes(symbols)



def _number(bits, symbol_high, value):
    size = int(abs(value)).bit_length()
    bits.put(*HUFFMAN[symbol_high << 4 | size])
    if size:
        bits.put(value if value > 0 else value + (1 << size) - 1, size)


def _block(bits, block, previous):
    _number(bits, 0, int(block[0]) - previous)
    run = 0
    last = max((i for i in range(1, 64) if block[i]), default=0)
    for i in range(1, last + 1):
        if block[i] == 0:
            run += 1
            continue
        while run > 15:
            bits.put(*HUFFMAN[0xF0])
            run -= 16
        _number(bits, run, int(block[i]))
        run = 0
    if last < 63:
        bits.put(*HUFFMAN[0])
    return int(block[0])


def encode(planes, sampling, ids=None, quality_step=3, markers=b"", restart=0, frame=0xC0, precision=8):
    """planes: one full-size uint8 [height, width] array a component, which `sampling`, a list of
    (horizontal, vertical) factors, says how to shrink."""
    height, width = planes[0].shape
    ids = ids or list(range(1, len(planes) + 1))
    h_max, v_max = max(h for h, _ in sampling), max(v for _, v in sampling)
    single = len(planes) == 1
    mcus_x = -(-width // (8 * (1 if single else h_max)))
    mcus_y = -(-height // (8 * (1 if single else v_max)))
    quant = np.array([quality_step * (1 + i // 8) for i in range(64)], int)  # in zigzag order

    blocks = []
    for plane, (h, v) in zip(planes, sampling):
        if single:
            h = v = h_max = v_max = 1
        big = np.pad(plane, ((0, mcus_y * 8 * v_max - height), (0, mcus_x * 8 * h_max - width)), "edge").astype(float)
        rows = (np.arange(mcus_y * 8 * v) * v_max) // v
        cols = (np.arange(mcus_x * 8 * h) * h_max) // h
        small = big[rows][:, cols] - 128
        tiles = small.reshape(mcus_y * v, 8, mcus_x * h, 8).transpose(0, 2, 1, 3)
        spectrum = (DCT @ tiles @ DCT.T).reshape(mcus_y * v, mcus_x * h, 64)[..., ZIGZAG]
        blocks.append((np.rint(spectrum / quant).astype(int), h, v))

    bits, scan, done = Bits(), b"", 0
    previous = [0] * len(planes)
    for my in range(mcus_y):
        for mx in range(mcus_x):
            if restart and done and done % restart == 0:
                scan += bits.finish() + bytes([0xFF, 0xD0 + (done // restart - 1) % 8])
                previous = [0] * len(planes)
            for c, (spectrum, h, v) in enumerate(blocks):
                for y in range(v):
                    for x in range(h):
                        previous[c] = _block(bits, spectrum[my * v + y, mx * h + x], previous[c])
            done += 1
    scan += bits.finish()

    components = b"".join(bytes([i, h << 4 | v, 0]) for i, (h, v) in zip(ids, sampling))
    return (
        b"\xff\xd8" + markers
        + segment(0xDB, b"\0" + bytes(int(q) for q in quant))
        + segment(frame, struct.pack(">BHHB", precision, height, width, len(planes)) + components)
        + segment(0xC4, b"\0" + _table(SYMBOLS[:12]) + b"\x10" + _table(SYMBOLS))
        + (segment(0xDD, struct.pack(">H", restart)) if restart else b"")
        + segment(0xDA, bytes([len(planes)]) + b"".join(bytes([i, 0]) for i in ids) + b"\0\x3f\0")
        + scan + b"\xff\xd9"
    )
