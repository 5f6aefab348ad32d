"""Makes tests/ops/data: what the pinned reference computes for each op and resize filter.

    python tests/reference/make_ops.py

ops.safetensors     GROUP.NAME: an op's inputs, and its result `out`
tokens.safetensors  likewise, of the ops between few tokens and many rows
choices.safetensors likewise, of the ops that choose and of sine embeddings
masks.safetensors   likewise, of prompts' points and of masks; clean.HOLE.SPRINKLE.out: masks without small parts
resize.safetensors  image.HEIGHT.WIDTH.TARGET.where/.pixels: some output pixels of the whole processor
                    axis.VALID.PADDED.OUTPUTS.out, antialias.INPUTS.OUTPUTS.out: one axis of a filter
"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
import torchvision.transforms.v2.functional as tvF
from safetensors.torch import save_file
from scipy import ndimage
from transformers.activations import ACT2FN
from transformers.models.owlv2.image_processing_owlv2 import Owlv2ImageProcessor
from transformers.models.sam2.configuration_sam2 import Sam2PromptEncoderConfig
from transformers.models.sam2.image_processing_sam2 import Sam2ImageProcessor
from transformers.models.sam2.modeling_sam2 import Sam2MaskDecoder, Sam2PositionalEmbedding, Sam2PromptEncoder
from transformers.models.sam2_video.modeling_sam2_video import get_1d_sine_pe

FOLDER = Path(__file__).resolve().parent.parent / "ops/data"
SAMPLES = 100  # output pixels kept of an image


def put(tensors, group, **values):
    for name, value in values.items():
        tensors[f"{group}.{name}"] = value.contiguous()


def linear_cases(t):
    x, weight, bias = torch.randn(3, 5, 19), torch.randn(23, 19), torch.randn(23)
    residual = torch.randn(3, 5, 23)
    y = F.linear(x, weight, bias)
    put(t, "linear", x=x, weight=weight, bias=bias, residual=residual)
    for name, function in {
        "none": lambda v: v,
        "relu": F.relu,
        "gelu": ACT2FN["gelu"],
        "gelu_tanh": ACT2FN["gelu_pytorch_tanh"],
        "quick_gelu": ACT2FN["quick_gelu"],
        "sigmoid": torch.sigmoid,
    }.items():
        put(t, "linear", **{f"out_{name}": function(y), f"residual_{name}": function(y) + residual})
        # Far from 0 too, where approximations of erf and exp break first.
        put(t, "activation", **{f"out_{name}": function(torch.linspace(-30, 30, 301))})
    put(t, "activation", x=torch.linspace(-30, 30, 301))

    # Three layers joined, one without a bias, in the types that checkpoints come in.
    q, k, v = torch.randn(7, 19), torch.randn(5, 19).bfloat16(), torch.randn(9, 19).half()
    put(t, "joined", q=q, k=k, v=v, q_bias=bias[:7].half(), v_bias=bias[:9].bfloat16())
    put(t, "joined", out=torch.cat([F.linear(x, q, bias[:7].half().float()), F.linear(x, k.float()),
                                    F.linear(x, v.float(), bias[:9].bfloat16().float())], dim=-1))

    a, b = torch.randn(13, 37), torch.randn(21, 37)
    put(t, "matmul_transposed", a=a, b=b, out=a @ b.T)


def conv2d_cases(t):
    for group, (h, w, inputs, outputs, kernel, stride, padding, bias) in {
        "conv2d.same": (9, 7, 5, 6, (3, 3), 1, 1, True),
        "conv2d.patch": (12, 16, 3, 10, (4, 4), 4, 0, False),
        "conv2d.overlap": (15, 17, 3, 4, (7, 7), 4, 3, True),
        "conv2d.oblong": (8, 9, 2, 3, (2, 5), 2, 1, True),
        "conv2d.pointwise": (5, 6, 8, 9, (1, 1), 1, 0, True),
    }.items():
        x, weight = torch.randn(2, inputs, h, w), torch.randn(outputs, inputs, *kernel)
        b = torch.randn(outputs) if bias else None
        out = F.conv2d(x, weight, b, stride, padding).permute(0, 2, 3, 1)
        residual = torch.randn(out.shape)
        put(t, group, x=x.permute(0, 2, 3, 1), weight=weight, residual=residual, out=out, out_residual=out + residual)
        put(t, group, geometry=torch.tensor([stride, padding], dtype=torch.int32))
        if bias:
            put(t, group, bias=b)


def row_cases(t):
    # A mean that is large beside the deviation: naive variances lose their digits there.
    x = torch.randn(3, 4, 67) + torch.tensor([0.0, 30.0, -5.0])[:, None, None]
    gamma, beta = torch.randn(67), torch.randn(67)
    for name, eps in {"a": 1e-5, "b": 1e-6, "c": 0.1}.items():
        put(t, f"layer_norm.{name}", eps=torch.tensor([eps]), out=F.layer_norm(x, (67,), gamma, beta, eps))
    put(t, "layer_norm", x=x, gamma=gamma, beta=beta)

    x = torch.cat([torch.randn(6, 33), torch.zeros(1, 33), 1e-7 * torch.randn(1, 33)])
    put(t, "l2_normalize", x=x, out=x / (torch.linalg.norm(x, dim=-1, keepdim=True) + 1e-6))


def attention_cases(t):
    for group, (b, n, m, h, d, dv, causal, size) in {
        "attention.plain": (2, 11, 11, 3, 8, 8, False, 1),
        "attention.causal": (2, 16, 16, 2, 12, 12, True, 1),
        "attention.cross": (1, 5, 37, 2, 16, 7, False, 1),
        "attention.sharp": (1, 9, 33, 1, 32, 32, False, 20),  # scores of some hundreds
        "attention.one": (3, 1, 1, 2, 4, 4, True, 1),
    }.items():
        q, k, v = size * torch.randn(b, n, h, d), torch.randn(b, m, h, d), torch.randn(b, m, h, dv)
        scale = d**-0.5
        out = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2),
                                             is_causal=causal, scale=scale).transpose(1, 2)
        put(t, group, q=q, k=k, v=v, out=out, scale=torch.tensor([scale]),
            causal=torch.tensor([causal], dtype=torch.int32))


def element_cases(t):
    a = torch.randn(2, 3, 4, 5)
    put(t, "pair", a=a)
    for name, shape in {"same": (2, 3, 4, 5), "batch": (1, 3, 4, 5), "row": (1, 1, 1, 5), "column": (2, 3, 4, 1),
                        "middle": (2, 1, 4, 1), "one": (1, 1, 1, 1)}.items():
        b = torch.randn(shape)
        put(t, f"pair.{name}", b=b, add=a + b, mul=a * b)

    table, positions = torch.randn(40, 9), torch.randn(16, 9)
    ids = torch.randint(0, 40, (3, 7))
    put(t, "embed", ids=ids.int(), table=table, positions=positions, out=F.embedding(ids, table) + positions[:7])

    x, index = torch.randn(4, 6, 9), torch.tensor([5, 0, 3, 3])
    put(t, "gather_rows", x=x, index=index.int(), out=x[torch.arange(4), index])

    x, shift, scale = torch.randn(6, 4), torch.randn(6, 1), 3 * torch.randn(6, 1)
    put(t, "shift_scale", x=x, shift=shift, scale=scale, out=(x + shift) * (torch.nn.ELU()(scale) + 1))


def noise(y, x, c):
    """The test's 8-bit noise at row y, column x, channel c (tests/ops/support.c has the same)."""
    with np.errstate(over="ignore"):
        v = y * np.uint32(73856093) ^ x * np.uint32(19349663) ^ c * np.uint32(83492791)
        v = (v ^ v >> np.uint32(13)) * np.uint32(0x5BD1E995)
        return ((v ^ v >> np.uint32(15)) & np.uint32(255)).astype(np.uint8)


