"""The exceptions of this package: each is also the built-in one that a caller would expect."""

from __future__ import annotations

import errno
import os
from typing import Optional, Type


class Error(Exception):
    """Something that the C library refused; `status` is its enum sowlv2_status."""

    status: int = 0


class ArgumentError(Error, ValueError):
    """A value is out of range."""


class FileError(Error, OSError):
    """A file cannot be opened, read or written."""


class MissingFileError(FileError, FileNotFoundError):
    """A file that was asked for is not there."""


class ForbiddenFileError(FileError, PermissionError):
    """A file that was asked for may not be read."""


class FormatError(Error, ValueError):
    """A file is damaged, or is not what it should be."""


class OutOfMemoryError(Error, MemoryError, RuntimeError):
    """Out of memory: use smaller inputs or batches, or close other programs."""


class ModelError(Error, RuntimeError):
    """A model cannot be found, or is not one for this job."""


class UnsupportedError(Error, RuntimeError):
    """What was asked for is valid, but not built into this version or this machine."""


class CancelledError(Error, RuntimeError):
    """A callback, or another thread, asked to stop."""


_BY_STATUS: "dict[int, Type[Error]]" = {
    -1: ArgumentError,
    -2: FileError,
    -3: FormatError,
    -4: OutOfMemoryError,
    -5: ModelError,
    -6: UnsupportedError,
    -7: CancelledError,
}


def error_of(status: int, message: str, path: Optional[str] = None) -> Error:
    """The exception for a status of the library; `path` is the file that the call was about, where there is one."""
    kind = _BY_STATUS.get(status, Error)
    error: Error
    if kind is FileError:
        number = errno.EIO
        if path is not None and not os.path.exists(path):
            kind, number = MissingFileError, errno.ENOENT
        elif path is not None and not os.access(path, os.R_OK):
            kind, number = ForbiddenFileError, errno.EACCES
        error = kind(number, message)  # its message names the file
    else:
        error = kind(message)
    error.status = status
    return error
