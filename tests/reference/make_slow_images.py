"""Writes tests/media/slow: small files that take long or much memory, for the tests of these limits. Needs heif-enc
(libheif-examples) beside the reference."""
import pathlib
import struct
import subprocess
import tempfile

import numpy as np
from PIL import Image

OUT = pathlib.Path(__file__).parent.parent / "media" / "slow"
SIDE, LAYERS = 4096, 3000


def box(kind, body, full=None):
    if full is not None:
        body = struct.pack(">I", full) + body
    return struct.pack(">I", 8 + len(body)) + kind + body


def boxes(data):
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8:at + size]
        at += size


def layered(tile, layers):
    """An overlay of `layers` times the one picture of the HEIC file `tile`."""
    meta = next(body for kind, body in boxes(tile) if kind == b"meta")[4:]
    properties = dict(boxes(dict(boxes(dict(boxes(meta))[b"iprp"]))[b"ipco"]))
    picture = next(body for kind, body in boxes(tile) if kind == b"mdat")
    overlay = struct.pack(">BB4HHH", 0, 0, 0, 0, 0, 65535, 64, 64) + bytes(4 * layers)

    def item(number, kind):
        return box(b"infe", struct.pack(">HH4sB", number, 0, kind, 0), 2 << 24)

    size = box(b"ispe", struct.pack(">II", 64, 64), 0)
    configuration = box(b"hvcC", properties[b"hvcC"]) + box(b"ispe", properties[b"ispe"])
    head = box(b"ftyp", b"heic\0\0\0\0mif1heic")

    def whole(place):
        places = b"".join(struct.pack(">HHHII", number, 0, 1, at, count)
                          for number, at, count in ((1, place, len(picture)), (2, place + len(picture), len(overlay))))
        return head + box(
            b"meta",
            box(b"hdlr", bytes(4) + b"pict" + bytes(13), 0) + box(b"pitm", struct.pack(">H", 2), 0) +
            box(b"iloc", struct.pack(">BBH", 0x44, 0, 2) + places, 0) +
            box(b"iinf", struct.pack(">H", 2) + item(1, b"hvc1") + item(2, b"iovl"), 0) +
            box(b"iref", box(b"dimg", struct.pack(">HH", 2, layers) + struct.pack(">H", 1) * layers), 0) +
            box(b"iprp", box(b"ipco", configuration + size) +
                box(b"ipma", struct.pack(">I", 2) + struct.pack(">HBBB", 1, 2, 0x81, 2) +
                    struct.pack(">HBB", 2, 1, 3), 0)), 0) + box(b"mdat", picture + overlay)

    place = len(whole(0)) - len(picture) - len(overlay)
    return whole(place)


def heic(picture):
    """What heif-enc makes of a Pillow image."""
    with tempfile.TemporaryDirectory() as folder:
        source, encoded = pathlib.Path(folder, "picture.png"), pathlib.Path(folder, "picture.heic")
        picture.save(source, compress_level=1)
        subprocess.run(["heif-enc", "-q", "1", "-p", "preset=ultrafast", "-o", encoded, source], check=True,
                       capture_output=True)
        return encoded.read_bytes()


def claiming(encoded, width, height):
    """The HEIC file with another size in the only "ispe" that it has; the stream in it stays."""
    head, tail = encoded.split(b"ispe\0\0\0\0")
    return head + b"ispe\0\0\0\0" + struct.pack(">II", width, height) + tail[8:]


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    flat = Image.new("RGB", (SIDE, SIDE), (120, 130, 90))
    noise = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(np.tile(noise, (SIDE // 16, SIDE // 16, 1))).save(OUT / "tiles.webp", lossless=True, method=0,
                                                                      quality=0)
    flat.save(OUT / "flat.avif", quality=1, speed=10)
    with tempfile.TemporaryDirectory() as folder:
        source, encoded = pathlib.Path(folder, "tile.png"), pathlib.Path(folder, "tile.heic")
        flat.crop((0, 0, 512, 512)).save(source)
        subprocess.run(["heif-enc", "-q", "1", "-o", encoded, source], check=True, capture_output=True)
        (OUT / "layers.heic").write_bytes(layered(encoded.read_bytes(), LAYERS))
    (OUT / "larger.heic").write_bytes(claiming(heic(flat), 64, 64))
    for path in sorted(OUT.iterdir()):
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