def noise_image(height, width):
    y, x, c = np.arange(height, dtype=np.uint32), np.arange(width, dtype=np.uint32), np.arange(3, dtype=np.uint32)
    return noise(y[:, None, None], x[None, :, None], c[None, None, :])


def noise_axis(count):
    return torch.from_numpy(noise(np.uint32(0), np.arange(count, dtype=np.uint32), np.uint32(0))).float() / 255


def image_cases(t):
    """The whole processor; some output pixels of each image."""
    sizes = [(1, 1, 960), (1, 50, 960), (50, 1, 31), (37, 91, 960), (91, 37, 64), (960, 960, 960), (961, 500, 960),
             (500, 961, 960), (2, 2, 1008), (333, 777, 100), (640, 480, 960), (1200, 1600, 1008), (3000, 4000, 960),
             (140, 200, 14), (8, 2000, 48), (97, 96, 96)]
    for height, width, target in sizes:
        processor = Owlv2ImageProcessor(size={"height": target, "width": target})
        image = torch.from_numpy(noise_image(height, width)).permute(2, 0, 1)
        pixels = processor(image, input_data_format="channels_first", return_tensors="pt")["pixel_values"][0]
        # Half of the samples where the image is: of a flat image most of the output is padding.
        side = max(height, width)
        where = torch.rand(SAMPLES, 2)
        where[::2] *= torch.tensor([height / side, width / side])
        where = (where * target).long().clamp(max=target - 1)
        where[0], where[2] = torch.tensor([0, 0]), torch.tensor([target - 1, target - 1])
        put(t, f"image.{height}.{width}.{target}", where=where.int(), pixels=pixels[:, where[:, 0], where[:, 1]].T)


