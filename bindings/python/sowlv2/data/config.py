"""What the Optimization Guide's pipeline is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from .._find import ModelName


@dataclass
class PipelineConfig:
    """What is written.

    merged    pictures and videos of all objects together too
    binary    masks
    overlay   the input with what was found drawn in
    """

    merged: bool = True
    binary: bool = True
    overlay: bool = True


@dataclass
class PipelineBaseData:
    """Which models look for what, and where they compute.

    owl_model, sam_model, vjepa2_model   hub ids or folders; "demo": the small ones that come along
    threshold         a detection's score is over this
    fps               frames a second taken from a video; None: the source's rate
    device            "cuda", "cuda:N", "cpu" or "auto"; where there is no such GPU the CPU computes, with a warning
    precision         "auto", "f32"; of a GPU also "bf16"
    """

    owl_model: ModelName = "google/owlv2-base-patch16-ensemble"
    sam_model: ModelName = "facebook/sam2.1-hiera-small"
    threshold: float = 0.1
    fps: Optional[float] = None
    device: str = "auto"
    pipeline_config: PipelineConfig = field(default_factory=PipelineConfig)
    vjepa2_model: ModelName = "facebook/vjepa2-vitl-fpc16-256-ssv2"
    precision: str = "auto"

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold: {self.threshold} is not from 0 to 1")
        if self.fps is not None and not self.fps > 0:
            raise ValueError(f"fps: {self.fps} is not over 0")
