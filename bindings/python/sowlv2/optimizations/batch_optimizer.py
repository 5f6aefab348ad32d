"""How many images fit through at once."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from enum import Enum
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .._library import logger
from .gpu_optimizations import open_device


class OptimizationLevel(Enum):
    """How much of the free memory is planned with: 60, 75, 90 %."""

    CONSERVATIVE = 1
    BALANCED = 2
    AGGRESSIVE = 3


@dataclass
class BatchConfig:
    """Images of a detector's pass, objects of a decoder's, frames that are held; `use_mixed_precision`: the device
    computes in bf16. `memory_limit_gb`: what was planned with."""

    detection_batch_size: int = 4
    segmentation_batch_size: int = 4
    frame_batch_size: int = 16
    use_mixed_precision: bool = False
    optimization_level: OptimizationLevel = OptimizationLevel.BALANCED
    memory_limit_gb: Optional[float] = None


@dataclass(frozen=True)
class BatchPerformanceMetrics:
    """One batch size that was tried: seconds, images a second, and whether it went through."""

    batch_size: int
    processing_time: float
    throughput: float
    success: bool


# Peak memory of full-size models beside their weights, an image in GB, from docs/performance.md: OWLv2 base at 960,
# SAM 2.1 small at 1024 with 20 objects, rounded up.
_DETECTION_GB = 0.25
_SEGMENTATION_GB = 0.1


class IntelligentBatchOptimizer:
    """Chooses batch sizes by the memory that the device has, by trying, or while working."""

    def __init__(
        self, device: str = "cuda", optimization_level: OptimizationLevel = OptimizationLevel.BALANCED
    ) -> None:
        self.target = open_device(device)
        self.device = self.target.name
        self.optimization_level = optimization_level

    def profile_and_optimize(
        self,
        test_image_size: Tuple[int, int] = (1080, 1920),
        num_prompts: int = 1,
        memory_limit: Optional[float] = None,
        model_type: str = "sam2",
    ) -> BatchConfig:
        """A BatchConfig for images of this size (height, width).

        num_prompts    changes nothing: one pass answers all prompts
        memory_limit   GB; None: what is free now
        """
        if model_type not in ("sam2", "owl"):
            raise ValueError(f"model_type: {model_type!r} is neither sam2 nor owl")
        part = {1: 0.6, 2: 0.75, 3: 0.9}[self.optimization_level.value]
        free = memory_limit if memory_limit is not None else self.target.memory()[1] / 1e9
        pixels = test_image_size[0] * test_image_size[1] * 3 / 1e9
        planned = free * part
        frames = int(planned * 0.25 / max(pixels, 1e-6))
        # On a CPU a batch saves nothing: an image is products as large as they pay already. It still lets reading
        # and writing go on beside.
        most = 4 if self.device == "cpu" else 16 * self.optimization_level.value
        return BatchConfig(
            detection_batch_size=max(1, min(most, int(planned * 0.75 / (_DETECTION_GB + pixels)))),
            segmentation_batch_size=max(1, min(64, int(planned * 0.75 / _SEGMENTATION_GB))),
            frame_batch_size=max(1, min(64, frames)),
            use_mixed_precision=self.target.precision == "bf16",
            optimization_level=self.optimization_level,
            memory_limit_gb=free,
        )

    def profile_gpu_memory_for_batch_size(
        self, test_func: Callable[..., Any], batch_sizes: Sequence[int], *args: Any, **kwargs: Any
    ) -> Dict[int, BatchPerformanceMetrics]:
        """Calls test_func(batch_size, *args, **kwargs) for each; ends with the first that runs out of memory."""
        results: Dict[int, BatchPerformanceMetrics] = {}
        for size in batch_sizes:
            gc.collect()
            began = time.perf_counter()
            try:
                test_func(size, *args, **kwargs)
                seconds = time.perf_counter() - began
                results[size] = BatchPerformanceMetrics(size, seconds, size / seconds if seconds else 0.0, True)
            except MemoryError as error:
                logger.info("batch size %d: too large: %s", size, error)
                results[size] = BatchPerformanceMetrics(size, time.perf_counter() - began, 0.0, False)
                break
        return results

    def find_optimal_batch_size(
        self,
        test_func: Callable[..., Any],
        max_batch_size: int = 32,
        *args: Any,
        **kwargs: Any,
    ) -> int:
        """The batch size, of 1, 2, 4, ..., with the most images a second that fits into memory, by trying."""
        sizes = [1]
        while sizes[-1] * 2 <= max_batch_size:
            sizes.append(sizes[-1] * 2)
        tried = self.profile_gpu_memory_for_batch_size(test_func, sizes, *args, **kwargs)
        through = [metrics for metrics in tried.values() if metrics.success]
        return max(through, key=lambda metrics: metrics.throughput).batch_size if through else 1

    def adaptive_batch_processing(
        self,
        items: Sequence[Any],
        process_func: Callable[..., Sequence[Any]],
        initial_batch_size: int,
        max_retries: int = 3,
        *args: Any,
        **kwargs: Any,
    ) -> List[Any]:
        """process_func(batch, *args, **kwargs) over all items; a batch that runs out of memory is halved and tried
        again, `max_retries` times."""
        results: List[Any] = []
        size, at, retries = max(1, initial_batch_size), 0, 0
        while at < len(items):
            try:
                results.extend(process_func(items[at : at + size], *args, **kwargs))
            except MemoryError:
                retries += 1
                if size == 1 or retries > max_retries:
                    raise
                size = max(1, size // 2)
                logger.warning("out of memory: going on with batches of %d", size)
                gc.collect()
                continue
            at, retries = at + size, 0
        return results
