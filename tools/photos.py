"""Photographs for parity and benchmarks: scikit-image's free sample pictures, or made-up ones without it."""

import sys
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "reference"))

NAMES = ("astronaut", "chelsea", "coffee")  # 512x512, 451x300, 600x400; public domain or CC0


def photographs():
    """Pillow images by name."""
    try:
        from skimage import data

        return {name: Image.fromarray(getattr(data, name)()).convert("RGB") for name in NAMES}
    except ImportError:
        from owlv2_models import picture

        print("scikit-image is missing: made-up pictures instead of photographs", file=sys.stderr)
        sizes = ((512, 512), (300, 451), (400, 600))
        return {name: Image.fromarray(picture(*size, i)) for i, (name, size) in enumerate(zip(NAMES, sizes))}
