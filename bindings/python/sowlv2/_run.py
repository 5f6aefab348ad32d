"""Whole jobs: images and videos in, rows and files of an output folder and callbacks out."""

from __future__ import annotations

import os
import queue
import threading
from dataclasses import dataclass, field
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Sized,
    Tuple,
    Union,
)

import numpy as np

from ._command import decoder
from ._detector import Detector
from ._device import Device
from ._find import ModelName, opened
from ._errors import UnsupportedError
from ._images import ImageLike, Picture, is_encoded, picture_of
from ._key_frames import KeyFrames
from ._library import NULL, Callbacks, call, encode, encode_path, ffi, lib, logger, owned, prompts_of, text_of, texts, view_of
from ._masks import Mask, Masks
from ._options import fields_of, make
from ._progress import Progress, bar_progress
from ._results import DETECTION, Detections
from ._segmenter import Marks, Segmenter

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_CANCELLED = -7
_FAILED = -3


class Stop:
    """Stops a job from another thread: give it to run(), and call set()."""

    def __init__(self) -> None:
        self._c = ffi.new("int *")

    def set(self) -> None:
        """What is in hand is finished, and then the job ends."""
        self._c[0] = 1

    def is_set(self) -> bool:
        return bool(self._c[0])


@dataclass(frozen=True)
class RunObject:
    """An object on an image or a frame.

    number        from 1; in a video the same object's on every frame
    label         what it was looked for as; "" where it was marked
    score         the detector's
    box           x0, y0, x1, y1 in pixels; None where nothing of it is seen
    mask          None where no masks were made
    lost          of a video: out of sight
    interpolated  of a video: filled in from neighbours in time
    """

    number: int
    label: str
    prompt_index: int
    score: float
    objectness: float
    box: Optional[Tuple[float, float, float, float]]
    mask: Optional[Mask]
    lost: bool
    interpolated: bool


@dataclass(frozen=True)
class RunFrame(Sequence[RunObject]):
    """An image, or a frame of a video, with its objects.

    input    the name of its row
    number   of a video's frame, from 1; 0 of an image
    time, duration   seconds
    image    uint8 [height, width, 3]
    """

    input: str
    is_video: bool
    number: int
    time: float
    duration: float
    image: "NDArray[np.uint8]" = field(repr=False)
    objects: Tuple[RunObject, ...]

    def __len__(self) -> int:
        return len(self.objects)

    def __getitem__(self, index: Any) -> Any:
        return self.objects[index]

    def detections(self) -> Detections:
        """Those in sight as Detections, for to_coco(), to_supervision() and plot(); labels are the prompts."""
        seen = [item for item in self.objects if item.box is not None]
        names = sorted({item.label for item in seen})
        items = np.zeros(len(seen), DETECTION)
        for index, item in enumerate(seen):
            items[index] = (item.box, item.score, item.objectness, names.index(item.label))
        masks = [item.mask for item in seen if item.mask is not None]
        return Detections(items, names, Masks(masks) if len(masks) == len(seen) else None, Picture(self.image))

    def plot(self, **options: Any) -> "NDArray[np.uint8]":
        """As Detections.plot()."""
        return self.detections().plot(**options)  # type: ignore[no-any-return]

    def _repr_png_(self) -> Optional[bytes]:
        return self.detections()._repr_png_()


@dataclass(frozen=True)
class RunPart:
    """The images of a job, or one of its videos, when they are through.

    name, folder   of a video; None: the images; where its files are
    error          why it ended before its end; None: it did not
    counts         "images", "failed", "objects", "frames", "encoded", ... as struct sowlv2_run_part has them
    seconds        "read", "detect", "encode", "mask", "write", "total", ...: of the wall
    """

    is_video: bool
    name: Optional[str]
    folder: Optional[str]
    status: int
    error: Optional[str]
    interrupted: bool
    done_before: bool
    broken: bool
    counts: Mapping[str, int]
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class RunReport:
    """What became of a job: inputs done (those of earlier runs included) and failed, and its parts."""

    done: int
    failed: int
    interrupted: bool
    parts: Tuple[RunPart, ...]

    @property
    def objects(self) -> int:
        """Found in images, and followed through videos."""
        return sum(part.counts.get("objects", 0) for part in self.parts)

    @property
    def seconds(self) -> float:
        return sum(part.seconds.get("total", 0.0) for part in self.parts)


