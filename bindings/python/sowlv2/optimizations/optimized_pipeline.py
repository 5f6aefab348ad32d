"""The Optimization Guide's pipeline: images and videos in, files of an output folder out."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from .._detector import Detector
from .._errors import ArgumentError, Error, error_of
from .._images import picture_of
from .._library import logger, prompts_of
from .._progress import Progress
from .._run import RunReport, run
from .._segmenter import Segmenter
from .._tracker import Tracker
from ..data.config import PipelineBaseData
from .batch_optimizer import IntelligentBatchOptimizer
from .gpu_optimizations import open_device, refuse_torch
from .model_cache import IntelligentModelCache
from .parallel_processor import (
    ParallelConfig,
    ParallelDetectionProcessor,
    ParallelFrameProcessor,
    ParallelIOProcessor,
    ParallelSegmentationProcessor,
    available_cores,
)
from .vjepa2_optimization import VJepa2VideoOptimizer

PathLike = Union[str, "os.PathLike[str]"]
Prompts = Union[str, Sequence[str]]

# What tracking a video of 1280 x 720 takes beside the weights at full size, in GB (docs/performance.md), and writers.
_VIDEO_GB = 1.0


class _Warnings(logging.Handler):
    """The last warning of this thread's job: what the library says of an input that failed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


