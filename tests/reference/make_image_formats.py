"""The test images of make_images.py that are no JPEG or PNG, and those that need an encoder beside Pillow."""
import io
import shutil
import struct
import subprocess
import zlib

import numpy as np
from PIL import Image, TiffImagePlugin

import bmp_writer
import gif_writer
import tiff_writer

# Where pixels cannot be Pillow's: the largest difference, and why.
YCC = (1, "Pillow converts plain YCbCr with tables of its own, coarser than libtiff's")
HEIC = (1, "Pillow reads no HEIC: what pillow-heif reads, whose newer libheif rounds 4:2:0 differently")


def saved(pixels, kind, mode="RGB", **options):
    stream = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels).convert(mode)
    image.save(stream, kind, **options)
    return stream.getvalue()


def arithmetic(pillow_jpegs):
    """JPEG with arithmetic coding, which Pillow reads but cannot write: through jpegtran."""
    if not shutil.which("jpegtran"):
        raise SystemExit("jpegtran is needed: install libjpeg-turbo-progs")
    for name, data in pillow_jpegs:
        for kind, more in (("", []), ("_progressive", ["-progressive"]), ("_restarts", ["-restart", "1"])):
            out = subprocess.run(["jpegtran", "-arithmetic", *more], input=data, capture_output=True, check=True).stdout
            yield f"arithmetic_{name}{kind}.jpg", out


