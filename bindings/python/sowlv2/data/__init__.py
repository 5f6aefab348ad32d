"""Settings of the Optimization Guide's pipeline."""

from .config import PipelineBaseData, PipelineConfig

__all__ = ["PipelineBaseData", "PipelineConfig"]
