#!/usr/bin/env python3
"""Writes tests/media/data: small images of every kind, and the pixels that Pillow reads from them.

    python tests/reference/make_images.py

Where Pillow refuses a file that is fine, or sees it black, its pixels are those of another file that must look alike.
expected.txt has one line a file, "name width height offset tolerance reason": its pixels, 8-bit RGB, begin at
that offset of expected.rgb; the tolerance is 0 except where the reason says why it cannot be. invalid.txt has
"name error": files that must be refused. Needs jpegtran (libjpeg-turbo-progs) and pillow-heif beside the reference.
"""
import io
import os
import pathlib
import struct
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

import jpeg_writer
import make_image_formats
import bmp_writer
import gif_writer
import png_writer
import tiff_writer
from jpeg_writer import segment
from png_writer import chunk

warnings.simplefilter("ignore")
OUT = pathlib.Path(__file__).resolve().parent.parent / "media" / "data"
rng = np.random.default_rng(20)


def picture(height, width, seed=0):
    """Smooth colours with edges: what subsampling and quantisation treat unequally."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    planes = []
    for c in range(3):
        wave = 128 + 90 * np.sin(x / (3.0 + c) + seed + c) * np.cos(y / (4.0 - c) + 2 * c)
        wave[(x - width / 2) ** 2 + (y - height / 3) ** 2 < (height / 4) ** 2] = (230, 40, 120)[c]
        planes.append(wave + rng.normal(0, 6, wave.shape))
    return np.clip(np.rint(np.stack(planes, -1)), 0, 255).astype(np.uint8)


def tiff(orientation, order="<", kind=3, count=1, value=None, entries=(), header=None, tail=b""):
    """An EXIF directory with an Orientation after `entries`."""
    head = header or (b"II*\0" if order == "<" else b"MM\0*")
    formats = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}
    value = value if value is not None else struct.pack(order + formats[kind], orientation)
    rows = [*entries, struct.pack(order + "HHI", 0x0112, kind, count) + value.ljust(4, b"\0")]
    return head + struct.pack(order + "IH", 8, len(rows)) + b"".join(rows) + struct.pack(order + "I", 0) + tail


def exif(*args, **kwargs):
    return segment(0xE1, b"Exif\0\0" + tiff(*args, **kwargs))


def xmp_packet(orientation, element=False):
    name = b"tiff:Orientation"
    inner = b">" + str(orientation).encode() + b"</" + name + b">" if element else b'="%d"' % orientation
    return b"<x:xmpmeta><rdf:Description " + name + inner + b"/></x:xmpmeta>"


def xmp(*args, **kwargs):
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp_packet(*args, **kwargs))


def itxt(key, text, compressed=False):
    return chunk(b"iTXt", key + bytes([0, compressed, 0, 0, 0]) + (zlib.compress(text) if compressed else text))


def profile(orientation):
    data = b"Exif\0\0" + tiff(orientation)
    digits = data.hex()
    lines = "\n".join(digits[i:i + 72] for i in range(0, len(digits), 72))
    return f"\nexif\n{len(data):8}\n{lines}\n".encode()


def pillow(pixels, mode="RGB", **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, "JPEG", **options)
    return stream.getvalue()


def ycc(rgb):
    return list(np.asarray(Image.fromarray(rgb).convert("YCbCr")).transpose(2, 0, 1))


JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")


def adobe(transform):
    return segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))


def jpegs():
    rgb = picture(27, 35)
    planes, colours = ycc(rgb), list(rgb.transpose(2, 0, 1))
    for quality in (30, 75, 95, 100):
        yield f"quality_{quality}.jpg", pillow(rgb, quality=quality)
    for name, factors in {
        "444": [(1, 1), (1, 1), (1, 1)], "422": [(2, 1), (1, 1), (1, 1)], "440": [(1, 2), (1, 1), (1, 1)],
        "420": [(2, 2), (1, 1), (1, 1)], "411": [(4, 1), (1, 1), (1, 1)], "410": [(4, 2), (1, 1), (1, 1)],
        "441": [(1, 4), (1, 1), (1, 1)], "mixed": [(2, 2), (2, 1), (1, 2)], "chroma": [(1, 1), (2, 2), (2, 2)],
        "222": [(2, 1), (2, 1), (2, 1)],
    }.items():
        yield f"sampling_{name}.jpg", jpeg_writer.encode(planes, factors, markers=JFIF)
    plain = [(1, 1)] * 3
    tall = picture(9, 40)
    yield "small_420.jpg", jpeg_writer.encode(ycc(picture(3, 5)), [(2, 2), (1, 1), (1, 1)], markers=JFIF)
    yield "one_pixel.jpg", jpeg_writer.encode(ycc(picture(1, 1)), [(2, 2), (1, 1), (1, 1)], markers=JFIF)
    yield "wide_422.jpg", jpeg_writer.encode(ycc(tall), [(2, 1), (1, 1), (1, 1)], markers=JFIF)
    yield "narrow_440.jpg", jpeg_writer.encode(
        ycc(np.ascontiguousarray(tall.transpose(1, 0, 2))), [(1, 2), (1, 1), (1, 1)], markers=JFIF)
    yield "restarts.jpg", jpeg_writer.encode(planes, [(2, 2), (1, 1), (1, 1)], markers=JFIF, restart=2)
    yield "extended.jpg", jpeg_writer.encode(planes, plain, markers=JFIF, frame=0xC1)
    yield "no_markers.jpg", jpeg_writer.encode(planes, plain)
    yield "odd_ids.jpg", jpeg_writer.encode(planes, plain, ids=[7, 8, 9])
    yield "rgb_ids.jpg", jpeg_writer.encode(colours, plain, ids=[82, 71, 66])
    yield "rgb_adobe.jpg", jpeg_writer.encode(colours, plain, markers=adobe(0))
    yield "ycc_adobe.jpg", jpeg_writer.encode(planes, plain, markers=adobe(1))
    yield "grey.jpg", jpeg_writer.encode(planes[:1], [(1, 1)], markers=JFIF)
    yield "grey_2x2.jpg", jpeg_writer.encode(planes[:1], [(2, 2)], markers=JFIF)
    black = np.asarray(rgb[..., 1] // 2 + 20)
    ink = [*colours, black]
    yield "cmyk_adobe.jpg", jpeg_writer.encode(ink, [(1, 1)] * 4, markers=adobe(0))
    yield "cmyk_plain.jpg", jpeg_writer.encode(ink, [(1, 1)] * 4)
    yield "ycck.jpg", jpeg_writer.encode([*planes, black], [(2, 2), (1, 1), (1, 1), (2, 2)], markers=adobe(2))
    yield "cmyk_pillow.jpg", pillow(rgb, "CMYK", quality=85)
    for subsampling in (0, 1, 2):
        yield f"progressive_{subsampling}.jpg", pillow(rgb, quality=80, progressive=True, subsampling=subsampling)
    yield "progressive_grey.jpg", pillow(rgb, "L", quality=80, progressive=True)
    stray = JFIF + b"\xff\xff\xff" + segment(0xFE, b"a remark")
    yield "stray_bytes.jpg", jpeg_writer.encode(planes, plain, markers=stray)
    yield "after_end.jpg", jpeg_writer.encode(planes, plain, markers=JFIF) + b"\0" * 20 + b"\xff\xd8\xff"
    stream = io.BytesIO()
    first = Image.fromarray(rgb)
    first.save(stream, "MPO", save_all=True, append_images=[Image.fromarray(rgb[::-1])])
    yield "two_pictures.jpg", stream.getvalue()


def turned_jpegs():
    planes = ycc(picture(7, 11))
    plain = [(1, 1)] * 3

    def make(markers):
        return jpeg_writer.encode(planes, plain, markers=markers)

    for orientation in range(1, 9):
        yield f"exif_{orientation}.jpg", make(exif(orientation))
    make_entry = struct.pack("<HHII", 0x010F, 2, 20, 26)
    far = struct.pack("<HHII", 0x010F, 2, 20, 60000)
    large = struct.pack("<HHII", 0x010F, 2, 60000, 8)
    unknown = struct.pack("<HHII", 0x010F, 99, 60000, 8)
    loop = struct.pack("<HHII", 0x8769, 4, 1, 8)
    for name, markers in {
        "big_endian": exif(6, order=">"),
        "wrong_magic": exif(6, header=b"II\0*"),
        "wrong_magic_big": exif(6, order=">", header=b"MM*\0"),
        "bad_header": exif(6, header=b"XX*\0"),
        "long": exif(6, kind=4),
        "signed_byte": exif(6, kind=6),
        "signed_short": exif(6, kind=8, order=">"),
        "signed_long": exif(6, kind=9),
        "byte": exif(6, kind=1),
        "text": exif(6, kind=2, value=b"6"),
        "two_values": exif(0, count=2, value=struct.pack("<HH", 6, 3)),
        "three_values": exif(0, count=3, value=struct.pack("<I", 26), tail=struct.pack("<HHH", 8, 3, 1)),
        "three_values_far": exif(0, count=3, value=struct.pack("<I", 26)),
        "no_values": exif(6, count=0),
        "zero": exif(0),
        "nine": exif(9),
        "after_text": exif(6, entries=[make_entry], tail=b"0123456789"),
        "after_far": exif(6, entries=[far]),
        "after_far_xmp": exif(6, entries=[far]) + xmp(8),
        "after_large": exif(6, entries=[large]),
        "after_unknown": exif(6, entries=[unknown]),
        "after_loop": exif(6, entries=[loop]),
        "twice": exif(3, entries=[struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)]),
        "twice_first_empty": exif(3, entries=[struct.pack("<HHIHH", 0x0112, 3, 0, 6, 0)]),
        "two_segments": exif(6) + exif(3),
        "split": segment(0xE1, b"Exif\0\0" + tiff(6)[:15]) + segment(0xE1, b"Exif\0\0" + tiff(6)[15:]),
        "marked_twice": segment(0xE1, b"Exif\0\0Exif\0\0" + tiff(6)),
        "short": segment(0xE1, b"Exif\0\0II*\0"),
        "empty": segment(0xE1, b"Exif\0\0"),
        "empty_xmp": segment(0xE1, b"Exif\0\0") + xmp(6),
        "huge_offset": segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\0" * 30),
        "huge_offset_xmp": segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\0" * 30) + xmp(3),
        "many_entries": segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\0" * 50),
        "xmp": xmp(6),
        "xmp_element": xmp(8, element=True),
        "xmp_loses": exif(3) + xmp(6),
        "xmp_two": xmp(6) + xmp(3),
        "xmp_odd": segment(
            0xE1, b'http://ns.adobe.com/xap/1.0/\0tiff:Orientation tiff:Orientation="x tiff:Orientation>7'),
    }.items():
        yield f"exif_{name}.jpg", make(markers)


def pngs():
    rgb = picture(13, 21, seed=1)
    height, width, _ = rgb.shape
    for color_type, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
        for depth in depths:
            channels = png_writer.CHANNELS[color_type]
            wide = np.concatenate([rgb, rgb[..., :1] // 3], -1)[..., :channels].astype(int)
            if color_type == 4:
                wide[..., 1] = rgb[..., 2]
            samples = wide >> (8 - depth) if depth <= 8 else wide * 257 + rng.integers(-99, 99, wide.shape)
            if depth == 16:
                samples = np.clip(samples, 0, 65535)
                if color_type == 0:
                    samples[:, ::2] //= 200  # values on both sides of 255
            before = b""
            if color_type == 3:
                samples = samples % 250
                entries = min(1 << depth, 250)
                before = chunk(b"PLTE", rng.integers(0, 256, 3 * entries, dtype=np.uint8).tobytes())
            for interlaced in (False, True):
                name = f"type{color_type}_depth{depth}{'_interlaced' if interlaced else ''}.png"
                yield name, png_writer.encode(samples, depth, color_type, interlaced, before)
    index = (np.arange(8)[None, :, None] * np.ones((3, 1, 1), int))
    palette = chunk(b"PLTE", bytes(range(10, 34)))
    yield "palette_alpha.png", png_writer.encode(index, 8, 3, before=palette + chunk(b"tRNS", bytes([0, 90, 255, 7])))
    yield "palette_one_clear.png", png_writer.encode(index, 4, 3, before=palette + chunk(b"tRNS", b"\xff\0"))
    yield "palette_short.png", png_writer.encode(index, 8, 3, before=chunk(b"PLTE", bytes(range(10, 22))))
    yield "palette_short_bits.png", png_writer.encode(index, 4, 3, before=chunk(b"PLTE", bytes(range(10, 22))))
    small = picture(5, 6).astype(int)
    yield "clear_colour.png", png_writer.encode(small, 8, 2, before=chunk(b"tRNS", struct.pack(">3H", *small[2, 3])))
    grey = small[..., :1]
    yield "clear_grey.png", png_writer.encode(grey, 8, 0, before=chunk(b"tRNS", struct.pack(">H", grey[2, 3, 0])))
    icc = chunk(b"iCCP", b"profile\0\0" + zlib.compress(b"not really a profile"))
    yield "gamma.png", png_writer.encode(small, 8, 2, before=chunk(b"gAMA", struct.pack(">I", 100000)))
    yield "profile.png", png_writer.encode(small, 8, 2, before=icc)
    yield "srgb.png", png_writer.encode(small, 8, 2, before=chunk(b"sRGB", b"\0") + chunk(b"pHYs", b"\0" * 9))
    yield "one_pixel.png", png_writer.encode(small[:1, :1], 8, 2, interlaced=True)
    yield "one_column.png", png_writer.encode(small[:, :1], 8, 2, interlaced=True)
    yield "one_row_bits.png", png_writer.encode(index[:1] % 2, 1, 0, interlaced=True)
    yield "animation.png", png_writer.encode(
        small, 8, 2, before=chunk(b"acTL", struct.pack(">II", 1, 0))
        + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 6, 5, 0, 0, 1, 10, 0, 0)))
    for orientation in range(1, 9):
        yield f"exif_{orientation}.png", png_writer.encode(small, 8, 2, before=chunk(b"eXIf", tiff(orientation)))
    raw = b"Raw profile type exif\0"
    for name, before, after in (
        ("big_endian", chunk(b"eXIf", tiff(6, order=">")), b""),
        ("after", b"", chunk(b"eXIf", tiff(6))),
        ("text", chunk(b"tEXt", raw + profile(6)), b""),
        ("text_after", b"", chunk(b"tEXt", raw + profile(8))),
        ("text_compressed", chunk(b"zTXt", raw + b"\0" + zlib.compress(profile(6))), b""),
        ("text_loses", chunk(b"tEXt", raw + profile(6)) + chunk(b"eXIf", tiff(3)), b""),
        ("xmp", itxt(b"XML:com.adobe.xmp", xmp_packet(6)), b""),
        ("xmp_compressed", itxt(b"XML:com.adobe.xmp", xmp_packet(8), True), b""),
        ("xmp_loses", itxt(b"XML:com.adobe.xmp", xmp_packet(6)) + chunk(b"eXIf", tiff(3)), b""),
        ("xmp_helps", itxt(b"XML:com.adobe.xmp", xmp_packet(6)) + chunk(b"eXIf", tiff(3, count=0)), b""),
    ):
        yield f"exif_{name}.png", png_writer.encode(small, 8, 2, before=before, after=after)


def counted(count):
    """Text chunks that nobody needs."""
    return b"".join(chunk(b"tEXt", b"Comment\0remark %d" % i) for i in range(count))


def plain_pngs():
    """Files with more around their pixels than most decoders like, and the plain file that they must equal."""
    small = picture(5, 6).astype(int)
    plain = png_writer.encode(small, 8, 2)
    for name, before in {
        "texts_many": counted(1100),
        "times": chunk(b"tIME", b"") + chunk(b"tIME", bytes(7)) * 2,
        "gamma_odd": chunk(b"gAMA", b"") + chunk(b"gAMA", bytes(4)) * 2 + chunk(b"cHRM", b"1"),
        "bits_odd": chunk(b"sBIT", b"\x20") + chunk(b"sBIT", b"\x20\0\0") + chunk(b"bKGD", b"1"),
        "clear_odd": chunk(b"tRNS", b"") + chunk(b"tRNS", b"123"),
        "palette_unused": chunk(b"PLTE", b"1234") + chunk(b"hIST", b"1") + chunk(b"sRGB", b"\7"),
        "suggested": chunk(b"sPLT", b"") + chunk(b"sPLT", b"name") + chunk(b"iCCP", b"") + chunk(b"iCCP", b"a\0\0b"),
        "text_odd": chunk(b"tEXt", b"") + chunk(b"zTXt", b"a") + chunk(b"iTXt", b"a\0\1") + chunk(b"tEXt", b"a" * 90),
        "unused_sum": chunk(b"prVt", b"nobody's")[:-1] + b"?",
        "exif_nothing": chunk(b"eXIf", b""),
        "exif_nothing_text": chunk(b"eXIf", b"") + chunk(b"tEXt", b"Raw profile type exif\0" + profile(6)),
        "xmp_broken": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0not deflated"),
    }.items():
        yield f"{name}.png", png_writer.encode(small, 8, 2, before=before), plain
    turned = png_writer.encode(small, 8, 2, before=chunk(b"eXIf", tiff(6)))
    yield "exif_nothing_xmp.png", png_writer.encode(
        small, 8, 2, before=chunk(b"eXIf", b"") + itxt(b"XML:com.adobe.xmp", xmp_packet(6))), turned
    yield "exif_behind_texts.png", png_writer.encode(
        small, 8, 2, before=counted(1100), after=counted(1100) + chunk(b"eXIf", tiff(6))), turned
    index = small[..., :1] % 8
    colours = chunk(b"PLTE", bytes(range(24)))
    yield "palette_long.png", png_writer.encode(index, 4, 3, before=chunk(b"PLTE", bytes(range(24)) + bytes(744))), \
        png_writer.encode(index, 4, 3, before=colours)
    yield "palette_two.png", png_writer.encode(index, 4, 3, before=chunk(b"PLTE", bytes(24)) + colours), \
        png_writer.encode(index, 4, 3, before=colours)
    yield "hdr.png", png_writer.encode(small, 8, 2, before=chunk(b"cICP", bytes([9, 16, 0, 1]))), plain
    yield "animation_two.png", png_writer.encode(
        small, 8, 2, before=chunk(b"acTL", struct.pack(">II", 2, 0))
        + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 6, 5, 0, 0, 1, 10, 0, 0)),
        after=chunk(b"fcTL", struct.pack(">IIIIIHHBB", 1, 6, 5, 0, 0, 1, 10, 0, 0))
        + chunk(b"fdAT", struct.pack(">I", 2) + zlib.compress(bytes(95)))), plain


def deep():
    """10 and 12 bits in 16 as they come, and the same picture filling its 16 bits, whose high bytes Pillow takes."""
    numbers = np.random.default_rng(7)
    rgb = picture(13, 21, seed=1)
    for bits in (8, 10, 12):
        low = (rgb.astype(int) << (bits - 8)) + numbers.integers(0, 1 << (bits - 8), rgb.shape)
        low[0, 0] = 1  # the first samples use fewer bits
        low[5, 7] = (1 << bits) - 1
        low[8, 2] = 0
        full = low << (16 - bits)
        for interlaced in (False, True):
            name = f"deep{bits}{'_interlaced' if interlaced else ''}.png"
            yield name, png_writer.encode(low, 16, 2, interlaced), png_writer.encode(full, 16, 2)
    alpha = np.full(low.shape[:2] + (1,), 65535)
    clear, clear_full = np.concatenate([low, alpha], -1), np.concatenate([full, alpha], -1)
    yield "deep_rgba.png", png_writer.encode(clear, 16, 6), png_writer.encode(clear_full, 16, 6)
    yield "deep_grey_alpha.png", png_writer.encode(clear[..., 2:], 16, 4), png_writer.encode(clear_full[..., 2:], 16, 4)
    fourteen = np.clip(rgb.astype(int) * 64 + 3, 0, 16383)
    declared = chunk(b"sBIT", bytes([14, 14, 14]))
    yield "deep14.png", png_writer.encode(fourteen, 16, 2, before=declared), png_writer.encode(fourteen * 4, 16, 2)
    dark = png_writer.encode(fourteen, 16, 2)  # nothing says that it is not a dark picture
    yield "dark14.png", dark, dark
    wrong = png_writer.encode(rgb.astype(int) * 257, 16, 2, before=chunk(b"sBIT", bytes([12, 12, 12])))
    yield "deep_filled.png", wrong, wrong  # sBIT as it is meant
    lone = np.tile(low, (3, 3, 1))
    lone[38, 62, 0] = 65535
    lone = png_writer.encode(lone, 16, 2)
    yield "deep_nearly.png", lone, lone
    write = tiff_writer.encode
    for name, options in {
        "le": {}, "be": {"order": ">"}, "tiles": {"tile": (16, 16)}, "planes": {"planar": 2, "deflate": True},
        "strips": {"rows": 4},
    }.items():
        yield f"deep12_{name}.tif", write(low, bits=16, **options), write(full, bits=16)
    yield "deep_rgba.tif", write(clear, bits=16, extra=(2,)), write(full, bits=16)
    yield "deep_grey_alpha.tif", write(clear[..., 2:], bits=16, photometric=1, extra=(2,)), \
        write(low[..., 2:] >> 4, photometric=1)  # Pillow has no 16-bit grey with alpha in TIFF
    yield "deep14.tif", write(fourteen, bits=16, tags=[(281, "H", [16383] * 3)]), write(fourteen * 4, bits=16)
    colours = numbers.integers(0, 256, 768)
    yield "palette_bytes.tif", write(rgb[..., :1], photometric=3, tags=[(320, "H", colours.tolist())]), \
        write(rgb[..., :1], photometric=3, tags=[(320, "H", (colours * 256).tolist())])
    fractions = write(rgb[..., :1] / 255.0, bits=32, photometric=1, kind="f", sample_format=3)
    yield "fractions.tif", fractions, fractions


def invalid():
    planes = ycc(picture(7, 11))
    plain = [(1, 1)] * 3
    good = jpeg_writer.encode(planes, plain, markers=JFIF)
    small = picture(5, 6).astype(int)
    png = png_writer.encode(small, 8, 2)
    idat = png.index(b"IDAT")
    broken = bytearray(png)
    broken[idat + 9] ^= 0x55
    bad_stream = bytearray(good)
    bad_stream[-9:-5] = b"\xff\x00\xff\x00"
    yield "empty.png", b"", "FORMAT"
    yield "twelve_bits.jpg", jpeg_writer.encode(planes, plain, frame=0xC1, precision=12), "UNSUPPORTED"
    yield "two_components.jpg", jpeg_writer.encode(planes[:2], plain[:2]), "UNSUPPORTED"
    yield "hierarchical.jpg", jpeg_writer.encode(planes, plain, frame=0xC5), "UNSUPPORTED"
    yield "no_picture.jpg", b"\xff\xd8" + JFIF + b"\xff\xd9", "FORMAT"
    yield "hole.jpg", good[:-30] + b"\xff\xd9", "FORMAT"
    yield "bad_code.jpg", bytes(bad_stream), "FORMAT"
    yield "no_lines.jpg", good.replace(struct.pack(">BHH", 8, 7, 11), struct.pack(">BHH", 8, 0, 11)), "FORMAT"
    yield "bad_sum.png", bytes(broken), "FORMAT"
    yield "no_end.png", png_writer.encode(small, 8, 2, end=False), "FORMAT"
    yield "few_rows.png", png_writer.encode(small, 8, 2).replace(
        chunk(b"IHDR", struct.pack(">IIBBBBB", 6, 5, 8, 2, 0, 0, 0)),
        chunk(b"IHDR", struct.pack(">IIBBBBB", 6, 50, 8, 2, 0, 0, 0))), "FORMAT"
    yield "no_palette.png", png_writer.encode(small[..., :1], 8, 3), "FORMAT"
    yield "no_width.png", png_writer.SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 5, 8, 2, 0, 0, 0)), "FORMAT"
    yield "exif_sum.png", png_writer.encode(small, 8, 2, before=chunk(b"eXIf", tiff(6))[:-1] + b"?"), "FORMAT"
    yield "stray_bytes.png", png_writer.encode(small, 8, 2, before=b"stray bytes between chunks"), "FORMAT"
    yield "apple.png", png_writer.SIGNATURE + chunk(b"CgBI", b"1234") + png[8:], "UNSUPPORTED"
    yield "letters.png", b"these are only letters", "UNSUPPORTED"
    yield "letters.bmp", b"BMore letters, that happen to begin like a bitmap does, and go on", "UNSUPPORTED"
    rows = b"\0" * 24
    yield "two_bits.bmp", bmp_writer.encode(3, 2, 2, rows), "UNSUPPORTED"
    yield "no_rows.bmp", bmp_writer.encode(3, 0, 24, rows), "FORMAT"
    yield "no_end.bmp", bmp_writer.encode(9, 9, 24, rows), "FORMAT"
    yield "odd_mask.bmp", bmp_writer.encode(2, 2, 32, rows, compression=3, masks=(0xFF0000, 0xA0A0, 0xFF)), "UNSUPPORTED"
    yield "no_picture.gif", gif_writer.encode((3, 3), 2, b"\0" * 12), "FORMAT"
    yield "empty_frame.gif", gif_writer.encode((3, 3), 2, b"\0" * 12, gif_writer.frame(small[:0, :, 0], 2)), "FORMAT"
    yield "lab.tif", tiff_writer.encode(small, photometric=8), "UNSUPPORTED"
    yield "no_strips.tif", b"II*\0\x08\0\0\0\0\0\0\0\0\0", "FORMAT"
    yield "loop.tif", b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 256, 4, 1, 5, 8), "FORMAT"
    yield "no_picture.webp", b"RIFF\x04\0\0\0WEBP", "FORMAT"
    yield "letters.webp", b"RIFF\x24\0\0\0WEBPVP8 \x18\0\0\0" + b"not a picture at all ...", "FORMAT"
    yield "no_picture.avif", b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", "FORMAT"
    yield "no_picture.heic", b"\0\0\0\x18ftypheic\0\0\0\0heicmif1", "FORMAT"


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.iterdir():
        old.unlink()
    lines, pixels, names = [], b"", set()
    formats = make_image_formats
    files = [*jpegs(), *turned_jpegs(), *pngs()]
    refused = [*invalid()]
    sources = [("444", pillow(picture(27, 35), quality=85, subsampling=0)),
               ("420", pillow(picture(27, 35), quality=85, subsampling=2)),
               ("grey", pillow(picture(27, 35), "L", quality=85))]
    files += [*formats.arithmetic(sources), *formats.bmps(picture, rng), *formats.gifs(picture, rng)]
    files += [*formats.tiffs(picture, rng), *formats.webps(picture, tiff), *formats.avifs(picture, tiff)]
    files += [*formats.heics(picture)]
    for name, data, *alike in [*files, *plain_pngs(), *deep()]:
        assert name not in names, name
        names.add(name)
        unequal = {"heic": formats.HEIC, "ycc.tif": formats.YCC}
        tolerance, reason = unequal.get(name, unequal.get(name.rsplit(".")[-1], (0, "-")))
        if name.endswith(".heic"):
            rgb, data = formats.heic_pixels(data), data.getvalue()
        else:
            with Image.open(io.BytesIO(alike[0] if alike else data)) as image:
                try:
                    rgb = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
                except (OSError, ValueError, KeyError) as error:
                    print(f"{name}: Pillow does not read it: {error!r}")
                    continue
        (OUT / name).write_bytes(data)
        lines.append(f"{name} {rgb.shape[1]} {rgb.shape[0]} {len(pixels)} {tolerance} {reason}")
        pixels += rgb.tobytes()
    (OUT / "expected.txt").write_text("\n".join(lines) + "\n")
    (OUT / "expected.rgb").write_bytes(pixels)
    lines = []
    for name, data, error in refused:
        assert name not in names, name
        (OUT / name).write_bytes(data)
        lines.append(f"{name} {error}")
    (OUT / "invalid.txt").write_text("\n".join(lines) + "\n")
    sizes = [os.path.getsize(f) for f in OUT.iterdir()]
    print(f"{len(sizes)} files, {sum(sizes)} bytes")


if __name__ == "__main__":
    main()
