"""What the three kinds of models share: opening, downloads, closing, sessions, pickling."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Type, TypeVar, Union

from ._device import Device, device_of
from ._library import NULL, Callbacks, Handle, begin_computing, call, encode_path, ffi, lib, owned, text_of
from ._options import make
from ._progress import Progress, download_progress

_Self = TypeVar("_Self", bound="Model")


@dataclass(frozen=True)
class Download:
    """A download in hand: bytes that are there, and of all files (0: not known yet)."""

    model: str
    file: str
    done: int
    total: int


class Model:
    """A model that is open: weights, ready to compute, for any number of threads at once."""

    _open = ""  # the library's function that opens it
    _free = ""
    _kind = ""
    _init = "sowlv2_model_options_init"
    _session_create = ""
    _session_free = ""
    _session_kind = ""

    def __init__(
        self,
        model: "Union[str, os.PathLike[str], None]" = None,
        *,
        device: Union[str, Device] = "auto",
        precision: str = "auto",
        threads: int = 0,
        cpu_level: Optional[str] = None,
        revision: Optional[str] = None,
        cache_dir: "Union[str, os.PathLike[str], None]" = None,
        offline: bool = False,
        progress: Progress = None,
    ) -> None:
        """Opens a model.

        model       a hub id, "org/name" or "org/name@revision", or a local folder of a checkpoint; "demo": the small
                    one that comes along. A hub id that is not in the cache yet is downloaded.
        device      a Device, or the name of one: "auto", "cpu", "cuda", "cuda:N"
        precision, threads, cpu_level   as of Device
        revision    branch, tag or commit of a hub id
        cache_dir   the hub's cache; else as huggingface_hub's environment variables say
        offline     never use the network
        progress    of a download: True for a bar by tqdm, or a function that is given a Download and stops it by
                    giving False
        """
        self._given: Dict[str, Any] = {
            "model": None if model is None else os.fspath(model),
            "revision": revision,
            "cache_dir": None if cache_dir is None else os.fspath(cache_dir),
            "offline": offline,
        }
        self.device: Device = device_of(device, precision, threads, cpu_level)
        begin_computing()
        options, keep = make(
            "sowlv2_model_options",
            {
                "model": None if model is None else encode_path(model, "model"),
                "revision": revision,
                "cache_dir": None if cache_dir is None else encode_path(cache_dir, "cache_dir"),
                "offline": offline,
                "device": self.device._c.c,
            },
            self._init,
        )
        self.name: str = text_of(options.model) or ""
        callbacks = Callbacks()
        with download_progress(progress) as tell:
            options.download = _download_callback(callbacks, tell)
            out = ffi.new(self._kind + "*")
            callbacks.run(getattr(lib, self._open), options, out)
        del keep
        self._c: Optional[Handle] = owned(out[0], self._kind, self._free, self.device._c)
        self._sessions: List[Handle] = []
        self._begin()

    def _begin(self) -> None:
        """What a kind of model has beside its weights."""

    @property
    def closed(self) -> bool:
        return self._c is None

    def _handle(self) -> Handle:
        if self._c is None:
            raise ValueError(f"{type(self).__name__} {self.name}: it is closed")
        return self._c

    def close(self) -> None:
        """Lets go of the weights: they are freed when the last call and result that need them are through."""
        self._c = None
        self._sessions = []

    @contextmanager
    def _session(self) -> Iterator[Handle]:
        """Scratch memory of one thread's calls, kept for the next one."""
        handle, sessions = self._handle(), self._sessions
        try:
            session = sessions.pop()
        except IndexError:
            session = self._new_session(handle)
        yield session
        sessions.append(session)  # not after an exception: what state it is in is not known then

    def _new_session(self, handle: Handle) -> Handle:
        out = ffi.new(self._session_kind + "*")
        call(getattr(lib, self._session_create), handle, out)
        return owned(out[0], self._session_kind, self._session_free, handle)

    def __enter__(self: _Self) -> _Self:
        self._handle()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __reduce__(self) -> Tuple[Any, ...]:
        if self._c is None:
            raise ValueError(f"{type(self).__name__} {self.name}: it is closed, and cannot be pickled")
        return _reopened, (type(self), {**self._given, "device": self.device})

    def __repr__(self) -> str:
        state = "closed" if self._c is None else f"on {self.device.name}"
        return f"{type(self).__name__}({self.name!r}, {state})"


def _reopened(kind: Type[Model], given: Dict[str, Any]) -> Model:
    """In another process: opens the same model there."""
    return kind(**given)


def _download_callback(callbacks: Callbacks, tell: Optional[Callable[[Download], object]]) -> Any:
    def told(download: Any, user_data: Any) -> bool:
        if tell is None:
            return True
        return (
            tell(
                Download(
                    text_of(download.model) or "", text_of(download.file) or "", int(download.done), int(download.total)
                )
            )
            is not False
        )

    return callbacks.make("sowlv2_download_callback", told, False)


def pull(
    model: str,
    *,
    revision: Optional[str] = None,
    cache_dir: "Union[str, os.PathLike[str], None]" = None,
    progress: Progress = None,
) -> Path:
    """Downloads a model into the hub's cache ahead of time, or brings it up to date; gives its folder."""
    options, _keep = make(
        "sowlv2_model_options",
        {
            "model": encode_path(model, "model"),
            "revision": revision,
            "cache_dir": None if cache_dir is None else encode_path(cache_dir, "cache_dir"),
        },
    )
    callbacks = Callbacks()
    folder = ffi.new("char **")
    with download_progress(progress) as tell:
        options.download = _download_callback(callbacks, tell)
        callbacks.run(lib.sowlv2_pull, options, folder, NULL)
    try:
        return Path(os.fsdecode(ffi.string(folder[0])))
    finally:
        lib.sowlv2_string_free(folder)


@dataclass(frozen=True)
class ListedModel:
    """A commit of a model in the cache, or the small one that came along ("demo")."""

    id: str
    revisions: str
    commit: str
    task: Optional[str]
    size: int
    complete: bool


def models(cache_dir: "Union[str, os.PathLike[str], None]" = None) -> List[ListedModel]:
    """The models that need no download: those of the hub's cache, then those that came along."""
    listed = []
    cache = NULL if cache_dir is None else ffi.new("char[]", encode_path(cache_dir, "cache_dir"))
    for function, arguments in ((lib.sowlv2_models_cached, (cache,)), (lib.sowlv2_models_installed, ())):
        out = ffi.new("struct sowlv2_model_list *")
        call(function, *arguments, out)
        for index in range(out.count):
            item = out.items[index]
            listed.append(
                ListedModel(
                    text_of(item.id) or "",
                    text_of(item.revisions) or "",
                    text_of(item.commit) or "",
                    text_of(item.task),
                    int(item.size),
                    bool(item.complete),
                )
            )
        lib.sowlv2_model_list_free(out)
    return listed
