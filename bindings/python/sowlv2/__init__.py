"""Find, segment and track anything you can name, in images and videos.

    import sowlv2

    found = sowlv2.find("photo.jpg", ["cat", "red bicycle"])
    found.boxes, found.scores, found.labels, found.masks[0].array

Detector (OWLv2), Segmenter and Tracker (SAM 2.1), KeyFrames (V-JEPA 2) are the models one by one; run() does whole jobs
with an output folder; track() gives a video's frames with what was followed; sowlv2.optimizations has the names of the
Optimization Guide. Images are paths, bytes of files, uint8 arrays [height, width, 3], PIL images, or anything with
__array__ or __dlpack__. Boxes are x0, y0, x1, y1 in pixels.

Notices go to logging.getLogger("sowlv2").
"""

from ._detector import Detector, Prompts
from ._device import Device, DeviceEntry, devices
from ._errors import (
    ArgumentError,
    CancelledError,
    Error,
    FileError,
    ForbiddenFileError,
    FormatError,
    MissingFileError,
    ModelError,
    OutOfMemoryError,
    UnsupportedError,
)
from ._find import close_models, find
from ._images import decode
from ._key_frames import Clip, ClipFeatures, FrameScores, KeyFrames, select_frames, uniform_frames
from ._masks import Mask, Masks
from ._model import Download, ListedModel, models, pull
from ._results import Detection, Detections, Track, Tracks
from ._run import RunFrame, RunObject, RunPart, RunReport, Stop, run, track
from ._segmenter import Segmenter, SegmentSession
from ._tracker import Tracker
from ._version import __version__

__all__ = [
    "ArgumentError",
    "CancelledError",
    "Clip",
    "ClipFeatures",
    "Detection",
    "Detections",
    "Detector",
    "Device",
    "DeviceEntry",
    "Download",
    "Error",
    "FileError",
    "ForbiddenFileError",
    "FormatError",
    "FrameScores",
    "KeyFrames",
    "ListedModel",
    "Mask",
    "Masks",
    "MissingFileError",
    "ModelError",
    "OutOfMemoryError",
    "Prompts",
    "RunFrame",
    "RunObject",
    "RunPart",
    "RunReport",
    "SegmentSession",
    "Segmenter",
    "Stop",
    "Track",
    "Tracker",
    "Tracks",
    "UnsupportedError",
    "__version__",
    "close_models",
    "decode",
    "devices",
    "find",
    "models",
    "pull",
    "run",
    "select_frames",
    "track",
    "uniform_frames",
]
