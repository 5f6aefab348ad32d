#!/usr/bin/env python3
"""Makes tests/pipeline/data/masks.safetensors: the reference's masks of the tiny detector's own boxes.

The boxes are the reference's, from tests/models/data/owlv2_tiny (its set `many`, clipped), the images too; the masks are
SAM 2's of tests/models/data/sam2_tiny. For image I with n boxes:
  I.boxes         F32 [n, 4]
  I.MODE.bits     U8 [n, h, w]: 1 in the mask, plus 2 where the logit is so near to 0 that rounding may turn it
  I.MODE.iou      F32 [n]
MODE is single, or for images 0 and 3 also multi (best of the decoder's masks) and refined (single, its logits fed back).
"""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from make_sam2 import CASES, small_config
from safetensors.numpy import load_file, save_file
from transformers import Sam2Config, Sam2ImageProcessor, Sam2Model, Sam2Processor

TESTS = Path(__file__).resolve().parent.parent
OUT = TESTS / "pipeline" / "data" / "masks.safetensors"
IMAGES = 6
NEAR = 2e-4


def decode(model, inputs, features, **more):
    with torch.no_grad():
        return model(image_embeddings=[f.clone() for f in features], input_boxes=inputs["input_boxes"], **more)


def best(output):
    """The masks and IoUs of the highest IoU, [1, n, 1, S, S] and [1, n, 1]."""
    index = output.iou_scores.argmax(-1, keepdim=True)
    top = output.iou_scores.topk(2).values
    assert (top[..., 0] - top[..., 1]).min() > 1e-4
    masks = output.pred_masks.gather(2, index[..., None, None].expand(-1, -1, 1, *output.pred_masks.shape[-2:]))
    return masks, output.iou_scores.gather(2, index)


def open_segmenter(name):
    """The image model in tests/models/data/NAME, which holds the video model's file."""
    folder = TESTS / "models" / "data" / name
    whole = small_config(CASES[name])
    parts = ("vision_config", "prompt_encoder_config", "mask_decoder_config")
    config = Sam2Config(**{part: getattr(whole, part).to_dict() for part in parts})
    stored = json.loads((folder / "config.json").read_text())["mask_decoder_config"]
    config.mask_decoder_config.dynamic_multimask_stability_thresh = stored["dynamic_multimask_stability_thresh"]
    model, stored = Sam2Model(config), load_file(folder / "model.safetensors")
    model.load_state_dict({key: torch.from_numpy(stored[key]).float() for key in model.state_dict()})
    return model.eval(), Sam2Processor(Sam2ImageProcessor.from_pretrained(folder))


def main():
    torch.manual_seed(0)
    detector = load_file(TESTS / "models" / "data" / "owlv2_tiny" / "expected.safetensors")
    model, processor = open_segmenter("sam2_tiny")
    expected = {}
    for image in range(IMAGES):
        pixels = detector[f"image.{image}.pixels"]
        boxes = torch.from_numpy(detector[f"many.image.{image}.clipped.boxes"])
        expected[f"{image}.boxes"] = boxes
        if len(boxes) == 0:
            continue
        size = pixels.shape[:2]
        inputs = processor(images=Image.fromarray(pixels), input_boxes=[boxes.tolist()], return_tensors="pt")
        features = model.get_image_embeddings(inputs["pixel_values"])
        single = decode(model, inputs, features, multimask_output=False)
        refined = [
            decode(model, {"input_boxes": inputs["input_boxes"][:, i : i + 1]}, features, multimask_output=False,
                   input_masks=single.pred_masks[:, i])
            for i in range(len(boxes))
        ]
        modes = {
            "single": (single.pred_masks, single.iou_scores),
            "multi": best(decode(model, inputs, features, multimask_output=True)),
            "refined": (torch.cat([r.pred_masks for r in refined], 1), torch.cat([r.iou_scores for r in refined], 1)),
        }
        for mode, (masks, iou) in modes.items():
            if mode != "single" and image not in (0, 3):
                continue
            logits = processor.post_process_masks(masks, [list(size)], binarize=False)[0][:, 0]
            expected[f"{image}.{mode}.bits"] = ((logits > 0) + 2 * (logits.abs() < NEAR)).to(torch.uint8)
            expected[f"{image}.{mode}.iou"] = iou[0, :, 0]
        print(image, tuple(size), len(boxes), [round(float(modes[m][0].gt(0).float().mean()), 3) for m in modes])
    OUT.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: np.ascontiguousarray(v.numpy()) for k, v in expected.items()}, OUT)
    print(OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
