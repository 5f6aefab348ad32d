"""Detections of several frames of a video, made into objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .._draw import color_of
from .._key_frames import select_frames
from .._library import call, ffi, lib

Box = Sequence[float]


@dataclass
class TemporalDetection:
    """An object on one frame: `box` is [x0, y0, x1, y1] in pixels."""

    frame_idx: int
    box: List[float]
    score: float
    core_prompt: str
    sam_id: Optional[int] = None


@dataclass
class TrackedObject:
    """Detections that are one object: `best_detection_idx` is the one with the best score, where a tracker starts."""

    object_id: int
    core_prompt: str
    detections: List[TemporalDetection] = field(default_factory=list)
    color: Tuple[int, int, int] = (0, 0, 0)
    best_detection_idx: int = 0

    @property
    def best_detection(self) -> TemporalDetection:
        return self.detections[self.best_detection_idx]


def compute_iou(box1: Box, box2: Box) -> float:
    """How much two boxes [x0, y0, x1, y1] overlap: area of both through area of either; 0 where they are empty."""
    if len(box1) != 4 or len(box2) != 4:
        raise ValueError("compute_iou: boxes are [x0, y0, x1, y1]")
    width = min(box1[2], box2[2]) - max(box1[0], box2[0])
    height = min(box1[3], box2[3]) - max(box1[1], box2[1])
    both = max(0.0, width) * max(0.0, height)
    areas = [max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]) for box in (box1, box2)]
    either = areas[0] + areas[1] - both
    return float(both / either) if either > 0 else 0.0


def merge_temporal_detections(
    detections_by_frame: Mapping[int, Sequence[Dict[str, Any]]], merge_threshold: float = 0.7
) -> List[TrackedObject]:
    """Makes objects of the detections of frames, in time order.

    detections_by_frame   by the frame's number, dicts with "box", "score" and "core_prompt"
    merge_threshold       a detection belongs to the object of its prompt whose boxes on the last three frames it was
                          detected on overlap it most, if that is more than this; else it is a new object
    """
    frames = sorted(detections_by_frame)
    given = [list(detections_by_frame[frame]) for frame in frames]
    prompts = sorted({str(item["core_prompt"]) for items in given for item in items})
    keep: List[Any] = []
    array = ffi.new("struct sowlv2_detections[]", max(len(frames), 1))
    for index, items in enumerate(given):
        c = ffi.new("struct sowlv2_detection[]", max(len(items), 1))
        for at, item in enumerate(items):
            c[at].box = [float(value) for value in item["box"]]
            c[at].score = float(item["score"])
            c[at].objectness = -1
            c[at].prompt = prompts.index(str(item["core_prompt"]))
        keep.append(c)
        array[index].items, array[index].count = c, len(items)
    out = ffi.gc(ffi.new("struct sowlv2_merged *"), lib.sowlv2_merged_free)
    call(lib.sowlv2_merge_detections, array, len(frames), merge_threshold, out)
    objects = [
        TrackedObject(index + 1, prompts[out.items[index].prompt], [], color_of(index)) for index in range(out.count)
    ]
    number = 0
    for frame, items in zip(frames, given):
        for item in items:
            target = objects[out.objects[number]]
            number += 1
            target.detections.append(
                TemporalDetection(
                    frame,
                    [float(value) for value in item["box"]],
                    float(item["score"]),
                    target.core_prompt,
                    target.object_id,
                )
            )
            if target.detections[-1].score > target.best_detection.score:
                target.best_detection_idx = len(target.detections) - 1
    return objects


def select_key_frames_for_detection(
    importance_scores: Sequence[float], num_frames: int, min_spacing: int = 10
) -> List[int]:
    """Indices of the most important frames, in time order: the best first, at least `min_spacing` apart, which is
    halved where too few are left."""
    return [int(index) for index in select_frames(importance_scores, num_frames, spacing=min_spacing)]
