"""Makes tests/analysis/data/importance.safetensors: scores and choices as numpy and plain loops give them.

    python tests/reference/make_importance.py

  features, predicted  F32 [tubelets, patches, width]
  variance, change.H, surprise  F32 [tubelets], H: tubelets of history
  before, after        U8 [h, w]; motion F32 [1]
  normalised, window.W F32 [tubelets], of `variance`
  select.I.scores      F32 [frames]; select.I.settings I64 [wanted, spacing]; select.I.scenes I64 (some);
  select.I.chosen      I64
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

DATA = Path(__file__).resolve().parent.parent / "analysis" / "data"


def change(features, history):
    scores = [0.0]
    for t in range(1, len(features)):
        mean = features[max(0, t - history) : t].mean(0)
        norms = np.linalg.norm(features[t], axis=1) * np.linalg.norm(mean, axis=1)
        dots = (features[t] * mean).sum(1)
        scores.append(np.where(norms > 0, 1 - dots / np.where(norms > 0, norms, 1), 0).mean())
    return np.array(scores)


def normalise(scores):
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.zeros_like(scores)


def select(scores, wanted, spacing, scenes=None):
    """Slow and plain: for each frame, in the order of scores, look at all that are chosen."""
    count = len(scores)
    scores = np.where(np.isnan(scores), -np.inf, scores)
    order = sorted(range(count), key=lambda i: (-scores[i], i))
    chosen = []
    if scenes is not None:
        bounds = list(scenes) + [count]
        best = [min(range(a, b), key=lambda i: (-scores[i], i)) for a, b in zip(bounds, bounds[1:]) if a < b]
        chosen = sorted(best, key=lambda i: (-scores[i], i))[:wanted]
    spacing = min(max(spacing, 1), count)
    while len(chosen) < min(wanted, count):
        for frame in order:
            if len(chosen) < wanted and all(abs(frame - other) >= max(spacing, 1) for other in chosen):
                if frame not in chosen:
                    chosen.append(frame)
        spacing //= 2
    return np.array(sorted(chosen), np.int64)


def main():
    generator = np.random.default_rng(7)
    features = generator.normal(size=(9, 6, 10)).astype(np.float32)
    features[3] = features[2]  # nothing happens
    features[5, 1] = 0
    predicted = (features + generator.normal(0, 0.3, features.shape)).astype(np.float32)
    f, p = features.astype(np.float64), predicted.astype(np.float64)
    variance = f.var(axis=1).mean(axis=1)
    before, after = generator.integers(0, 256, (2, 12, 17)).astype(np.uint8)
    tensors = {
        "features": features,
        "predicted": predicted,
        "variance": variance.astype(np.float32),
        "change.1": change(f, 1).astype(np.float32),
        "change.4": change(f, 4).astype(np.float32),
        "surprise": np.abs(p - f).mean(axis=(1, 2)).astype(np.float32),
        "before": before,
        "after": after,
        "motion": np.array([np.abs(before.astype(float) - after).mean() / 255], np.float32),
        "normalised": normalise(variance).astype(np.float32),
        "window.3": np.array([normalise(variance[max(0, i - 2) : i + 1])[-1] for i in range(9)], np.float32),
    }
    runs = [
        (60, 5, 10, None),
        (60, 12, 10, None),  # more than fit at that distance
        (8, 20, 10, None),  # more than there are
        (1, 1, 10, None),
        (40, 6, 0, None),
        (200, 7, 1000, None),  # a distance longer than the video
        (100, 6, 10, [0, 20, 22, 70]),
        (100, 2, 10, [0, 20, 22, 70]),  # more scenes than wanted
        (50, 9, 8, [10, 10, 49]),  # an empty scene; frames before the first
    ]
    for index, (count, wanted, spacing, scenes) in enumerate(runs):
        scores = generator.random(count).astype(np.float32)
        scores[count // 3 : count // 2] = 0.75  # ties
        if index == 4:
            scores[[3, 17]] = np.nan
        tensors[f"select.{index}.scores"] = scores
        tensors[f"select.{index}.settings"] = np.array([wanted, spacing], np.int64)
        if scenes is not None:
            tensors[f"select.{index}.scenes"] = np.array(scenes, np.int64)
        tensors[f"select.{index}.chosen"] = select(scores, wanted, spacing, scenes)
    DATA.mkdir(parents=True, exist_ok=True)
    save_file(tensors, DATA / "importance.safetensors")
    (DATA / "importance.safetensors").chmod(0o644)


if __name__ == "__main__":
    main()