def _part_of(part: Any) -> RunPart:
    counts: Dict[str, int] = {}
    seconds: Dict[str, float] = {}
    for name, kind in fields_of("sowlv2_run_part").items():
        if kind.cname == "double":
            seconds[name.replace("_seconds", "")] = float(getattr(part, name))
        elif kind.cname == "int64_t":
            counts[name] = int(getattr(part, name))
    return RunPart(
        bool(part.is_video),
        text_of(part.name),
        text_of(part.folder),
        int(part.status),
        text_of(part.error),
        bool(part.interrupted),
        bool(part.done_before),
        bool(part.broken),
        counts,
        seconds,
    )


def _mask_of(mask: Any) -> Optional[Mask]:
    """A copy: what callbacks are shown is good during the call only."""
    if mask == NULL:
        return None
    runs = view_of(mask.runs, (int(mask.run_count),), "<u4", None).copy()
    c = ffi.new("struct sowlv2_mask *")
    for name in ("width", "height", "run_count", "area", "mask_score", "object_score"):
        setattr(c, name, getattr(mask, name))
    c.box = mask.box
    c.runs = ffi.cast("uint32_t *", runs.__array_interface__["data"][0])
    return Mask(c, runs)


def _frame_of(frame: Any) -> RunFrame:
    picture = frame.picture
    stride = picture.stride or 3 * picture.width
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    rows = view_of(picture.pixels, ((picture.height - 1) * stride + 3 * picture.width,), "|u1", None)
    pixels[...] = np.lib.stride_tricks.as_strided(rows, pixels.shape, (stride, 3, 1))
    objects = []
    for index in range(frame.count):
        item = frame.objects[index]
        objects.append(
            RunObject(
                int(item.number),
                text_of(item.prompt) or "",
                int(item.prompt_index),
                float(item.score),
                float(item.objectness),
                None if item.box == NULL else (item.box[0], item.box[1], item.box[2], item.box[3]),
                _mask_of(item.mask),
                bool(item.lost),
                bool(item.interpolated),
            )
        )
    return RunFrame(
        text_of(frame.input) or "",
        bool(frame.is_video),
        int(frame.number),
        float(frame.time),
        float(frame.duration),
        pixels,
        tuple(objects),
    )


def _picture(image: ImageLike, name: str, isolate: bool) -> Picture:
    """With `isolate` nothing is decoded here, where all that is from memory would be."""
    if isolate and is_encoded(image):
        raise UnsupportedError(
            "isolate: an image from memory that is a file would be decoded by this process: give its path as an input"
        )
    return picture_of(image, name)


class _ImageList:
    """Images from memory, as the library asks for them."""

    def __init__(
        self, images: Sequence[Tuple[str, Any]], isolate: bool, callbacks: Callbacks, keep: List[Any]
    ) -> None:
        self._images = images
        self._isolate = isolate
        self._held: Dict[int, Picture] = {}
        self.c = ffi.new("struct sowlv2_image_list *")
        self.c.names = texts([encode(name, "images") for name, _ in images], keep)
        self.c.count = len(images)
        self.c.load = callbacks.make("sowlv2_image_list.load", self._load, _FAILED)
        self.c.release = callbacks.make("sowlv2_image_list.release", self._release)

    def _load(self, index: int, out: Any, user_data: Any) -> int:
        name, image = self._images[index]
        try:
            picture = _picture(image() if callable(image) else image, name, self._isolate)
        except Exception as error:  # this image fails, the others are done
            logger.warning("%s: %s", name, error)
            return int(getattr(error, "status", 0)) or _FAILED
        self._held[index] = picture
        picture.write_to(out)
        return 0

    def _release(self, index: int, out: Any, user_data: Any) -> None:
        self._held.pop(index, None)


class _Stream:
    """Frames from memory, as the library asks for them."""

    def __init__(
        self, frames: Iterable[Any], name: str, frame_rate: float, isolate: bool, callbacks: Callbacks, keep: List[Any]
    ) -> None:
        self._frames = iter(frames)
        self._isolate = isolate
        self._rate = frame_rate if frame_rate > 0 else 25.0
        self._count = 0
        self._held: Optional[Picture] = None
        self.c = ffi.new("struct sowlv2_frame_stream *")
        text = ffi.new("char[]", encode(name, "stream_name"))
        keep.append(text)
        self.c.name = text
        self.c.frame_rate = frame_rate
        if isinstance(frames, Sized):
            self.c.frames = len(frames)
        self.c.next = callbacks.make("sowlv2_frame_stream.next", self._next, _CANCELLED)

    def _next(self, out: Any, time: Any, user_data: Any) -> int:
        try:
            image = next(self._frames)
        except StopIteration:
            return 1
        self._held = _picture(image, "", self._isolate)
        self._held.write_to(out)
        time[0] = self._count / self._rate
        self._count += 1
        return 0


