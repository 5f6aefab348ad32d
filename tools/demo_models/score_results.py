"""Scores the program's results.jsonl against the ground truth of render_images.py.

    python score_results.py RESULTS.jsonl PICTURES

Run the program on PICTURES with a low threshold (--threshold 0.02), --sam-model none and all nouns of truth.json's "prompts" as prompts. Prints AP50,
AP50:95 and, at threshold 0.1, detections of absent nouns and double detections an image.
"""
import argparse
import json
import os

import numpy as np

import metrics


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("results")
    a.add_argument("pictures")
    a = a.parse_args()
    with open(os.path.join(a.pictures, "truth.json")) as f:
        truth = json.load(f)
    with open(a.results) as f:
        rows = {r["image"]: r["objects"] for r in map(json.loads, f)}
    nouns, found, want, absent, double = truth["prompts"], [], [], 0, 0
    for t in truth["images"]:
        objects = rows.get(t["image"], [])
        boxes = np.array([o["box"] for o in objects], float).reshape(-1, 4)
        scores = np.array([o["score"] for o in objects], float)
        labels = np.array([nouns.index(o["prompt"]) for o in objects], int)
        mine = np.array([nouns.index(o["noun"]) for o in t["objects"]], int)
        found.append((boxes, scores, labels))
        want.append((np.array([o["box"] for o in t["objects"]], float), mine))
        high = scores > 0.1
        absent += sum(k not in mine for k in labels[high])
        same = metrics.iou_matrix(boxes[high], boxes[high]) > 0.6
        double += int((np.triu(same, 1) & (labels[high][:, None] == labels[high][None])).sum())
    ap = metrics.average_precision(found, want, np.arange(0.5, 1, 0.05))
    n = len(truth["images"])
    print(f"images {n}  AP50 {ap[0]:.3f}  AP75 {ap[5]:.3f}  AP50:95 {np.mean(ap):.3f}  "
          f"absent nouns an image {absent / n:.2f}  double an image {double / n:.2f}")


if __name__ == "__main__":
    main()
