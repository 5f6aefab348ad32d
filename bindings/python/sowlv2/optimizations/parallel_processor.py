"""Several prompts, objects, frames and files at once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from .._detector import Detector
from .._device import Device
from .._draw import png
from .._images import ImageLike, picture_of
from .._library import logger, prompts_of
from .._segmenter import Segmenter

Path_ = Union[str, "os.PathLike[str]"]


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class ParallelConfig:
    """How much is done at once. Changes count from the next call on; those of `max_workers` also for a pass's threads
    from when models are opened.

    max_workers        CPU cores to compute on: threads of a forward pass on the CPU, and at most so many videos at
                       once; None: all that there are
    batch_size         images that go through the detector as one batch, at most 256
    use_gpu_batching   False: one image at a time, on any device
    thread_pool_size   threads that read, decode, draw and write files, at most 256
    """

    max_workers: Optional[int] = None
    batch_size: int = 4
    use_gpu_batching: bool = True
    thread_pool_size: int = 8

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raises ValueError or TypeError where a field is none that can be."""
        for name, value in (
            ("max_workers", self.max_workers),
            ("batch_size", self.batch_size),
            ("thread_pool_size", self.thread_pool_size),
        ):
            if value is None and name == "max_workers":
                continue
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{name}: an int is needed, not {type(value).__name__}")
            if value < 1:
                raise ValueError(f"{name}: {value} is below 1")

    @property
    def threads(self) -> int:
        """Threads of a forward pass on the CPU; 0: as many as there are cores."""
        if self.max_workers is None:
            return 0
        return min(self.max_workers, available_cores())

    @property
    def images_at_once(self) -> int:
        return min(self.batch_size, 256) if self.use_gpu_batching else 1


@dataclass
class BatchDetectionResult:
    """What was found for one prompt: detections are dicts with "box" ([x0, y0, x1, y1] in pixels), "score" and
    "core_prompt"."""

    prompt: str
    detections: List[Dict[str, Any]] = field(default_factory=list)
    prompt_idx: int = 0


class ParallelDetectionProcessor:
    """Looks for several prompts at once: one pass over the image answers all of them."""

    def __init__(
        self, owl_model: Detector, sam_model: Optional[Segmenter] = None, config: Optional[ParallelConfig] = None
    ) -> None:
        if not isinstance(owl_model, Detector):
            raise TypeError(f"owl_model: a sowlv2.Detector is needed, not {type(owl_model).__name__}")
        self.owl_model = owl_model
        self.sam_model = sam_model
        self.config = config or ParallelConfig()

    @property
    def device(self) -> Device:
        return self.owl_model.device

    def detect_multiple_prompts_parallel(
        self, image: ImageLike, prompts: Union[str, Sequence[str]], threshold: float = 0.1
    ) -> List[BatchDetectionResult]:
        """A result for each prompt, in their order."""
        listed = prompts_of(prompts)
        results = [BatchDetectionResult(prompt, [], index) for index, prompt in enumerate(listed)]
        for item in self.owl_model.detect(image, listed, threshold=threshold):
            results[item.prompt_index].detections.append(
                {"box": list(item.box), "score": item.score, "core_prompt": item.label, "label": item.label}
            )
        return results


class ParallelSegmentationProcessor:
    """Cuts several objects out at once: the image is encoded once for all of them."""

    def __init__(self, sam_model: Segmenter, config: Optional[ParallelConfig] = None) -> None:
        if not isinstance(sam_model, Segmenter):
            raise TypeError(f"sam_model: a sowlv2.Segmenter is needed, not {type(sam_model).__name__}")
        self.sam_model = sam_model
        self.config = config or ParallelConfig()

    def segment_detections_parallel(
        self, image: ImageLike, detections: Sequence[Dict[str, Any]]
    ) -> "List[Tuple[Dict[str, Any], np.ndarray[Any, Any]]]":
        """Each detection (a dict with "box") with its mask, uint8 [height, width], 0 or 255."""
        if not detections:
            return []
        masks = self.sam_model.segment(image, boxes=[detection["box"] for detection in detections])
        return [(detection, mask.array.astype(np.uint8) * 255) for detection, mask in zip(detections, masks)]


class ParallelFrameProcessor:
    """Gives frames to a function, several at once."""

    def __init__(self, config: Optional[ParallelConfig] = None) -> None:
        self.config = config or ParallelConfig()

    def process_frames_parallel(
        self, frame_paths: Sequence[Any], process_func: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> List[Any]:
        """process_func(frame, *args, **kwargs) of each, in their order; None where it raised, which is logged."""
        self.config.check()

        def process(numbered: Tuple[int, Any]) -> Any:
            try:
                return process_func(numbered[1], *args, **kwargs)
            except Exception:
                logger.exception("frame %d: it could not be processed", numbered[0])
                return None

        with ThreadPoolExecutor(self.config.thread_pool_size) as pool:
            return list(pool.map(process, enumerate(frame_paths)))


class ParallelIOProcessor:
    """Writes pictures, several at once."""

    def __init__(self, config: Optional[ParallelConfig] = None) -> None:
        self.config = config or ParallelConfig()

    def save_outputs_parallel(self, save_tasks: "Sequence[Tuple[Path_, Any]]") -> List[Path]:
        """Writes each (path, image), images of PIL or arrays [height, width, 3] or [height, width] of uint8, making
        folders as needed. Gives the paths written; one that cannot be is logged, and does not stop the others."""
        self.config.check()

        def save(task: "Tuple[Path_, Any]") -> Optional[Path]:
            path = Path(task[0])
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                _save(path, task[1])
                return path
            except Exception as error:
                logger.error("%s: it could not be written: %s", path, error)
                return None

        with ThreadPoolExecutor(self.config.thread_pool_size) as pool:
            return [path for path in pool.map(save, save_tasks) if path is not None]


def _save(path: Path, image: Any) -> None:
    """Complete, or not there."""
    unfinished = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        if hasattr(image, "save"):
            image.save(unfinished)
        elif path.suffix.lower() == ".png":
            pixels = np.asarray(image)
            unfinished.write_bytes(png(pixels if pixels.ndim == 2 else picture_of(pixels).pixels))
        else:
            try:
                from PIL import Image
            except ImportError:
                raise ImportError("arrays are written as .png; other formats need Pillow: pip install pillow") from None
            Image.fromarray(np.asarray(image)).save(unfinished)
        unfinished.replace(path)
    finally:
        if unfinished.exists():
            unfinished.unlink()
