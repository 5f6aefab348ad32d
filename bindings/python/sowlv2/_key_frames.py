"""Which frames of a video matter: V-JEPA 2."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Optional, Tuple, Union

import numpy as np

from ._command import decoder
from ._images import ImageLike, c_images, picture_of
from ._library import NULL, Callbacks, call, encode_path, ffi, get, lib, owned, text_of, tick, view_of
from ._model import Model
from ._options import make
from ._progress import Progress, bar_progress

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Clip:
    """One clip as the model saw it: times of its first and last frame, and the likeliest classes with their
    probabilities where `labels` was asked for."""

    start: float
    end: float
    labels: Tuple[Tuple[str, float], ...]


def _frame_dtype() -> "np.dtype[Any]":
    kinds = {
        "number": "<i8",
        "source_number": "<i8",
        "time": "<f8",
        "score": "<f4",
        "importance": "<f4",
        "motion": "<f4",
        "scene_start": "|b1",
        "chosen": "|b1",
    }
    return np.dtype(
        {
            "names": list(kinds),
            "formats": list(kinds.values()),
            "offsets": [ffi.offsetof("struct sowlv2_frame", name) for name in kinds],
            "itemsize": ffi.sizeof("struct sowlv2_frame"),
        }
    )


FRAME = _frame_dtype()


class FrameScores:
    """What is known of the frames of a video, in time order.

    numbers, source_numbers   int64 [n], from 1: among the frames seen, among all of the source
    times          float64 [n], seconds
    scores         float32 [n], 0 to 1 within the video
    importance     float32 [n] as it was computed; not-a-number where there is none
    motion         float32 [n]: mean change of the pixels since the frame before
    scene_starts   bool [n]
    chosen         int64 [k]: indices of the frames that were chosen, in time order
    clips          the clips as the model saw them
    """

    def __init__(self, items: "NDArray[Any]", clips: Iterable[Clip], failure: Optional[str] = None) -> None:
        self._items = items
        self.clips: Tuple[Clip, ...] = tuple(clips)
        self.failure = failure

    def _column(self, name: str) -> Any:
        return self._items[name]

    @property
    def numbers(self) -> "NDArray[np.int64]":
        return self._column("number")  # type: ignore[no-any-return]

    @property
    def source_numbers(self) -> "NDArray[np.int64]":
        return self._column("source_number")  # type: ignore[no-any-return]

    @property
    def times(self) -> "NDArray[np.float64]":
        return self._column("time")  # type: ignore[no-any-return]

    @property
    def scores(self) -> "NDArray[np.float32]":
        return self._column("score")  # type: ignore[no-any-return]

    @property
    def importance(self) -> "NDArray[np.float32]":
        return self._column("importance")  # type: ignore[no-any-return]

    @property
    def motion(self) -> "NDArray[np.float32]":
        return self._column("motion")  # type: ignore[no-any-return]

    @property
    def scene_starts(self) -> "NDArray[np.bool_]":
        return self._column("scene_start")  # type: ignore[no-any-return]

    @property
    def chosen(self) -> "NDArray[np.int64]":
        return np.flatnonzero(self._column("chosen")).astype(np.int64)

    def __len__(self) -> int:
        return len(self._items)

    def __reduce__(self) -> Tuple[Any, ...]:
        return FrameScores, (self._items.copy(), self.clips, self.failure)

    def __repr__(self) -> str:
        return (
            f"FrameScores({len(self)} frames, {int(self.scene_starts.sum())} scenes, chosen={self.chosen.tolist()})"
        )


@dataclass(frozen=True)
class ClipFeatures:
    """Features of a clip: float32 [rows, width], a row a token, or a row a tubelet where they are pooled; `first`
    counts from 0 among the frames seen."""

    values: "NDArray[np.float32]"
    first: int
    frames: int


class KeyFrames(Model):
    """A V-JEPA 2 model: says how much each moment of a video matters, and chooses frames.

        key_frames = sowlv2.KeyFrames()
        report = key_frames.choose("film.mp4", 8)
        report.times[report.chosen], report.scores
    """

    _open, _free, _kind = "sowlv2_scorer_open", "sowlv2_scorer_free", "sowlv2_scorer *"
    _init = "sowlv2_scorer_options_init"

    def _info(self) -> Any:
        return get(lib.sowlv2_scorer_info, self._handle())

    @property
    def crop_size(self) -> int:
        """Side of the square that the model sees of a frame, in pixels."""
        return int(self._info().crop_size)

    @property
    def frames_per_clip(self) -> int:
        """It was trained with; it takes others."""
        return int(self._info().frames_per_clip)

    @property
    def tubelet_size(self) -> int:
        """Frames of a tubelet."""
        return int(self._info().tubelet_size)

    @property
    def width(self) -> int:
        """Of a feature."""
        return int(self._info().width)

    @property
    def has_predictor(self) -> bool:
        """Whether importance="surprise" can be asked for."""
        return bool(self._info().predictor)

    @property
    def labels(self) -> List[str]:
        """Classes of its classifier; empty where it has none."""
        handle = self._handle()
        return [
            text_of(get(lib.sowlv2_scorer_label, handle, number)) or ""
            for number in range(self._info().label_count)
        ]

    def score(
        self,
        frames: "Iterable[ImageLike]",
        count: int = 8,
        *,
        times: "Optional[ArrayLike]" = None,
        frame_rate: float = 25.0,
        spacing: Optional[int] = None,
        progress: Optional[Callable[[int, int], object]] = None,
        on_features: Optional[Callable[[ClipFeatures], object]] = None,
        **options: Any,
    ) -> FrameScores:
        """Scores frames from memory, one by one as they come, and chooses `count` of them.

        times         seconds of each, rising; else by `frame_rate`
        spacing       least distance of chosen frames, halved where too few are left; else 10
        progress      within a clip: steps done and all steps; stops the call by giving False
        on_features   is given those of each clip as it is computed; stops the call by giving False
        **options     frames_per_clip, clip_overlap, whole_frame, importance ("variance", "change", "surprise"),
                      motion_weight, score_window, classify, pooled: as struct sowlv2_score_options has them
        """
        callbacks = Callbacks()
        score, keep = self._score_options(options, callbacks, on_features)
        score.progress = tick(callbacks, progress)
        out = ffi.new("sowlv2_score_session **")
        handle = self._handle()
        call(lib.sowlv2_score_session_create, handle, score, out)
        session = owned(out[0], "sowlv2_score_session *", "sowlv2_score_session_free", handle, callbacks, keep)
        given = None if times is None else np.asarray(times, np.float64).tolist()
        for index, image in enumerate(frames):
            if given is not None and index >= len(given):
                raise ValueError(f"times: {len(given)} for more frames")
            time = index / frame_rate if given is None else given[index]
            callbacks.run(lib.sowlv2_score_push, session, c_images([picture_of(image)]), time, index + 1)
        callbacks.run(lib.sowlv2_score_finish, session)
        choice, _choice_keep = make("sowlv2_choice_options", {"target_frames": count, "spacing": spacing})
        chosen = ffi.new("struct sowlv2_frames *")
        call(lib.sowlv2_score_choose, session, choice, chosen)
        owner = ffi.gc(chosen, lib.sowlv2_frames_free)
        return self._taken(owner, owner)

    def choose(
        self,
        source: "Union[str, os.PathLike[str], Iterable[ImageLike]]",
        count: int = 8,
        *,
        fps: Optional[float] = None,
        start: float = 0.0,
        end: float = 0.0,
        spacing: Optional[int] = None,
        scores: "Union[str, os.PathLike[str], None]" = None,
        features: "Union[str, os.PathLike[str], None]" = None,
        plot: "Union[str, os.PathLike[str], None]" = None,
        pictures: "Union[str, os.PathLike[str], None]" = None,
        isolate: bool = False,
        progress: Progress = None,
        on_features: Optional[Callable[[ClipFeatures], object]] = None,
        **options: Any,
    ) -> FrameScores:
        """Scores a video and chooses `count` of its frames.

        source        a video (path, URL, camera) or a folder of images; else frames from memory, as in score()
        fps           frames a second that the model sees, else 6; 0: all
        start, end    seconds: only this part; end 0: to the end
        scores, features, plot, pictures   files to write: .json or .csv, safetensors, PNG, a folder of the chosen
                      frames
        isolate       decode it in a process of its own, as in run()
        progress      True for a bar by tqdm, or a function (frames done, all or 0, "") that stops it by giving False
        The rest is as in score(). A source that breaks off gives what came before, and says why in `failure`.
        """
        if not isinstance(source, (str, os.PathLike)):
            given = (fps, scores, features, plot, pictures)
            if any(value is not None for value in given) or start or end or isolate:
                raise TypeError(
                    "fps, start, end, isolate and files are for videos by name: frames from memory are scored alone"
                )
            return self.score(source, count, spacing=spacing, on_features=on_features, **options)
        path = encode_path(source, "source")
        callbacks = Callbacks()
        score, keep = self._score_options(options, callbacks, on_features)
        choice, _choice_keep = make("sowlv2_choice_options", {"target_frames": count, "spacing": spacing})
        files = {"scores": scores, "features": features, "plot": plot, "pictures": pictures}
        values: Dict[str, Any] = {
            "fps": fps,
            "start": start,
            "end": end,
            "score": score,
            "choice": choice,
            "decoder_program": os.fsencode(decoder()) if isolate else None,
            **{name: None if file is None else encode_path(file, name) for name, file in files.items()},
        }
        report = ffi.new("struct sowlv2_key_frames_report *")
        with bar_progress(progress, "frame") as tell:
            values["progress"] = callbacks.make(
                "sowlv2_key_frames_options.progress",
                lambda done, total, user_data: tell is None or tell(done, total, "") is not False,
                False,
            )
            run, _run_keep = make("sowlv2_key_frames_options", values)
            callbacks.run(
                lib.sowlv2_key_frames_run, self._handle(), path, run, report, path=os.fsdecode(path)
            )
        del keep
        failure = None
        if report.broken:
            failure = text_of(report.failure) or "the source ended before it should"
        owner = ffi.gc(report, lib.sowlv2_key_frames_report_free)
        return self._taken(owner.frames, owner, failure)

    def features(
        self, frames: "Iterable[ImageLike]", *, pooled: bool = False, frames_per_clip: Optional[int] = None
    ) -> List[ClipFeatures]:
        """Features of all clips of frames from memory: float32 [rows, width] each.

        pooled   a row a tubelet, the mean of its patches; else a row a token
        """
        kept: List[ClipFeatures] = []
        self.score(frames, on_features=kept.append, pooled=pooled, frames_per_clip=frames_per_clip)
        return kept

    def _score_options(
        self, options: Dict[str, Any], callbacks: Callbacks, on_features: Optional[Callable[[ClipFeatures], object]]
    ) -> Tuple[Any, List[Any]]:
        values = dict(options)
        if "classify" in values:
            values["labels"] = values.pop("classify")
        if on_features is not None:
            take = on_features

            def taken(features: Any, user_data: Any) -> bool:
                shape = (int(features.rows), int(features.width))
                array = view_of(features.values, shape, "<f4", None).copy()
                return take(ClipFeatures(array, int(features.first), int(features.frames))) is not False

            values["features"] = callbacks.make("sowlv2_score_options.features", taken, False)
        return make("sowlv2_score_options", values)

    def _taken(self, frames: Any, owner: Any, failure: Optional[str] = None) -> FrameScores:
        """What a struct sowlv2_frames holds, as arrays that keep its owner."""
        handle = self._handle()
        clips = []
        for index in range(frames.clip_count):
            clip = frames.clips[index]
            labels = tuple(
                (text_of(get(lib.sowlv2_scorer_label, handle, number)) or "", float(score))
                for number, score in zip(clip.labels, clip.label_scores)
                if number >= 0
            )
            clips.append(Clip(float(clip.start), float(clip.end), labels))
        if frames.count == 0:
            return FrameScores(np.empty(0, FRAME), clips, failure)
        memory = view_of(frames.items, (int(frames.count),), f"|V{FRAME.itemsize}", owner)
        return FrameScores(memory.view(FRAME), clips, failure)


def select_frames(
    scores: "ArrayLike", count: int, *, spacing: int = 10, scenes: "Optional[ArrayLike]" = None
) -> "NDArray[np.int64]":
    """Chooses min(count, n) frames by scores of any origin: the best of each scene, then others at least `spacing`
    apart, which is halved where too few are left. Gives indices in time order.

    scenes   indices of the first frames of scenes, rising from 0
    """
    values = np.ascontiguousarray(scores, np.float32)
    if values.ndim != 1:
        raise ValueError(f"scores: the shape is {values.shape}, [n] is needed")
    chosen = ffi.new("size_t[]", max(len(values), 1))
    chosen_count = ffi.new("size_t *")
    starts = np.ascontiguousarray([] if scenes is None else scenes, np.uint64)
    call(
        lib.sowlv2_select_frames,
        ffi.from_buffer("float[]", values) if len(values) else NULL,
        len(values),
        count,
        spacing,
        ffi.cast("size_t *", starts.__array_interface__["data"][0]) if len(starts) else NULL,
        len(starts),
        chosen,
        chosen_count,
    )
    return np.array([chosen[index] for index in range(chosen_count[0])], np.int64)


def uniform_frames(count: int, wanted: int) -> "NDArray[np.int64]":
    """The middles of `wanted` equal parts of `count` frames: what is left where nothing is known of them."""
    chosen = ffi.new("size_t[]", max(wanted, 1))
    chosen_count = ffi.new("size_t *")
    call(lib.sowlv2_uniform_frames, count, wanted, chosen, chosen_count)
    return np.array([chosen[index] for index in range(chosen_count[0])], np.int64)
