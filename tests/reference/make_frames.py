"""Makes tests/cli/data/frames.safetensors: what `sowlv2 frames` has to find in a short video, from the pinned reference.

    python tests/reference/make_frames.py

  pixels    U8 [frames, h, w, 3], a slow pan with a cut
  For each run R (change, variance, surprise, motion):
  R.features  F32 [clips, tokens, width], last_hidden_state of each clip with its own processor
  R.pooled    F32 [clips, tubelets, width]
  R.raw       F32 [frames], NaN where there is none
  R.scores    F32 [frames]
  R.chosen    I64, numbers from 1, of 4 frames at least 5 apart
  motion      F32 [frames]; scenes I64: numbers of the frames that begin a scene
  labels      I64 [clips, 5]; probabilities F32 [clips, 5]: vjepa2_classifier
"""

from pathlib import Path

import numpy as np
import torch
from make_importance import change, normalise, select
from safetensors.numpy import save_file
from transformers import AutoVideoProcessor, VJEPA2ForVideoClassification, VJEPA2Model

TESTS = Path(__file__).resolve().parent.parent
FRAMES, HEIGHT, WIDTH, CUT, HISTORY = 19, 40, 72, 11, 4


def make_pixels():
    generator = np.random.default_rng(7)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    out = np.empty((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    for t in range(FRAMES):
        for k in range(3):
            at = x + 0.6 * t
            wave = 70 * np.sin(at / (7 + k)) * np.cos(y / (6 - k)) + 90
            if t >= CUT:
                wave = 60 * np.sign(np.sin(y / 5 + k)) + 150 - at
            wave[8 : 8 + t, 30:40] = 20 * t * (k != 1)  # something that grows
            out[t, :, :, k] = np.clip(wave + generator.normal(0, 3, wave.shape), 0, 255).round()
    return out


def clip_starts(count, step):
    """Starts of the clips: every `step` frames, and one that ends with the last frame."""
    starts = list(range(0, FRAMES - count + 1, step))
    return starts if starts[-1] + count == FRAMES else starts + [FRAMES - count]


def encode(model, processor, pixels):
    video = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    values = processor([video], return_tensors="pt")["pixel_values_videos"]
    return model(values, skip_predictor=True).last_hidden_state


def mean_of_clips(starts, clip_scores, count, tubelet):
    """The mean of what all clips say of a frame; where none says anything, what was said of the frame before."""
    said = [[] for _ in range(FRAMES)]
    for start, scores in zip(starts, clip_scores):
        for i in range(count):
            score = scores[min(i // tubelet, len(scores) - 1)]
            if not np.isnan(score):
                said[start + i].append(score)
    raw = [np.mean(s) if s else np.nan for s in said]
    for i in range(1, FRAMES):
        raw[i] = raw[i - 1] if np.isnan(raw[i]) else raw[i]
    return np.array(raw, np.float64)


def change_scores(starts, features, count):
    out, before, end = [], None, 0
    for start, clip in zip(starts, features):
        if before is not None and start == end:
            joined = np.concatenate([before[-HISTORY:], clip])
            out.append(change(joined, HISTORY)[len(joined) - len(clip) :])
        else:
            scores = change(clip, HISTORY)
            scores[0] = np.nan
            out.append(scores)
        before, end = clip, start + count
    return out


def surprise_scores(model, processor, pixels, starts, features, count, tubelet):
    out = []
    for start, clip in zip(starts, features):
        tubelets, patches, width = clip.shape
        seen = tubelets - tubelets // 2
        context = encode(model, processor, pixels[start : start + seen * tubelet])
        ids = torch.arange(tubelets * patches)[None]
        predicted = model.predictor(
            context, context_mask=[ids[:, : seen * patches]], target_mask=[ids[:, seen * patches :]]
        ).last_hidden_state[0]
        truth = torch.nn.functional.layer_norm(torch.from_numpy(clip[seen:]).reshape(-1, width), (width,))
        error = (predicted - truth).abs().mean(-1).reshape(-1, patches).mean(-1).numpy()
        out.append(np.concatenate([np.full(seen, np.nan), error]))
    # A frame keeps the first score it got.
    said = np.full(FRAMES, np.nan)
    for start, scores in zip(starts, out):
        for i in range(count):
            if np.isnan(said[start + i]):
                said[start + i] = scores[min(i // tubelet, len(scores) - 1)]
    return said


def motion_of(pixels):
    grey = np.empty((FRAMES, 36, 64), np.int64)
    weighted = pixels.astype(np.int64) @ np.array([77, 150, 29])
    for row in range(36):
        for column in range(64):
            block = weighted[
                :, HEIGHT * row // 36 : max(HEIGHT * (row + 1) // 36, HEIGHT * row // 36 + 1),
                WIDTH * column // 64 : max(WIDTH * (column + 1) // 64, WIDTH * column // 64 + 1),
            ]
            grey[:, row, column] = block.sum((1, 2)) // 256 // (block.shape[1] * block.shape[2])
    return np.concatenate([[0], np.abs(np.diff(grey, axis=0)).mean((1, 2)) / 255])


def run(kind, model, processor, pixels, motion, tensors):
    tubelet, count, overlap = 2, 8, 0
    if kind == "variance":
        count, overlap = 6, 2
    if kind == "surprise":
        overlap = 4
    starts = clip_starts(count, count - overlap)
    features = [encode(model, processor, pixels[s : s + count])[0].numpy() for s in starts]
    grouped = [f.reshape(count // tubelet, -1, f.shape[-1]) for f in features]
    if kind == "variance":
        raw = mean_of_clips(starts, [g.var(1).mean(-1) for g in grouped], count, tubelet)
    elif kind == "surprise":
        raw = surprise_scores(model, processor, pixels, starts, grouped, count, tubelet)
    else:
        raw = mean_of_clips(starts, change_scores(starts, grouped, count), count, tubelet)
    known = np.isfinite(raw)
    scores = np.zeros(FRAMES)
    scores[known] = normalise(raw[known])
    if kind == "motion":
        scores = normalise(0.5 * scores + 0.5 * normalise(motion))
    tensors[f"{kind}.features"] = np.stack(features)
    tensors[f"{kind}.pooled"] = np.stack([g.mean(1) for g in grouped])
    tensors[f"{kind}.raw"] = raw.astype(np.float32)
    tensors[f"{kind}.scores"] = scores.astype(np.float32)
    tensors[f"{kind}.chosen"] = select(scores, 4, 5, [0, CUT]) + 1


def classify(pixels, tensors):
    folder = TESTS / "models" / "data" / "vjepa2_classifier"
    processor = AutoVideoProcessor.from_pretrained(folder)
    model = VJEPA2ForVideoClassification.from_pretrained(folder, dtype=torch.float32).eval()
    logits = []
    for start in clip_starts(4, 4):
        video = torch.from_numpy(pixels[start : start + 4]).permute(0, 3, 1, 2).contiguous()
        logits.append(model(processor([video], return_tensors="pt")["pixel_values_videos"]).logits[0])
    best = torch.stack(logits).softmax(-1).sort(-1, descending=True)
    tensors["labels"], tensors["probabilities"] = best.indices.numpy(), best.values.numpy()


def main():
    torch.set_num_threads(1)
    folder = TESTS / "models" / "data" / "vjepa2_tiny"
    processor = AutoVideoProcessor.from_pretrained(folder)
    model = VJEPA2Model.from_pretrained(folder, dtype=torch.float32).eval()
    pixels = make_pixels()
    motion = motion_of(pixels)
    assert motion[CUT] > 0.1 and motion[CUT] > 4 * np.delete(motion, CUT).max(), motion
    tensors = {"pixels": pixels, "motion": motion.astype(np.float32), "scenes": np.array([1, CUT + 1])}
    with torch.no_grad():
        for kind in ("change", "variance", "surprise", "motion"):
            run(kind, model, processor, pixels, motion, tensors)
        classify(pixels, tensors)
    path = TESTS / "cli" / "data" / "frames.safetensors"
    path.parent.mkdir(exist_ok=True)
    save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, path)
    path.chmod(0o644)
    print(f"{path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
