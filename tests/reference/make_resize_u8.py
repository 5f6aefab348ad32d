"""Makes tests/ops/data/resize_u8.safetensors: 8-bit images resized by torchvision's antialiased bilinear.

    python tests/reference/make_resize_u8.py

Case N, from noise(y, x, c) of tests/ops/support.c: N.size I32 [4] (height, width, new height, new width), N.pixels I32
[new height, new width, 3]. planes.N.x F32 [h, w], planes.N.y: bilinear without antialiasing.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torchvision.transforms.v2 import functional as F

from make_ops import noise_image

SIZES = [(1, 1, 5, 3), (7, 5, 16, 9), (40, 33, 16, 16), (16, 16, 16, 16), (64, 9, 9, 64), (300, 21, 7, 7), (3, 1000, 4, 5),
         (23, 17, 23, 40), (50, 60, 31, 60), (1023, 3, 64, 64)]
PLANES = [(8, 8, 33, 17), (16, 16, 16, 16), (1, 1, 4, 3), (32, 32, 9, 50), (5, 7, 5, 3)]


def main():
    tensors = {}
    for index, (height, width, new_height, new_width) in enumerate(SIZES):
        image = torch.from_numpy(noise_image(height, width)).permute(2, 0, 1).contiguous()
        assert image.dtype == torch.uint8
        out = F.resize(image, [new_height, new_width], interpolation=F.InterpolationMode.BILINEAR, antialias=True)
        tensors[f"{index}.size"] = np.array([height, width, new_height, new_width], dtype=np.int32)
        tensors[f"{index}.pixels"] = out.permute(1, 2, 0).contiguous().numpy().astype(np.int32)
    generator = torch.Generator().manual_seed(4)
    for index, (height, width, new_height, new_width) in enumerate(PLANES):
        plane = torch.randn(1, 1, height, width, generator=generator)
        out = torch.nn.functional.interpolate(plane, (new_height, new_width), mode="bilinear", align_corners=False)
        tensors[f"planes.{index}.x"], tensors[f"planes.{index}.y"] = plane[0, 0].numpy(), out[0, 0].numpy()
    path = Path(__file__).resolve().parent.parent / "ops" / "data" / "resize_u8.safetensors"
    save_file(tensors, path)
    print(path.stat().st_size)


if __name__ == "__main__":
    main()