def bmps(picture, rng):
    rgb = picture(9, 13, seed=2)
    height, width, _ = rgb.shape
    index = rgb[..., 0].astype(int)
    flipped = rgb[::-1]

    def palette(count, size=4):
        entries = rng.integers(0, 256, (count, size), dtype=np.uint8)
        return entries.tobytes()

    bgr = bmp_writer.pack_rows(flipped[..., ::-1], 24)
    yield "rgb24.bmp", bmp_writer.encode(width, height, 24, bgr)
    yield "top_down.bmp", bmp_writer.encode(width, height, 24, bmp_writer.pack_rows(rgb[..., ::-1], 24), top_down=True)
    yield "os2_24.bmp", bmp_writer.encode(width, height, 24, bgr, header=12)
    for header in (52, 56, 64, 108, 124):
        yield f"header{header}.bmp", bmp_writer.encode(width, height, 24, bgr, header=header)
    for bits in (1, 4, 8):
        rows = bmp_writer.pack_rows(index[::-1] >> (8 - bits), bits)
        yield f"palette{bits}.bmp", bmp_writer.encode(width, height, bits, rows, palette(1 << bits))
        yield f"os2_{bits}.bmp", bmp_writer.encode(width, height, bits, rows, palette(1 << bits, 3), header=12)
    rows = bmp_writer.pack_rows(index[::-1] % 100, 8)
    yield "palette_100.bmp", bmp_writer.encode(width, height, 8, rows, palette(100), colours=100)
    yield "palette_gap.bmp", bmp_writer.encode(width, height, 8, b"\0" * 7 + rows, palette(100), colours=100,
                                               offset=14 + 40 + 400 + 7)
    greys = bytes(v for i in range(256) for v in (i, i, i, 0))
    yield "grey8.bmp", bmp_writer.encode(width, height, 8, bmp_writer.pack_rows(index[::-1], 8), greys)
    yield "grey_100.bmp", bmp_writer.encode(width, height, 8, bmp_writer.pack_rows(index[::-1], 8), greys[:400],
                                            colours=100)
    yield "black_white.bmp", bmp_writer.encode(width, height, 1, bmp_writer.pack_rows(index[::-1] >> 7, 1),
                                               b"\0\0\0\0\xff\xff\xff\0")
    words = rng.integers(0, 65536, (height, width)).astype("<u2").view(np.uint8).reshape(height, width, 2)
    rows = bmp_writer.pack_rows(words, 16)
    yield "rgb555.bmp", bmp_writer.encode(width, height, 16, rows)
    yield "rgb555_masks.bmp", bmp_writer.encode(width, height, 16, rows, compression=3, masks=(0x7C00, 0x3E0, 0x1F))
    yield "rgb565.bmp", bmp_writer.encode(width, height, 16, rows, compression=3, masks=(0xF800, 0x7E0, 0x1F))
    longs = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
    rows = bmp_writer.pack_rows(longs, 32)
    yield "rgb32.bmp", bmp_writer.encode(width, height, 32, rows)
    for i, masks in enumerate([
            (0xFF0000, 0xFF00, 0xFF, 0), (0xFF000000, 0xFF0000, 0xFF00, 0), (0xFF000000, 0xFF00, 0xFF, 0),
            (0xFF000000, 0xFF0000, 0xFF00, 0xFF), (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
            (0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0, 0, 0, 0)]):
        yield f"masks32_{i}.bmp", bmp_writer.encode(width, height, 32, rows, compression=3, header=124, masks=masks)
    yield "masks24.bmp", bmp_writer.encode(width, height, 24, bgr, compression=3, masks=(0xFF0000, 0xFF00, 0xFF))
    blobs = np.repeat(rng.integers(0, 256, (height, 5)), 3, axis=1)[:, :width]
    blobs[3, :] = np.arange(width) * 7
    yield "rle8.bmp", bmp_writer.encode(width, height, 8, bmp_writer.runs(blobs, 8), palette(256), compression=1)
    yield "rle8_jump.bmp", bmp_writer.encode(width, height, 8, bmp_writer.runs(blobs, 8, delta=(2, 4)), palette(256),
                                             compression=1)
    blobs = blobs % 16
    yield "rle4.bmp", bmp_writer.encode(width, height, 4, bmp_writer.runs(blobs, 4), palette(16), compression=2)


def gifs(picture, rng):
    rgb = picture(11, 14, seed=3)
    height, width, _ = rgb.shape
    index = rgb[..., 1].astype(int)

    def palette(bits):
        return rng.integers(0, 256, 3 << bits, dtype=np.uint8).tobytes()

    for bits in (1, 2, 4, 8):
        yield f"bits{bits}.gif", gif_writer.encode(
            (width, height), bits, palette(bits), gif_writer.frame(index >> (8 - bits), bits))
    eight = palette(8)
    yield "interlaced.gif", gif_writer.encode(
        (width, height), 8, eight, gif_writer.frame(index, 8, interlaced=True))
    for rows in (1, 2, 3, 5):
        yield f"interlaced_{rows}.gif", gif_writer.encode(
            (width, rows), 8, eight, gif_writer.frame(index[:rows], 8, interlaced=True))
    yield "local.gif", gif_writer.encode((width, height), 4, palette(4), gif_writer.frame(
        index >> 4, 4, palette=palette(4)))
    yield "local_only.gif", gif_writer.encode((width, height), 8, b"", gif_writer.frame(index, 8, palette=eight))
    yield "no_palette.gif", gif_writer.encode((width, height), 8, b"", gif_writer.frame(index, 8))
    greys = bytes(v for i in range(256) for v in (i, i, i))
    yield "greys.gif", gif_writer.encode((width, height), 8, greys, gif_writer.frame(index, 8))
    yield "transparent.gif", gif_writer.encode(
        (width, height), 8, eight, gif_writer.control(int(index[4, 4])), gif_writer.frame(index, 8))
    small = index[:5, :6]
    yield "part.gif", gif_writer.encode((width, height), 8, eight, gif_writer.frame(small, 8, at=(3, 2)), background=9)
    yield "part_transparent.gif", gif_writer.encode(
        (width, height), 8, eight, gif_writer.control(77), gif_writer.frame(small, 8, at=(3, 2)))
    yield "beyond_canvas.gif", gif_writer.encode((4, 3), 8, eight, gif_writer.frame(small, 8, at=(1, 2)))
    yield "gif87.gif", gif_writer.encode((width, height), 8, eight, gif_writer.frame(index, 8), version=b"GIF87a")
    yield "comment.gif", gif_writer.encode(
        (width, height), 8, eight, b"!\xfe\5hello\0", b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0", gif_writer.frame(index, 8))
    yield "animation.gif", gif_writer.encode(
        (width, height), 8, eight, gif_writer.control(), gif_writer.frame(index, 8), gif_writer.control(),
        gif_writer.frame(255 - index, 8))
    yield "pillow.gif", saved(rgb, "GIF")
    yield "pillow_large.gif", saved(picture(40, 50, seed=4), "GIF")


def tiffs(picture, rng):
    rgb = picture(19, 23, seed=5)
    grey = rgb[..., :1]
    wide = np.clip(rgb.astype(int) * 257 + rng.integers(-99, 99, rgb.shape), 0, 65535)
    alpha = np.concatenate([rgb, 255 - grey], -1)
    write = tiff_writer.encode
    for name, order in (("le", "<"), ("be", ">")):
        yield f"rgb_{name}.tif", write(rgb, order=order)
        yield f"rgb16_{name}.tif", write(wide, bits=16, order=order)
        yield f"grey16_{name}.tif", write(wide[..., :1] // 150, bits=16, photometric=1, order=order)
        yield f"strips_{name}.tif", write(rgb, rows=4, order=order)
        yield f"tiles_{name}.tif", write(rgb, tile=(16, 16), order=order)
        yield f"deflate_{name}.tif", write(rgb, rows=5, deflate=True, order=order)
    for photometric in (0, 1):
        for bits in (1, 2, 4, 8):
            yield f"grey{bits}_{photometric}.tif", write(grey >> (8 - bits), bits=bits, photometric=photometric)
        yield f"grey_fill_{photometric}.tif", write(grey >> 7, bits=1, photometric=photometric, fill=2)
    yield "no_photometric.tif", write(grey >> 7, bits=1, photometric=None)
    yield "grey12.tif", write(grey.astype(int) * 2, bits=12, photometric=1)
    yield "grey16_white.tif", write(wide[..., :1] // 150, bits=16, photometric=0)
    yield "grey16_signed.tif", write(grey.astype(int) * 3 - 200, bits=16, photometric=1, kind="i", sample_format=2)
    yield "grey32.tif", write(grey.astype(int) * 3 - 200, bits=32, photometric=1, kind="i", sample_format=2)
    yield "grey32_float.tif", write(grey * 1.7 - 50.3, bits=32, photometric=1, kind="f", sample_format=3)
    yield "grey_alpha.tif", write(alpha[..., 2:], photometric=1, extra=(2,))
    yield "grey_more.tif", write(alpha[..., 2:], photometric=1, extra=(0,))
    for extra in (0, 1, 2):
        yield f"rgba_{extra}.tif", write(alpha, extra=(extra,))
    yield "rgba_premultiplied16.tif", write(alpha.astype(int) * 257, bits=16, extra=(1,))
    yield "rgba_unsaid.tif", write(alpha)
    yield "cmyk.tif", write(alpha, photometric=5)
    yield "cmyk16.tif", write(alpha.astype(int) * 257, bits=16, photometric=5)
    yield "cmyk_more.tif", write(np.concatenate([alpha, grey], -1), photometric=5, extra=(0,))
    for bits in (1, 2, 4, 8):
        colours = rng.integers(0, 65536, 3 << bits).tolist()
        yield f"palette{bits}.tif", write(grey >> (8 - bits), bits=bits, photometric=3, tags=[(320, "H", colours)])
    yield "palette_alpha.tif", write(alpha[..., 2:], photometric=3, extra=(2,), tags=[(320, "H", colours)])
    yield "planes.tif", write(rgb, planar=2, rows=6)
    yield "planes_deflate.tif", write(rgb, planar=2, rows=6, deflate=True)
    yield "planes16.tif", write(wide, bits=16, planar=2, deflate=True)
    yield "planes_cmyk.tif", write(alpha, photometric=5, planar=2)
    yield "tiles_deflate.tif", write(rgb, tile=(32, 16), deflate=True)
    yield "tiles_grey1.tif", write(grey >> 7, bits=1, photometric=1, tile=(16, 16))
    yield "predictor.tif", write(rgb, deflate=True, predictor=2, rows=7)
    yield "big_tiff.tif", write(rgb, big=True)
    yield "one_pixel.tif", write(rgb[:1, :1])
    yield "pages.tif", write(rgb, pages=3)
    for orientation in range(1, 9):
        yield f"exif_{orientation}.tif", write(rgb[:5, :7], tags=[(274, "H", [orientation])])
    for name in ("lzw", "packbits", "tiff_deflate", "tiff_adobe_deflate"):
        kind = {"lzw": "tiff_lzw"}.get(name, name)
        yield f"{name}.tif", saved(rgb, "TIFF", compression=kind)
    yield "lzw_predictor.tif", saved(rgb, "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    yield "lzw_16.tif", saved(Image.fromarray((wide[..., 0] // 150).astype(np.uint16)), "TIFF", compression="tiff_lzw")
    yield "lzma.tif", saved(rgb, "TIFF", compression="lzma")
    yield "zstd.tif", saved(rgb, "TIFF", compression="zstd")
    for name in ("group3", "group4", "tiff_ccitt"):
        yield f"{name}.tif", saved(Image.fromarray(rgb).convert("1"), "TIFF", compression=name)
    for name, mode in (("jpeg", "RGB"), ("jpeg_ycc", "YCbCr"), ("jpeg_grey", "L"), ("jpeg_cmyk", "CMYK")):
        yield f"{name}.tif", saved(Image.fromarray(rgb).convert(mode), "TIFF", compression="jpeg", quality=80)
    yield "ycc.tif", saved(Image.fromarray(rgb).convert("YCbCr"), "TIFF")
    ycc = np.asarray(Image.fromarray(rgb[:18, :22]).convert("YCbCr")).astype(int)
    groups = []
    for y in range(0, 18, 2):
        for x in range(0, 22, 2):
            block = ycc[y:y + 2, x:x + 2]
            groups += [*block[..., 0].ravel(), round(block[..., 1].mean()), round(block[..., 2].mean())]
    yield "ycc_420.tif", ycc_subsampled(bytes(groups), 22, 18)
    yield "pillow.tif", saved(rgb, "TIFF")
    yield "pillow_grey.tif", saved(Image.fromarray(rgb).convert("L"), "TIFF")
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[274] = 6
    yield "lzw_turned.tif", saved(rgb, "TIFF", compression="tiff_lzw", tiffinfo=info)


def ycc_subsampled(data, width, height):
    """YCbCr with 2 x 2 subsampling outside of JPEG, which the encoders at hand do not write."""
    data = zlib.compress(data)
    entries = [
        (256, "I", [width]), (257, "I", [height]), (258, "H", [8, 8, 8]), (259, "H", [8]), (262, "H", [6]),
        (273, "I", [8]), (277, "H", [3]), (278, "I", [height]), (279, "I", [len(data)]), (284, "H", [1]),
        (530, "H", [2, 2]), (531, "H", [1]),
    ]
    head = b"II*\0" + struct.pack("<I", 8 + len(data)) + data
    return head + tiff_writer.directory(entries, "<", False, len(head), False)


def webps(picture, make_exif):
    rgb = picture(17, 21, seed=6)
    alpha = Image.fromarray(np.concatenate([rgb, 255 - rgb[..., :1]], -1))
    for quality in (20, 80, 100):
        yield f"quality_{quality}.webp", saved(rgb, "WEBP", quality=quality)
    yield "lossless.webp", saved(rgb, "WEBP", lossless=True)
    yield "lossless_palette.webp", saved(rgb // 128 * 127, "WEBP", lossless=True)
    yield "lossless_grey.webp", saved(np.repeat(rgb[..., :1], 3, -1), "WEBP", lossless=True)
    yield "alpha.webp", saved(alpha, "WEBP", quality=70)
    yield "alpha_lossless.webp", saved(alpha, "WEBP", lossless=True, exact=True)
    yield "one_pixel.webp", saved(rgb[:1, :1], "WEBP")
    yield "large.webp", saved(picture(70, 90, seed=8), "WEBP", quality=60)
    yield "animation.webp", saved(Image.fromarray(rgb), "WEBP", save_all=True, duration=50, lossless=True,
                                  append_images=[Image.fromarray(255 - rgb)])
    yield "animation_lossy.webp", saved(Image.fromarray(rgb), "WEBP", save_all=True, duration=50,
                                        append_images=[Image.fromarray(255 - rgb)])
    yield "part.webp", webp_part(saved(rgb[:6, :8], "WEBP", lossless=True), (21, 17), (4, 6), (8, 6))
    for orientation in range(1, 9):
        yield f"exif_{orientation}.webp", saved(rgb[:5, :7], "WEBP", lossless=True, exif=make_exif(orientation))
    yield "exif_marked.webp", saved(rgb[:5, :7], "WEBP", lossless=True, exif=b"Exif\0\0" + make_exif(6))
    yield "xmp.webp", saved(rgb[:5, :7], "WEBP", lossless=True, xmp=b'<x tiff:Orientation="8"/>')


def webp_part(simple, canvas, at, size):
    """An animation of one frame that does not cover its canvas."""
    def chunk(kind, data):
        return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    def triple(value):
        return struct.pack("<I", value)[:3]

    place = triple(at[0] // 2) + triple(at[1] // 2) + triple(size[0] - 1) + triple(size[1] - 1) + triple(50) + b"\0"
    body = b"WEBP" + chunk(b"VP8X", b"\x12\0\0\0" + triple(canvas[0] - 1) + triple(canvas[1] - 1))
    body += chunk(b"ANIM", b"\xff\x20\x40\x60\0\0") + chunk(b"ANMF", place + simple[12:])
    return b"RIFF" + struct.pack("<I", len(body)) + body


def avifs(picture, make_exif):
    rgb = picture(18, 26, seed=7)
    for sampling in ("4:4:4", "4:2:2", "4:2:0", "4:0:0"):
        yield f"sampling_{sampling.replace(':', '')}.avif", saved(rgb, "AVIF", subsampling=sampling, quality=80, speed=8)
    yield "lossless.avif", saved(rgb, "AVIF", quality=100, speed=8)
    yield "limited.avif", saved(rgb, "AVIF", range="limited", quality=80, speed=8)
    alpha = Image.fromarray(np.concatenate([rgb, 255 - rgb[..., :1]], -1))
    yield "alpha.avif", saved(alpha, "AVIF", quality=80, speed=8)
    yield "animation.avif", saved(Image.fromarray(rgb), "AVIF", save_all=True, speed=8,
                                  append_images=[Image.fromarray(255 - rgb)])
    for orientation in range(1, 9):
        yield f"exif_{orientation}.avif", saved(rgb[:8, :12], "AVIF", exif=make_exif(orientation), speed=8)


def heics(picture):
    """(name, bytes, pixels); needs pillow-heif, which pins no part of the reference."""
    import pillow_heif

    rgb = picture(64, 70, seed=9)
    for name, options in {"quality_80": {"quality": 80}, "full_444": {"quality": 90, "chroma": 444},
                          "lossless": {"quality": -1, "chroma": 444, "matrix_coefficients": 0}}.items():
        stream = io.BytesIO()
        pillow_heif.from_pillow(Image.fromarray(rgb)).save(stream, **options)
        yield f"{name}.heic", stream
    exif = Image.Exif()
    exif[274] = 6
    stream = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(rgb)).save(stream, quality=80, exif=exif.tobytes())
    yield "turned.heic", stream


def heic_pixels(stream):
    import pillow_heif

    return np.asarray(pillow_heif.open_heif(stream, convert_hdr_to_8bit=True).to_pillow().convert("RGB"))
