"""The names of the Optimization Guide, on the C engine.

    from sowlv2.optimizations import OptimizedSOWLv2Pipeline, ParallelConfig

docs/python.md says what each of them became. What has no effect here says so, through logging or an exception.
"""

from .batch_optimizer import BatchConfig, IntelligentBatchOptimizer, OptimizationLevel
from .gpu_optimizations import GPUOptimizer, StreamedProcessing, TensorRTOptimizer
from .model_cache import CacheStats, IntelligentModelCache, ModelPriority
from .optimized_pipeline import CachedModelWrapper, ModelOptimizations, OptimizedSOWLv2Pipeline
from .parallel_processor import (
    BatchDetectionResult,
    ParallelConfig,
    ParallelDetectionProcessor,
    ParallelFrameProcessor,
    ParallelIOProcessor,
    ParallelSegmentationProcessor,
)
from .temporal_detection import (
    TemporalDetection,
    TrackedObject,
    compute_iou,
    merge_temporal_detections,
    select_key_frames_for_detection,
)
from .vjepa2_optimization import VJepa2VideoOptimizer, create_vjepa2_optimizer

__all__ = [
    "BatchConfig",
    "BatchDetectionResult",
    "CacheStats",
    "CachedModelWrapper",
    "GPUOptimizer",
    "IntelligentBatchOptimizer",
    "IntelligentModelCache",
    "ModelOptimizations",
    "ModelPriority",
    "OptimizationLevel",
    "OptimizedSOWLv2Pipeline",
    "ParallelConfig",
    "ParallelDetectionProcessor",
    "ParallelFrameProcessor",
    "ParallelIOProcessor",
    "ParallelSegmentationProcessor",
    "StreamedProcessing",
    "TemporalDetection",
    "TensorRTOptimizer",
    "TrackedObject",
    "VJepa2VideoOptimizer",
    "compute_iou",
    "create_vjepa2_optimizer",
    "merge_temporal_detections",
    "select_key_frames_for_detection",
]