def _sink(
    on_frame: Optional[Callable[[RunFrame], object]],
    on_object_end: Optional[Callable[[str, int], object]],
    on_input_end: Optional[Callable[[str, bool], object]],
    callbacks: Callbacks,
    keep: List[Any],
) -> Any:
    if on_frame is None and on_object_end is None and on_input_end is None:
        return None
    sink = ffi.new("struct sowlv2_sink *")
    lib.sowlv2_sink_init(sink, ffi.sizeof("struct sowlv2_sink"))

    def take(field: str, taker: Optional[Callable[..., object]], convert: Callable[..., Tuple[Any, ...]]) -> None:
        """The last argument is the library's own; False ends the job."""
        if taker is None:
            return

        def took(*given: Any) -> int:
            return _CANCELLED if taker(*convert(*given[:-1])) is False else 0

        setattr(sink, field, callbacks.make(f"sowlv2_sink.{field}", took, _CANCELLED))

    take("frame", on_frame, lambda frame: (_frame_of(frame),))
    take("object_end", on_object_end, lambda name, number: (text_of(name) or "", int(number)))
    take("input_end", on_input_end, lambda name, whole: (text_of(name) or "", bool(whole)))
    pointers = ffi.new("const struct sowlv2_sink *[]", [sink])
    keep.extend([sink, pointers])
    return pointers


def _job(values: Mapping[str, Any], named: Mapping[str, Any]) -> List[bytes]:
    """What results depend on, so that `resume` goes on with the same job alone."""
    beside = {"batch_size", "io_threads", "max_pixels", "allow_truncated", "recursive", "resume"}
    pairs: List[bytes] = []
    for name, value in sorted({**values, **named}.items()):
        if value is None or name in beside:
            continue
        for one in value if isinstance(value, (list, tuple)) else [value]:
            pairs.extend([name.encode(), str(one).encode("utf-8", "surrogateescape")])
    return pairs