def axis_cases(t):
    """Blur and bilinear sampling of one axis, through the functions that the processor calls."""
    for valid, padded, outputs in [(1, 1, 7), (1, 50, 96), (7, 7, 7), (6, 7, 7), (7, 8, 7), (10, 20000, 960),
                                   (20000, 20000, 960), (19999, 20000, 640), (961, 961, 960), (500, 961, 960),
                                   (3000, 4000, 960), (4000, 4000, 960), (1000, 1000, 3), (65535, 65535, 96),
                                   (5, 5, 2), (959, 959, 960), (100, 100, 1008), (641, 1281, 768)]:
        axis = F.pad(noise_axis(valid), (0, padded - valid))[None, None, None]
        sigma = ((torch.tensor([padded]) / torch.tensor([outputs]) - 1) / 2).clamp(min=0)
        if sigma > 0:
            taps = 2 * torch.ceil(3 * sigma).int() + 1
            axis = tvF.gaussian_blur(axis, [taps.item(), 1], [sigma.item(), 1.0])
        axis = tvF.resize(axis, [1, outputs], antialias=False)
        put(t, f"axis.{valid}.{padded}.{outputs}", out=axis.flatten())


def antialias_cases(t):
    for inputs, outputs in [(1, 1), (1, 9), (9, 1), (7, 7), (100, 37), (37, 100), (4000, 1024), (1023, 1024),
                            (1025, 1024), (20000, 288), (2, 3), (65535, 640)]:
        # Along the width: of an image one pixel wide torch takes the height for channels.
        out = F.interpolate(noise_axis(inputs)[None, None, None], size=(1, outputs), mode="bilinear",
                            align_corners=False, antialias=True)
        put(t, f"antialias.{inputs}.{outputs}", out=out.flatten())


