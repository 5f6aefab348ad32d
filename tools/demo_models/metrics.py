"""Average precision as COCO counts it (101 recall points, mean over the classes that occur)."""
import numpy as np


def iou_matrix(a, b):
    """Boxes as x0 y0 x1 y1, (n, 4) and (m, 4)."""
    lo, hi = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = (hi - lo).clip(0).prod(-1)
    area = lambda x: (x[:, 2:] - x[:, :2]).clip(0).prod(-1)
    return inter / np.maximum(area(a)[:, None] + area(b)[None] - inter, 1e-9)


def average_precision(found, truth, thresholds):
    """found: per image (boxes, scores, labels); truth: per image (boxes, labels). Returns the mean AP per threshold."""
    out = []
    for t in thresholds:
        per_class = []
        for c in sorted({int(k) for _, labels in truth for k in labels}):
            rows, total = [], 0
            for (boxes, scores, labels), (tb, tl) in zip(found, truth):
                mine, want = labels == c, tl == c
                total += int(want.sum())
                b, s = boxes[mine], scores[mine]
                ious = iou_matrix(b, tb[want]) if len(b) and want.any() else np.zeros((len(b), 0))
                used = set()
                for k in np.argsort(-s, kind="stable"):
                    free = [j for j in range(ious.shape[1]) if j not in used and ious[k, j] >= t]
                    best = max(free, key=lambda j: ious[k, j]) if free else None
                    if best is not None:
                        used.add(best)
                    rows.append((s[k], best is not None))
            rows.sort(key=lambda r: -r[0])
            hits = np.cumsum([r[1] for r in rows]) if rows else np.zeros(0)
            recall, precision = hits / total, hits / np.arange(1, len(rows) + 1)
            envelope = np.maximum.accumulate(precision[::-1])[::-1]
            at = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
            per_class.append(np.mean([envelope[i] if i < len(envelope) else 0.0 for i in at]))
        out.append(float(np.mean(per_class)))
    return out
