"""The C library: where it is, how it is called, what becomes of its errors, notices and callbacks.

Everything here is internal. The library is loaded at the first call and not by `import sowlv2`, since it brings the
system's codecs along, which takes longer than the import of everything else.
"""

from __future__ import annotations

import atexit
import logging
import os
import runpy
import sys
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any, Callable, Iterable, List, Optional, Sequence, Union

import numpy as np

from ._errors import UnsupportedError, error_of

_HERE = Path(__file__).resolve().parent

logger = logging.getLogger("sowlv2")

Text = Union[str, bytes, "os.PathLike[str]"]


def _load_declarations() -> Any:
    """What the build made of the headers; in a clone that was not built by pip, the headers themselves."""
    try:
        from . import _declarations  # type: ignore[attr-defined, unused-ignore]

        return _declarations.ffi
    except ImportError:
        clone = _HERE.parent
        if not (clone / "declare.py").is_file():
            raise ImportError(
                "sowlv2: the package lacks its declarations (_declarations.py): install it with pip, "
                "or use a whole clone of the repository"
            ) from None
    sys.path.insert(0, str(clone))
    try:
        import declare  # type: ignore[import-not-found, unused-ignore]
    finally:
        sys.path.remove(str(clone))
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "_declarations.py"
        declare.write(clone.parent.parent / "include", made)
        return runpy.run_path(str(made))["ffi"]


ffi: Any = _load_declarations()
NULL: Any = ffi.NULL


def _library_path() -> str:
    given = os.environ.get("SOWLV2_LIBRARY")
    return given if given else str(_HERE / "libsowlv2.so")