class OptimizedSOWLv2Pipeline:
    """Finds, cuts out and follows what prompts name, and writes it as files.

    config            PipelineBaseData: models, threshold, device, what is written
    parallel_config   ParallelConfig: how much is done at once
    progress          True for bars by tqdm, or a function, of jobs and of models' downloads

    owl, sam                    the models: sowlv2.Detector, sowlv2.Segmenter
    vjepa2_optimizer            None, or a VJepa2VideoOptimizer: it says where in videos objects are looked for
    use_temporal_detection      look ahead in videos, and follow objects both ways from where they are seen best
    temporal_detection_frames   on how many key frames
    temporal_merge_threshold    how much detections of different key frames overlap that are one object
    frame_budget                share of a video's frames that is tracked, the others being filled in; None: 0.75 with a
                                vjepa2_optimizer, else all

    Calls that write to one folder add to what is there, where it was made by the same job: the same models, prompts
    and options. What another job left is replaced, with a warning: give jobs folders of their own.
    """

    def __init__(
        self,
        config: Optional[PipelineBaseData] = None,
        parallel_config: Optional[ParallelConfig] = None,
        *,
        progress: Progress = None,
    ) -> None:
        self.config = config or PipelineBaseData()
        self.parallel_config = parallel_config or ParallelConfig()
        self.progress = progress
        self.device = open_device(self.config.device, self.config.precision, self.parallel_config.threads)
        downloads = progress if isinstance(progress, bool) else None
        self.owl = Detector(self.config.owl_model, device=self.device, progress=downloads)
        self.sam = Segmenter(self.config.sam_model, device=self.device, progress=downloads)
        self.detection_processor = ParallelDetectionProcessor(self.owl, self.sam, self.parallel_config)
        self.segmentation_processor = ParallelSegmentationProcessor(self.sam, self.parallel_config)
        self.io_processor = ParallelIOProcessor(self.parallel_config)
        self.frame_processor = ParallelFrameProcessor(self.parallel_config)
        self.model_cache = IntelligentModelCache(self.device.name)
        self.batch_optimizer = IntelligentBatchOptimizer(self.device.name)
        self.vjepa2_optimizer: Optional[VJepa2VideoOptimizer] = None
        self.use_temporal_detection = False
        self.temporal_detection_frames = 5
        self.temporal_merge_threshold = 0.7
        self.frame_budget: Optional[float] = None

    # ---- images ----

    def process_image(self, image_path: PathLike, prompt: Prompts, output_dir: PathLike = "output") -> RunReport:
        """Finds the prompts in one image, all in one pass. Raises where the image cannot be read."""
        return self._one([image_path], (), prompt, output_dir)

    def process_images_batch(
        self, image_paths: Sequence[PathLike], prompt: Prompts, output_dir: PathLike = "output"
    ) -> RunReport:
        """The same for many images, `batch_size` of them a pass, read and written beside. One that fails is logged and
        counted in the report, and does not stop the others."""
        listed = _paths(image_paths, "image_paths")
        there = [path for path in listed if os.path.exists(path)]
        for path in listed:
            if path not in there:
                logger.warning("%s: there is no such file", path)
        if not there:
            raise FileNotFoundError(f"{listed[0]}: there is no such file, nor any of the others")
        report = self._run(there, (), prompt, output_dir)
        missing = len(listed) - len(there)
        return RunReport(report.done, report.failed + missing, report.interrupted, report.parts)

    def process_frames(self, folder_path: PathLike, prompt: Prompts, output_dir: PathLike = "output") -> RunReport:
        """The same for the images of a folder, each for itself."""
        if not os.path.isdir(folder_path):
            raise NotADirectoryError(f"{os.fspath(folder_path)}: a folder of images is needed")
        return self._run([folder_path], (), prompt, output_dir)

    # ---- videos ----

    def process_video(self, video_path: PathLike, prompt: Prompts, output_dir: PathLike = "output") -> RunReport:
        """Follows the prompts through a video. Raises where it cannot be read; what came before is kept."""
        return self._one((), [video_path], prompt, output_dir)

    def process_videos_batch(
        self, video_paths: Sequence[PathLike], prompt: Prompts, output_dir: PathLike = "output"
    ) -> Dict[str, Union[RunReport, Exception]]:
        """Follows the prompts through several videos, some at once as memory and `max_workers` allow, each into a
        folder of its name in `output_dir`. One that fails is logged and does not stop the others. Gives the report of
        each, or what went wrong."""
        listed = _paths(video_paths, "video_paths")
        at_once = self.videos_at_once(len(listed))
        folders = _folders(listed, Path(output_dir))

        def process(path: str) -> Union[RunReport, Exception]:
            try:
                return self._one((), [path], prompt, folders[path])
            except Exception as error:
                logger.error("%s: %s", path, error)
                return error

        prompts_of(prompt)  # wrong ones are nobody's video's fault
        with ThreadPoolExecutor(at_once, "sowlv2.videos") as pool:
            return dict(zip(listed, pool.map(process, listed)))

    def videos_at_once(self, count: int) -> int:
        """How many videos process_videos_batch() works on at once: `max_workers`, and what fits into free memory. On
        the CPU two, since every pass uses all its cores already: the second one's computing fills the gaps of the
        first one's reading and writing."""
        self.parallel_config.check()
        most = self.parallel_config.max_workers or available_cores()
        if self.device.name == "cpu":
            most = min(most, 2)
        memory = int(self.device.memory()[1] * 0.8 / (_VIDEO_GB * 1e9))
        return max(1, min(most, memory, count))

    # ---- both ----

    def _options(self, video: bool) -> Dict[str, Any]:
        self.parallel_config.check()
        written = self.config.pipeline_config
        options: Dict[str, Any] = {
            "threshold": self.config.threshold,
            "masks": written.binary,
            "overlays": written.overlay,
            "merged": written.merged,
            "batch_size": self.parallel_config.images_at_once,
            "io_threads": min(self.parallel_config.thread_pool_size, 256),
        }
        if not video:
            return options
        budget = self.frame_budget
        if self.vjepa2_optimizer is not None:
            options["scorer"] = self.vjepa2_optimizer.model_name
            options["frames_per_clip"] = self.vjepa2_optimizer.frames_per_clip
            budget = 0.75 if budget is None else budget
        elif self.use_temporal_detection:
            logger.info("use_temporal_detection: without a vjepa2_optimizer, key frames are equal steps apart")
        options.update(
            fps=self.config.fps,
            frame_budget=budget,
            key_frames=self.use_temporal_detection,
            key_frame_count=self.temporal_detection_frames,
            merge_iou=self.temporal_merge_threshold,
        )
        return options

    def _run(
        self, images: Sequence[PathLike], videos: Sequence[PathLike], prompt: Prompts, output: PathLike
    ) -> RunReport:
        """Adds to what the same job left in the folder; replaces what another one did."""
        options = self._options(bool(videos))

        def start(resume: bool) -> RunReport:
            return run(
                images,
                prompt,
                output,
                videos=videos,
                detector=self.owl,
                segmenter=self.sam,
                resume=resume,
                progress=self.progress,
                **options,
            )

        try:
            return start(True)
        except ArgumentError as error:
            if "--resume" not in str(error):
                raise
            logger.warning("%s: what an earlier job left there is replaced: %s", os.fspath(output), error)
            return start(False)

    def _one(
        self, images: Sequence[PathLike], videos: Sequence[PathLike], prompt: Prompts, output: PathLike
    ) -> RunReport:
        """One input, whose failure is the caller's exception."""
        warned = _Warnings()
        logger.addHandler(warned)
        try:
            report = self._run(images, videos, prompt, output)
        finally:
            logger.removeHandler(warned)
        if report.failed:
            path = os.fspath([*images, *videos][0])
            part = report.parts[-1]
            raise error_of(part.status or -3, part.error or warned.last or f"{path}: it could not be processed", path)
        return report


