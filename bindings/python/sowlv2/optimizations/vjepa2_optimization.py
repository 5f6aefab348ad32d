"""What V-JEPA 2 says of the frames of a video."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Tuple

import numpy as np

from .._errors import Error
from .._find import ModelName
from .._images import ImageLike
from .._key_frames import FrameScores, KeyFrames
from .._library import logger
from ..data.config import PipelineBaseData
from .gpu_optimizations import open_device

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEFAULT_MODEL = "facebook/vjepa2-vitl-fpc16-256-ssv2"


class VJepa2VideoOptimizer:
    """Scores frames, chooses some, gives features. The model is opened when it is first needed.

    Set as `vjepa2_optimizer` of a pipeline, it says where the pipeline looks for objects in videos, and which frames
    are worth tracking.

    model_name        a hub id or a folder; None: the configuration's
    frames_per_clip   that the model sees at once
    device            None: the configuration's
    """

    def __init__(
        self,
        config: Optional[PipelineBaseData] = None,
        model_name: ModelName = None,
        frames_per_clip: int = 16,
        device: Optional[str] = None,
    ) -> None:
        if frames_per_clip < 2:
            raise ValueError(f"frames_per_clip: {frames_per_clip} is below 2")
        self.config = config or PipelineBaseData()
        self.model_name = model_name if model_name is not None else self.config.vjepa2_model
        self.frames_per_clip = frames_per_clip
        self.device = device or self.config.device
        self._lock = threading.Lock()
        self._model: Optional[KeyFrames] = None

    @property
    def model(self) -> KeyFrames:
        """The model, opened now where it was not before; raises where it cannot be had."""
        with self._lock:
            if self._model is None:
                self._model = KeyFrames(self.model_name, device=open_device(self.device, self.config.precision))
            return self._model

    @property
    def is_available(self) -> bool:
        """Whether the model can be had; a warning says why not."""
        try:
            return self.model is not None
        except (Error, OSError) as error:
            logger.warning("V-JEPA 2: %s", error)
            return False

    def _scores(self, frames: Sequence[ImageLike], count: int = 1, **options: Any) -> FrameScores:
        if len(frames) == 0:
            raise ValueError("frames: the list is empty")
        return self.model.score(frames, count, frames_per_clip=self._clip(len(frames)), **options)

    def _clip(self, count: int) -> int:
        """A clip's frames where there are fewer frames: whole tubelets."""
        tubelet = self.model.tubelet_size
        return max(tubelet, min(self.frames_per_clip, count // tubelet * tubelet))

    def get_temporal_importance_scores(self, frames: Sequence[ImageLike]) -> List[float]:
        """How much each frame matters, 0 to 1 within these frames."""
        return [float(score) for score in self._scores(frames).scores]

    def get_motion_aware_importance_scores(
        self, frames: Sequence[ImageLike], motion_weight: float = 0.5
    ) -> List[float]:
        """The same, of which `motion_weight` (0 to 1) is how much the pixels change."""
        return [float(score) for score in self._scores(frames, motion_weight=motion_weight).scores]

    def optimize_frame_selection(self, frames: Sequence[ImageLike], target_frames: int) -> List[int]:
        """Indices of the most important frames, in time order, at least 10 apart where there are enough."""
        if target_frames < 1:
            raise ValueError(f"target_frames: {target_frames} is below 1")
        return [int(index) for index in self._scores(frames, target_frames).chosen]

    def extract_video_features(self, frames: Sequence[ImageLike]) -> "NDArray[np.float32]":
        """Features of the frames: float32 [clips, tokens of a clip, width]; one clip's are what transformers calls
        last_hidden_state. The last clip reaches back where the frames do not fill it."""
        if len(frames) == 0:
            raise ValueError("frames: the list is empty")
        clips = self.model.features(frames, frames_per_clip=self._clip(len(frames)))
        return np.stack([clip.values for clip in clips])

    def batch_process_video_clips(
        self, all_frames: Sequence[ImageLike], batch_size: int = 4
    ) -> "List[Tuple[List[ImageLike], NDArray[np.float32]]]":
        """The frames cut into clips, each with its features [1, tokens, width], in their order.

        batch_size   clips that are computed at once
        """
        if batch_size < 1:
            raise ValueError(f"batch_size: {batch_size} is below 1")
        size = self.frames_per_clip
        clips = [list(all_frames[start : start + size]) for start in range(0, len(all_frames), size)]
        with ThreadPoolExecutor(batch_size) as pool:
            return list(zip(clips, pool.map(self.extract_video_features, clips)))


def create_vjepa2_optimizer(
    config: Optional[PipelineBaseData] = None, enable_vjepa2: bool = True
) -> Optional[VJepa2VideoOptimizer]:
    """A VJepa2VideoOptimizer with its model open; None where it is not wanted, or cannot be had, which a warning
    says."""
    if not enable_vjepa2:
        return None
    optimizer = VJepa2VideoOptimizer(config)
    return optimizer if optimizer.is_available else None