def token_cases(t):
    """SAM's attention between tokens and image and its upscaling, from the layers they are made of."""
    torch.manual_seed(2023)
    batch, rows, width, heads, tokens = 2, 77, 32, 4, 5
    positions = torch.randn(rows, width)
    for group, shared in {"attend.own": False, "attend.shared": True}.items():
        x, q = torch.randn(1 if shared else batch, rows, width), torch.randn(batch, 7, width)
        out = F.scaled_dot_product_attention(q, (x + positions).expand(batch, -1, -1), x.expand(batch, -1, -1), scale=0.3)
        put(t, group, positions=positions.clone(), x=x, q=q, rows_out=out)
        k, v = torch.randn(batch, tokens, heads, width), torch.randn(batch, tokens, heads, width)
        bias, gamma, beta = torch.randn(batch, tokens, heads), torch.randn(width), torch.randn(width)
        scores = 0.3 * (torch.einsum("bnc,bthc->bnth", (x + positions).expand(batch, -1, -1), k) + bias[:, None])
        added = torch.einsum("bnth,bthc->bnc", scores.softmax(2), v)
        out = F.layer_norm(x + added, (width,), gamma, beta, 1e-5)
        put(t, group, k=k, v=v, bias=bias, gamma=gamma, beta=beta, tokens_out=out)

    def blocks(image, levels):
        """[b, c, h, w] -> [b, pixels of the grid, 2 x 2, ..., c]: each step's pixels together."""
        b, c, h, w = image.shape
        side = h >> levels
        image = image.reshape(b, c, side, *[2] * levels, side, *[2] * levels)
        order = [2, 3 + levels] + [a for i in range(levels) for a in (3 + i, 4 + levels + i)]
        return image.permute(0, *order, 1)

    for group, (side, c, c1, c2, masks) in {"upscale.vectors": (5, 32, 16, 16, 4), "upscale.odd": (3, 10, 6, 3, 3)}.items():
        x = torch.randn(batch, c, side, side)
        weight1, bias1 = torch.randn(c, c1, 2, 2) / c**0.5, torch.randn(c1)
        weight2, bias2 = torch.randn(c1, c2, 2, 2) / c1**0.5, torch.randn(c2)
        features1, features2 = torch.randn(1, c1, 2 * side, 2 * side), torch.randn(1, c2, 4 * side, 4 * side)
        gamma, beta, hyper = torch.randn(c1), torch.randn(c1), torch.randn(batch, masks, c2)
        middle = F.conv_transpose2d(x, weight1, bias1, stride=2) + features1
        middle = F.layer_norm(middle.permute(0, 2, 3, 1), (c1,), gamma, beta, 1e-6).permute(0, 3, 1, 2)
        fine = F.gelu(F.conv_transpose2d(F.gelu(middle), weight2, bias2, stride=2) + features2)
        out = torch.einsum("bmc,bchw->bmhw", hyper, fine)
        put(t, group, x=x.flatten(2).mT, gamma=gamma, beta=beta, hyper=hyper, out=out)
        put(t, group, weight1=weight1.permute(0, 2, 3, 1).reshape(c, 4 * c1), bias1=bias1.repeat(4))
        put(t, group, weight2=weight2.permute(0, 2, 3, 1).reshape(c1, 4 * c2), bias2=bias2.repeat(4))
        put(t, group, features1=blocks(features1, 1).reshape(side**2, 4 * c1))
        put(t, group, features2=blocks(features2, 2).reshape(4 * side**2, 4 * c2))


