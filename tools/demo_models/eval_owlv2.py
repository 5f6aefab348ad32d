"""Measures a demo model folder with the reference's own processor and model on held-out pictures.

    python eval_owlv2.py MODEL PICTURES      PICTURES: what render_images.py wrote
"""
import json
import os
import sys

import numpy as np
import torch
from PIL import Image
from transformers import AutoProcessor, Owlv2ForObjectDetection

import metrics
import vocabulary as V


@torch.no_grad()
def raw(model, processor, image, texts):
    inputs = processor(text=[texts], images=[image], return_tensors="pt", padding="max_length", truncation=True, max_length=16)
    out = model(**inputs)
    side = max(image.size)
    box = out.pred_boxes[0]
    box = torch.cat([box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2], 1) * side
    return out.logits[0].sigmoid().numpy(), box.numpy()


def nouns(model, processor, data, template, words):
    found, truth, absent, twice, kept = [], [], 0, 0, 0
    for image, objects in data:
        scores, boxes = raw(model, processor, image, [template.format(w) for w in words])
        best, labels = scores.max(1), scores.argmax(1)
        keep = best > 0.01
        clipped = np.clip(boxes, 0, [image.width, image.height] * 2)
        found.append((clipped[keep], best[keep], labels[keep]))
        names = np.array([V.NOUN_LIST.index(o["noun"]) for o in objects])
        truth.append((np.array([o["box"] for o in objects], float), names))
        high = best > 0.1
        absent += int(sum(label not in names for label in labels[high]))
        kept += int(high.sum())
        same = metrics.iou_matrix(clipped[high], clipped[high]) > 0.6
        twice += int((np.triu(same, 1) & (labels[high][:, None] == labels[high][None])).sum())
    ap = metrics.average_precision(found, truth, np.arange(0.5, 1, 0.05))
    n = len(data)
    return {"AP50": ap[0], "AP75": ap[5], "AP50:95": float(np.mean(ap)), "absent nouns >0.1 an image": absent / n,
            "detections >0.1 an image": kept / n, "duplicates >0.1 an image": twice / n}


def recall(model, processor, data, template="a photo of {}"):
    """Where "colour noun" is asked for each object: does the right colour score best among the noun's colours?"""
    pairs = V.colour_pairs()
    right = total = 0
    for image, objects in data:
        for o in objects:
            options = [c for c, n in pairs if n == o["noun"]]
            if not o["colour"] or len(options) < 2:
                continue
            scores, boxes = raw(model, processor, image, [template.format(f"{c} {o['noun']}") for c in options])
            iou = metrics.iou_matrix(boxes, np.array([o["box"]], float))[:, 0]
            near = np.where(iou > 0.5, scores.max(1), 0).argmax()
            right += int(iou[near] > 0.5 and options[int(scores[near].argmax())] == o["colour"])
            total += 1
    return {"colour right": right / max(1, total), "objects with a colour": total}


def unknown(model, processor, data, template="a photo of {}"):
    words = V.unknown_words("held")
    tops = np.array([raw(model, processor, image, [template.format(w) for w in words])[0].max(0) for image, _ in data])
    return {"unknown words": len(words), "share with any score > 0.1": float((tops > 0.1).mean()), "mean top score": float(tops.mean())}


def main():
    torch.set_num_threads(1)
    folder, pictures = sys.argv[1:3]
    processor = AutoProcessor.from_pretrained(folder)
    model = Owlv2ForObjectDetection.from_pretrained(folder, dtype=torch.float32).eval()
    truth = json.load(open(os.path.join(pictures, "truth.json")))["images"]
    data = [(Image.open(os.path.join(pictures, t["image"])).convert("RGB"), t["objects"]) for t in truth]
    show = lambda name, d: print(name, json.dumps({k: round(v, 4) for k, v in d.items()}), flush=True)
    show("a photo of {}:", nouns(model, processor, data, "a photo of {}", V.NOUN_LIST))
    show("{}:", nouns(model, processor, data, "{}", V.NOUN_LIST))
    show("synonyms:", nouns(model, processor, data, "a photo of {}", [V.prompts_of(n)[-1] for n in V.NOUN_LIST]))
    show("colours:", recall(model, processor, data[:120]))
    show("unknown:", unknown(model, processor, data[:60]))


if __name__ == "__main__":
    main()