def run(
    inputs: "Union[ImageLike, Sequence[ImageLike]]" = (),
    prompts: Union[str, Sequence[str], None] = None,
    output: "Union[str, os.PathLike[str], None]" = None,
    *,
    detector: "Union[Detector, ModelName]" = None,
    segmenter: "Union[Segmenter, ModelName, bool]" = None,
    scorer: "Union[ModelName, bool]" = False,
    device: Union[str, Device] = "auto",
    videos: "Sequence[Union[str, os.PathLike[str]]]" = (),
    images: "Union[Mapping[str, Any], Sequence[Tuple[str, Any]], None]" = None,
    stream: "Optional[Iterable[ImageLike]]" = None,
    stream_name: str = "stream",
    frame_rate: float = 0.0,
    boxes: "Optional[ArrayLike]" = None,
    points: "Optional[Sequence[ArrayLike]]" = None,
    labels: "Optional[Sequence[ArrayLike]]" = None,
    threshold: float = 0.1,
    nms: float = 0.0,
    objectness: bool = False,
    template: Optional[str] = None,
    dedupe: float = -1.0,
    segment: Optional[Mapping[str, Any]] = None,
    track: Optional[Mapping[str, Any]] = None,
    resume: bool = False,
    isolate: bool = False,
    on_frame: Optional[Callable[[RunFrame], object]] = None,
    on_object_end: Optional[Callable[[str, int], object]] = None,
    on_input_end: Optional[Callable[[str, bool], object]] = None,
    on_part: Optional[Callable[[RunPart], object]] = None,
    progress: Progress = None,
    stop: Optional[Stop] = None,
    **options: Any,
) -> RunReport:
    """Does a whole job: finds, cuts out and follows what the prompts name, in any number of images and videos.

        sowlv2.run("photos/", ["cat", "dog"], "out/", progress=True)
        sowlv2.run("film.mp4", "person", on_frame=lambda frame: print(frame.number, len(frame)))

    inputs      files, folders, patterns as of a shell, URLs, cameras; a list may hold images from memory too
    prompts     a text or a list of texts; or boxes and points (as of Segmenter.segment()) of each image, and of each
                video's first frame, from where they are followed
    output      folder for rows and files, made if missing; None: results go to the callbacks alone
    detector, segmenter   open models, or hub ids or folders; segmenter=False: boxes alone, of images
    scorer      a V-JEPA 2 model by name, which chooses key frames where key_frames=True; True: the default one
    videos      inputs that are videos, whatever they look like
    images      images from memory by name; instead of an image also a function that gives it when its turn comes
    stream      frames from memory, a video; stream_name in rows; frame_rate 0: not known
    segment, track   options of struct sowlv2_segment_options and sowlv2_track_options
    resume      go on with what an earlier run of the same job left in `output`
    isolate     decode files in processes of their own that can open no file and no connection: for inputs from
                strangers; films are written without sound then. Linux only
    on_frame    is given each image, and each frame of a video, in order; like the next ones it is called from a thread
                of the job, one call at a time, and False ends the job
    on_object_end, on_input_end   an object was given up, its last frame was given (those that are still followed end
                with their video); a video came to its end, or was cut short
    on_part     is given the images, and each video, when they are through
    progress    True for a bar by tqdm, or a function (done, all or 0, what is in hand) that stops by giving False
    stop        stops the job from another thread
    **options   the other fields of struct sowlv2_run_options: recursive, as_video, fps, start, end, cuts,
                detect_every ({"frames": 30} or {"seconds": 2}), key_frames, key_frame_count, merge_iou, lost_after,
                max_objects, doubt, min_confidence, frame_budget, masks, overlays, merged, crops, films, pictures ("few", "all", "none"),
                rle, audio, batch_size, io_threads, max_pixels, ...

    An input that fails does not stop the others: it is named by logging, and counted in the report. Ctrl-C finishes
    what is in hand, so that a later call can go on with resume=True, and is raised then.
    """
    callbacks = Callbacks()
    keep: List[Any] = []
    values: Dict[str, Any] = dict(options)
    for name in ("size", "user_data", "decoder_program", "sinks", "sink_count", "job", "job_count", "part", "scorer_model"):
        if name in values:
            raise TypeError(f"{name}: there is no such option")
    memory = _inputs(inputs, videos, images, values, keep)
    if memory:
        image_list = _ImageList(memory, isolate, callbacks, keep)
        values["images"] = image_list.c
    if stream is not None:
        frames = _Stream(stream, stream_name, frame_rate, isolate, callbacks, keep)
        values["stream"] = frames.c
    named: Dict[str, Any] = {
        "threshold": threshold, "nms": nms, "objectness": objectness, "template": template, "dedupe": dedupe,
        "segment": None if not segment else sorted(segment.items()),
        "track": None if not track else sorted(track.items()),
    }  # fmt: skip
    if prompts is not None:
        listed = prompts_of(prompts)
        values["prompts"] = texts([encode(text, "prompts") for text in listed], keep)
        values["prompt_count"] = len(listed)
        named["prompt"] = listed
    if boxes is not None or points is not None:
        marks = Marks(boxes, points, labels)
        values["marks"], values["mark_count"] = marks.c, marks.count
        keep.append(marks)
        named["marks"] = [repr(each) for each in (marks.boxes, marks.points, marks.labels) if each is not None]
    detect_c, detect_keep = make(
        "sowlv2_detect_options", {"threshold": threshold, "nms_iou": nms, "objectness": objectness}
    )
    segment_c, segment_keep = make("sowlv2_segment_options", segment or {})
    track_c, track_keep = make("sowlv2_track_options", track or {})
    keep.extend([detect_keep, segment_keep, track_keep])
    values.update(detect=detect_c, segment=segment_c, track=track_c, dedupe_iou=dedupe, resume=resume)
    values["prompt_template"] = template
    if isolate:
        values["decoder_program"] = os.fsencode(decoder())
    if output is not None:
        values["output"] = encode_path(output, "output")
    if on_frame or on_object_end or on_input_end:
        values["sinks"] = _sink(on_frame, on_object_end, on_input_end, callbacks, keep)
        values["sink_count"] = 1
    values["stop"] = (stop or Stop())._c
    with bar_progress(progress, "") as tell:
        parts: List[RunPart] = []

        def part_taken(part: Any, user_data: Any) -> None:
            parts.append(_part_of(part))
            if on_part is not None:
                on_part(parts[-1])

        def told(state: Any, user_data: Any) -> bool:
            # Called often and from the caller's thread: here Ctrl-C comes through.
            if tell is None:
                return True
            what = " ".join(filter(None, (text_of(state.input), text_of(state.activity))))
            return tell(int(state.done), int(state.total), what) is not False

        values["progress"] = callbacks.make("sowlv2_run_options.progress", told, False)
        values["part"] = callbacks.make("sowlv2_run_options.part", part_taken)
        finder = opened(Detector, detector, device) if prompts is not None else None
        cutter = None if segmenter is False else opened(Segmenter, segmenter, device)
        named["detector"] = None if finder is None else finder.name
        named["segmenter"] = None if cutter is None else cutter.name
        if scorer is not False:
            scorer_path = None if scorer is True or scorer is None else encode_path(scorer, "scorer")
            owner = finder or cutter
            model, model_keep = make(
                "sowlv2_model_options",
                {"model": scorer_path, "device": None if owner is None else owner.device._c.c},
                "sowlv2_scorer_options_init",
            )
            keep.append(model_keep)
            values["scorer_model"] = model
            named["scorer"] = text_of(model.model)
        job = _job(options, named)
        values["job"], values["job_count"] = texts(job, keep), len(job)
        run_options, options_keep = make("sowlv2_run_options", values)
        out = ffi.new("sowlv2_run **")
        call(lib.sowlv2_run_create, run_options, out, path=_only_path(inputs, videos))
        running = owned(out[0], "sowlv2_run *", "sowlv2_run_free", keep, options_keep)
        report = ffi.new("struct sowlv2_run_report *")
        models = [NULL if model is None else model._handle() for model in (finder, cutter)]
        try:
            callbacks.run(lib.sowlv2_run_start, running, *models, report)
        finally:
            running.free()  # the output folder is another run's from here on
    return RunReport(int(report.done), int(report.failed), bool(report.interrupted), tuple(parts))