def choice_cases(t):
    torch.manual_seed(2024)
    nan, infinity = float("nan"), float("inf")
    x = 4 * torch.randn(7, 11)
    put(t, "affine", x=x, out=x * 20.0 - 10.0)

    # Around the threshold, and what compares with nothing.
    score = torch.tensor([[0.25], [0.2500001], [-3.0], [nan], [infinity], [-infinity], [7.0]])
    put(t, "select", x=x.clone(), score=score)
    for name, other in {"row": torch.randn(1, 11), "column": torch.randn(7, 1), "one": torch.randn(1, 1),
                        "whole": torch.randn(7, 11)}.items():
        put(t, f"select.{name}", other=other, out=torch.where(score > 0.25, x, other))

    x = torch.randn(8, 13)
    x[1, 0], x[2, 5], x[3, 12], x[4], x[5, 3], x[6] = nan, nan, nan, nan, infinity, -infinity
    put(t, "max_rows", x=x, out=x.amax(dim=1, keepdim=True))

    # Distances in time, as SAM 2 tells its object pointers apart.
    x, width = torch.tensor([-15.0, -1.0, 0.0, 1.0, 2.0, 7.0, 15.0, 0.3]), 24
    half = torch.arange(width // 2, dtype=torch.float32)
    put(t, "sine", x=x[:, None], periods=10000 ** (2 * (half // 2) / (width // 2)), out=get_1d_sine_pe(x, dim=width))

    # Columns that differ little beside their mean.
    x = torch.randn(5, 37, 21, generator=torch.Generator().manual_seed(2025), dtype=torch.float64)
    x[1] = 1000 + 0.01 * x[1]
    x[2] = x[2, :1]
    x = x.float()
    put(t, "variance", x=x, out=x.double().var(dim=1, correction=0).mean(dim=1, keepdim=True).float())


def point_cases(t):
    """Points of every kind through SAM 2's prompt encoder."""
    size, width = 64, 20
    config = Sam2PromptEncoderConfig(hidden_size=width, image_size=size)
    encoder = Sam2PromptEncoder(config)
    encoder.shared_embedding = Sam2PositionalEmbedding(config)
    points = size * torch.rand(3, 6, 2)
    points[0, 0], points[1, 1], points[2, 2] = torch.tensor([-9.0, 80.0]), -0.5, size - 0.5  # outside, both corners
    kinds = torch.tensor([[0, 1, 2, 3, -1, -10], [-10, -1, 3, 2, 1, 0], [1, 1, 0, -1, -1, 2]])
    put(t, "points", points=(points + 0.5) / size, kinds=kinds.int(), fourier=encoder.shared_embedding.positional_embedding,
        embedding=encoder.point_embed.weight.data, not_a_point=encoder.not_a_point_embed.weight.data,
        out=encoder._embed_points(points[None], kinds[None], pad=False)[0].data)


def choose_cases(t):
    """The best of several masks, and the first unless it is unstable, by SAM 2's decoder."""
    batch, planes, height, width = 10, 4, 7, 9
    masks, scores = 2 * torch.randn(batch, planes, height, width), torch.rand(batch, planes)
    masks[0, 0], masks[1, 0], masks[2, 0] = 9.0, -9.0, 0.01  # full, empty, all of it doubtful
    masks[3, 0].flatten()[:20] = torch.tensor([0.04, 9.0] * 10)
    masks[4, 0, 2, 2], masks[5, 0] = float("nan"), float("nan")
    masks[5:, 0] *= torch.tensor([1.0, 5.0, 50.0, 500.0, 0.1])[:, None, None]
    scores[0, 1:], scores[1] = 0.5, torch.tensor([0.9, 0.1, 0.7, 0.7])  # ties; the first mask's score does not count
    scores[2, 3], scores[6, 1:3] = float("nan"), float("nan")
    decoder = SimpleNamespace(dynamic_multimask_stability_delta=0.05, dynamic_multimask_stability_thresh=0.98)
    decoder._get_stability_scores = lambda logits: Sam2MaskDecoder._get_stability_scores(decoder, logits)
    chosen, _ = Sam2MaskDecoder._dynamic_multimask_via_stability(decoder, masks[None], scores[None])
    same = (torch.isclose(masks, chosen[0], rtol=0, atol=0, equal_nan=True)).flatten(2).all(2)
    put(t, "choose", masks=masks.flatten(2), scores=scores, fallback=same.int().argmax(1).int(),
        several=(1 + scores[:, 1:].argmax(1)).int())


def separate_cases(t):
    """Each pixel to one object, by SAM 2's processor."""
    masks = (4 * torch.randn(4, 1, 9, 11)).round() - 8  # many ties, many values on either side of -10
    masks.flatten(1)[0, 3], masks.flatten(1)[2, 4], masks.flatten(1)[1:3, 5] = float("nan"), float("nan"), float("nan")
    out = Sam2ImageProcessor._apply_non_overlapping_constraints(None, masks)
    put(t, "separate", masks=masks.flatten(1), out=out.flatten(1))


def clean_cases(t):
    """Small parts as the original SAM 2 removes them, found by scipy with 8 neighbours."""
    threshold = 0.5
    masks = F.interpolate(torch.randn(4, 1, 12, 10), (30, 25), mode="bilinear")[:, 0] + 0.3 * torch.randn(4, 30, 25)
    masks = (masks * 64).round() / 64 + threshold  # some lie on the threshold
    masks[1, ::7, ::5] = float("nan")
    put(t, "clean", masks=masks)
    for hole, sprinkle in [(1, 0), (0, 1), (4, 4), (9, 20), (100, 3), (2000, 2000)]:
        out = masks.clone()
        for index, mask in enumerate(masks):
            for kind, area, value in [(mask <= threshold, hole, threshold + 10), (mask > threshold, sprinkle, threshold - 10)]:
                labels, _ = ndimage.label(kind.numpy(), structure=np.ones((3, 3)))
                small = (np.bincount(labels.flatten())[labels] <= area) & (labels > 0)
                out[index][torch.from_numpy(small)] = value
        put(t, f"clean.{hole}.{sprinkle}", out=out)


def mask_cases(t):
    torch.manual_seed(2025)
    for case in [point_cases, choose_cases, separate_cases, clean_cases]:
        case(t)


def main():
    torch.manual_seed(2022)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, cases in {
        "ops": [linear_cases, conv2d_cases, row_cases, attention_cases, element_cases],
        "resize": [image_cases, axis_cases, antialias_cases],
        "tokens": [token_cases],
        "choices": [choice_cases],
        "masks": [mask_cases],
    }.items():
        tensors = {}
        for case in cases:
            case(tensors)
        save_file(tensors, FOLDER / f"{name}.safetensors")
        print(f"{name}: {len(tensors)} tensors, {(FOLDER / f'{name}.safetensors').stat().st_size} bytes")


if __name__ == "__main__":
    main()