def _open() -> Any:
    path = _library_path()
    if not os.environ.get("SOWLV2_DATA") and (_HERE / "models" / "demo").is_dir():
        os.environ["SOWLV2_DATA"] = str(_HERE / "models")  # where the library finds the model "demo"
    # How long threads spin that wait for work, unless the user says so: longer than between two products of a pass,
    # shorter than a time slice, as the tool has it. OpenMP reads it when it is loaded; others' is theirs.
    spins = not any(name in os.environ for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"))
    if spins:
        os.environ["GOMP_SPINCOUNT"] = "10000"
    try:
        return ffi.dlopen(path)
    except OSError as error:
        raise ImportError(f"sowlv2: the C library cannot be loaded: {_explain(path, str(error))}") from None
    finally:
        if spins:
            del os.environ["GOMP_SPINCOUNT"]


def _explain(path: str, message: str) -> str:
    if not os.path.exists(path):
        return (
            f"{path} is not there: install the package with pip, or set SOWLV2_LIBRARY to libsowlv2.so of a build"
        )
    return f"{message}: install the libraries that it names (on Debian and Ubuntu `make deps` of the repository does)"


class _Library:
    """Loads the library when it is first asked for something."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened: Any = None

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._opened is None:
                self._opened = _open()
                _install_log(self._opened)
        value = getattr(self._opened, name)
        setattr(self, name, value)  # the next time it is found without this function
        return value


lib: Any = _Library()

# ---- notices ------------------------------------------------------------------------------------

_log_callback: Any = None


def _log(level: int, message: Any, user_data: Any) -> None:
    weight = (logging.DEBUG, logging.INFO, logging.WARNING)[min(int(level), 2)]
    if logger.isEnabledFor(weight):
        logger.log(weight, "%s", ffi.string(message).decode("utf-8", "replace"))


def _install_log(opened: Any) -> None:
    """Notices go to logging.getLogger("sowlv2"): the library's debug, notice, warning as DEBUG, INFO, WARNING."""
    global _log_callback
    _log_callback = ffi.callback("sowlv2_log_callback", _log)
    opened.sowlv2_set_log(_log_callback, NULL)
    # Threads of the library may outlive the interpreter's readiness to be called.
    atexit.register(lambda: opened.sowlv2_set_log(NULL, NULL))


# ---- processes ----------------------------------------------------------------------------------

_computing = False
_forked = False


def _after_fork() -> None:
    global _forked
    _forked = _computing


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def begin_computing() -> None:
    """From now on threads of the library may be there, which no fork takes along."""
    global _computing
    refuse_after_fork()
    _computing = True


def refuse_after_fork() -> None:
    """Raises where a call would wait for ever for threads that are only in the parent process."""
    if _forked:
        raise UnsupportedError(
            "this process was forked from one that had opened models, whose threads it lacks: start it with "
            "multiprocessing's 'spawn' or 'forkserver', or open models in the child alone"
        )


# ---- calls --------------------------------------------------------------------------------------

def call(function: Callable[..., int], *args: Any, path: Optional[str] = None) -> None:
    """Calls a function of the library that gives a status; raises what it says. The GIL is released meanwhile."""
    refuse_after_fork()
    status = function(*[argument.c if isinstance(argument, (Handle, Held)) else argument for argument in args])
    if status != 0:
        raise error_of(status, ffi.string(lib.sowlv2_error_message()).decode("utf-8", "replace"), path)


def get(function: Callable[..., Any], *args: Any) -> Any:
    """Calls a function of the library that gives a value and cannot fail."""
    return function(*[argument.c if isinstance(argument, (Handle, Held)) else argument for argument in args])


class Callbacks:
    """The callbacks of one call, and the exception that one of them ended with: `run` raises it."""

    def __init__(self) -> None:
        self.exception: Optional[BaseException] = None
        self.kept: List[Any] = []

    def _failed(self, kind: Any, value: BaseException, traceback: Any) -> None:
        if self.exception is None:
            self.exception = value

    def make(self, field: str, function: Callable[..., Any], error: Any = None) -> Any:
        """A C function pointer to `function` of the type of "struct.field", or of a typedef; good as long as this
        object. Where it raises, C is given `error`."""
        struct, _, name = field.rpartition(".")
        kind = dict(ffi.typeof("struct " + struct).fields)[name].type if struct else field
        arguments = () if error is None else (error,)
        made = ffi.callback(kind, function, *arguments, onerror=self._failed)
        self.kept.append(made)
        return made

    def run(self, function: Callable[..., int], *args: Any, path: Optional[str] = None) -> None:
        """As call(); an exception of a callback goes before what the library says of it."""
        try:
            call(function, *args, path=path)
        except Exception as error:
            if self.exception is None:
                raise
            raise self.exception from error
        if self.exception is not None:
            raise self.exception


def tick(callbacks: Callbacks, progress: Optional[Callable[[int, int], object]] = None) -> Any:
    """A sowlv2_progress_callback: lets Ctrl-C through, and tells `progress`, which stops the call by giving False."""
    if progress is None:
        if threading.current_thread() is not threading.main_thread():
            return NULL  # signals only come to the main thread
        return callbacks.make("sowlv2_progress_callback", lambda done, total, user_data: True, False)
    function = progress
    return callbacks.make(
        "sowlv2_progress_callback", lambda done, total, user_data: function(done, total) is not False, False
    )


# ---- memory -------------------------------------------------------------------------------------


class Handle:
    """What the library handed out, given back when nothing in Python refers to this object any more.

    Calls take it for the pointer in it, and hold it while they run. It is freed before anything that it was made of
    is, also where all of them are garbage of one cycle: the collector sees neither.
    """

    __slots__ = ("c", "_finalizer", "__weakref__")

    def __init__(self, c: Any, free: Callable[..., object], arguments: Sequence[Any], parents: Sequence[Any]) -> None:
        self.c = c
        self._finalizer = weakref.finalize(self, _give_back, free, arguments, parents)
        self._finalizer.atexit = False

    def free(self) -> None:
        """Gives it back now, which nothing may use any more."""
        self._finalizer()


class Held:
    """A C object for a call, and what must live as long as the call does."""

    __slots__ = ("c", "keep")

    def __init__(self, c: Any, keep: Any) -> None:
        self.c = c
        self.keep = keep


def _give_back(free: Callable[..., object], arguments: Sequence[Any], parents: Sequence[Any]) -> None:
    if not _forked:
        free(*arguments)


def owned(pointer: Any, kind: str, free: str, *parents: Any) -> Handle:
    """A Handle of what lib.<free>() takes the address of."""
    return Handle(pointer, getattr(lib, free), [ffi.new(kind + "*", pointer)], parents)


class _Memory:
    """Memory of the library as numpy sees it: an array over it keeps `owner`."""

    __slots__ = ("__array_interface__", "owner")

    def __init__(self, interface: "dict[str, Any]", owner: Any) -> None:
        self.__array_interface__ = interface
        self.owner = owner


def view_of(pointer: Any, shape: "tuple[int, ...]", typestr: str, owner: Any) -> "np.ndarray[Any, Any]":
    """An array over memory of the library that belongs to `owner`, without a copy."""
    address = int(ffi.cast("uintptr_t", pointer))
    return np.asarray(
        _Memory({"version": 3, "shape": shape, "typestr": typestr, "data": (address, False)}, owner)
    )


# ---- texts --------------------------------------------------------------------------------------


def encode(value: Any, what: str) -> bytes:
    """A text for the library, UTF-8."""
    if not isinstance(value, str):
        raise TypeError(f"{what}: a str is needed, not {type(value).__name__}")
    if "\0" in value:
        raise ValueError(f"{what}: holds a NUL character")
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{what}: {value!r} is not valid Unicode") from None


def encode_path(value: Any, what: str) -> bytes:
    """A path for the library, with the bytes that the file system has."""
    try:
        path = os.fspath(value)
    except TypeError:
        raise TypeError(f"{what}: a path is needed, not {type(value).__name__}") from None
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError(f"{what}: holds a NUL character")
    return encoded


def text_of(pointer: Any) -> Optional[str]:
    """A text of the library; None for NULL."""
    return None if pointer == NULL else ffi.string(pointer).decode("utf-8", "surrogateescape")


def texts(values: Iterable[bytes], keep: List[Any]) -> Any:
    """A `const char *const []` of the texts, good as long as `keep`."""
    pointers = [ffi.new("char[]", value) for value in values]
    array = ffi.new("const char *[]", pointers)
    keep.append(pointers)
    keep.append(array)
    return array


def prompts_of(prompts: Union[str, Sequence[str]], what: str = "prompts") -> List[str]:
    """The prompts as a list: one text, or several."""
    if isinstance(prompts, str):
        prompts = [prompts]
    if isinstance(prompts, (bytes, bytearray)) or not hasattr(prompts, "__iter__"):
        raise TypeError(f"{what}: a text or a list of texts is needed, not {type(prompts).__name__}")
    listed = list(prompts)
    for prompt in listed:
        encode(prompt, what)
    if not listed:
        raise ValueError(f"{what}: the list is empty: say what to look for")
    return listed