def _only_path(inputs: Any, videos: Sequence[Any]) -> Optional[str]:
    """The path that a missing file must be, where one alone was given."""
    listed = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs) if _is_list(inputs) else []
    paths = [path for path in [*listed, *videos] if isinstance(path, (str, os.PathLike))]
    for path in paths:
        if not os.path.exists(path):
            return os.fspath(path)
    return os.fspath(paths[0]) if len(paths) == 1 else None


def _is_list(inputs: Any) -> bool:
    return isinstance(inputs, (list, tuple, set, frozenset)) or hasattr(inputs, "__next__")


def _inputs(
    inputs: Any, videos: Sequence[Any], images: Any, values: Dict[str, Any], keep: List[Any]
) -> List[Tuple[str, Any]]:
    """Sets the inputs by name; gives those from memory, with their names."""
    listed = list(inputs) if _is_list(inputs) else [inputs]
    paths = [encode_path(path, "inputs") for path in listed if isinstance(path, (str, os.PathLike))]
    memory = [image for image in listed if not isinstance(image, (str, os.PathLike))]
    named = [(f"image_{index + 1}", image) for index, image in enumerate(memory)]
    if images is not None:
        named.extend(images.items() if isinstance(images, Mapping) else [(name, image) for name, image in images])
    if paths:
        values["inputs"], values["input_count"] = texts(paths, keep), len(paths)
    if videos:
        if isinstance(videos, (str, bytes, os.PathLike)):
            raise TypeError("videos: a list of paths is needed")
        values["videos"] = texts([encode_path(path, "videos") for path in videos], keep)
        values["video_count"] = len(videos)
    return named


def track(
    source: "Union[str, os.PathLike[str], Iterable[ImageLike]]",
    prompts: Union[str, Sequence[str], None] = None,
    *,
    ahead: int = 4,
    **options: Any,
) -> Iterator[RunFrame]:
    """Follows what the prompts name through a video, and gives its frames as they are done.

        for frame in sowlv2.track("film.mp4", ["person", "dog"]):
            print(frame.time, [(item.number, item.label, item.box) for item in frame])

    source     a video (path, URL, camera), or frames from memory: anything that gives images one by one
    ahead      frames that may be done before they are taken
    **options  as of run()
    """
    taken: "queue.Queue[Any]" = queue.Queue(max(1, ahead))
    stop = Stop()
    end = object()
    path = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
    given: Dict[str, Any] = {"stream": source} if path is None else {"videos": [source]}
    failure: List[BaseException] = []

    def put(frame: RunFrame) -> bool:
        while not stop.is_set():
            try:
                taken.put(frame, timeout=0.2)
                return True
            except queue.Full:
                pass
        return False

    def part_taken(part: RunPart) -> None:
        if part.error is not None and not stop.is_set():
            logger.warning("%s: %s", part.name, part.error)

    def work() -> None:
        try:
            report = run(prompts=prompts, on_frame=put, on_part=part_taken, stop=stop, **given, **options)
            if report.failed and not stop.is_set():
                from ._errors import error_of

                part = report.parts[-1]
                failure.append(error_of(part.status, part.error or "", path))
        except BaseException as error:  # raised where the frames are taken
            if not stop.is_set():
                failure.append(error)
        finally:
            while not stop.is_set():
                try:
                    taken.put(end, timeout=0.2)
                    break
                except queue.Full:
                    pass

    thread = threading.Thread(target=work, name="sowlv2.track", daemon=True)
    thread.start()
    try:
        while True:
            frame = taken.get()
            if frame is end:
                break
            yield frame
        if failure:
            raise failure[0]
    finally:
        stop.set()
        thread.join()