def _paths(paths: Sequence[PathLike], what: str) -> List[str]:
    if isinstance(paths, (str, bytes, os.PathLike)):
        raise TypeError(f"{what}: a list of paths is needed")
    listed = [os.fspath(path) for path in paths]
    if not listed:
        raise ValueError(f"{what}: the list is empty")
    return list(dict.fromkeys(listed))


def _folders(paths: Sequence[str], output: Path) -> Dict[str, Path]:
    """A folder for each video: its name without suffix, with ~2 and so on where that is taken."""
    taken: Dict[str, int] = {}
    folders = {}
    for path in paths:
        name = Path(path).stem or "video"
        taken[name] = taken.get(name, 0) + 1
        folders[path] = output / (name if taken[name] == 1 else f"{name}~{taken[name]}")
    return folders


class ModelOptimizations:
    """What can be done to a model before it is used."""

    @staticmethod
    def optimize_sam_for_video(sam_model: Segmenter) -> Segmenter:
        """Loads what tracking needs beside images now, which else the first video does."""
        refuse_torch(sam_model, "optimize_sam_for_video")
        Tracker(sam_model).close()
        return sam_model

    @staticmethod
    def optimize_owl_batch_processing(owl_model: Detector, batch_size: int = 4) -> Detector:
        """Makes the memory of a batch's pass now, which else the first one does."""
        refuse_torch(owl_model, "optimize_owl_batch_processing")
        side = owl_model.image_size
        owl_model.detect([np.zeros((side, side, 3), np.uint8)] * batch_size, "object", threshold=1.0)
        return owl_model


class CachedModelWrapper:
    """A model that remembers its last answers: the same image with the same words is not computed again.

    model        a sowlv2.Detector or Segmenter; or a function, which cached_forward() calls
    cache_size   answers that are remembered
    """

    def __init__(self, model: Any, cache_size: int = 100) -> None:
        if cache_size < 1:
            raise ValueError(f"cache_size: {cache_size} is below 1")
        self.model = model
        self.cache_size = cache_size
        self.hits = self.misses = 0
        self._answers: "OrderedDict[Tuple[Any, ...], Any]" = OrderedDict()
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def cached_forward(self, *args: Any, **kwargs: Any) -> Any:
        """model(*args, **kwargs); of our models detect() or segment()."""
        for method in ("detect", "segment"):
            if hasattr(self.model, method):
                return self._cached(method, args, kwargs)
        return self._cached("__call__", args, kwargs)

    def detect(self, *args: Any, **kwargs: Any) -> Any:
        """As Detector.detect()."""
        return self._cached("detect", args, kwargs)

    def segment(self, *args: Any, **kwargs: Any) -> Any:
        """As Segmenter.segment()."""
        return self._cached("segment", args, kwargs)

    def _cached(self, method: str, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Any:
        key = (method, *map(_key, args), *((name, _key(kwargs[name])) for name in sorted(kwargs)))
        with self._lock:
            if key in self._answers:
                self.hits += 1
                self._answers.move_to_end(key)
                return self._answers[key]
        answer = getattr(self.model, method)(*args, **kwargs)
        with self._lock:
            self.misses += 1
            self._answers[key] = answer
            while len(self._answers) > self.cache_size:
                self._answers.popitem(last=False)
        return answer


def _key(value: Any) -> Any:
    """What stands for an argument: images by their pixels, files by when they were changed."""
    if isinstance(value, (list, tuple)):
        return tuple(_key(item) for item in value)
    if isinstance(value, (str, os.PathLike)) and os.path.isfile(value):
        state = os.stat(value)
        return (os.fspath(value), state.st_size, state.st_mtime_ns)
    if isinstance(value, (bytes, bytearray)) or hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        try:
            pixels = picture_of(value).pixels
        except (Error, TypeError, ValueError):
            pixels = np.ascontiguousarray(value)
        return (pixels.shape, str(pixels.dtype), hashlib.sha1(np.ascontiguousarray(pixels).data).hexdigest())
    try:
        hash(value)
        return value
    except TypeError:
        return repr(value)
