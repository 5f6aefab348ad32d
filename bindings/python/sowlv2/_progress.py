"""Progress: a function of the caller's, or a bar by tqdm where it is installed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable, ContextManager, Iterator, Optional, Union

from ._library import logger

if TYPE_CHECKING:
    from ._model import Download

Progress = Union[bool, Callable[..., object], None]


def _tqdm() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        logger.info("progress: no bar is shown, since tqdm is not installed")
        return None
    return tqdm


class _DownloadBar:
    def __init__(self, tqdm: Any) -> None:
        self._tqdm = tqdm
        self._bar: Any = None

    def tell(self, download: "Download") -> bool:
        if self._bar is None:
            self._bar = self._tqdm(total=download.total or None, unit="B", unit_scale=True, desc=download.model)
        self._bar.total = download.total or None
        self._bar.update(download.done - self._bar.n)
        return True

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class _JobBar:
    """A bar for each input that has several steps, or one for all."""

    def __init__(self, tqdm: Any, unit: str) -> None:
        self._tqdm = tqdm
        self._unit = unit
        self._bar: Any = None
        self._before = ""

    def tell(self, done: int, total: int, what: str) -> bool:
        if self._bar is None or (what and self._before and what != self._before and done < self._bar.n):
            self.close()
            self._bar = self._tqdm(total=total or None, unit=self._unit)
        self._before = what or self._before
        self._bar.total = total or None
        self._bar.set_description_str(self._before, refresh=False)
        self._bar.update(done - self._bar.n)
        return True

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


@contextmanager
def _teller(progress: Progress, make: Callable[[Any], Any]) -> Iterator[Any]:
    """The caller's function, what a bar is told by, or None: nobody wants to know."""
    if progress is not None and not isinstance(progress, bool) and not callable(progress):
        raise TypeError(f"progress: True, False or a function is needed, not {type(progress).__name__}")
    tqdm = _tqdm() if progress is True else None
    if tqdm is None:
        yield progress if callable(progress) else None
        return
    bar = make(tqdm)
    try:
        yield bar.tell
    finally:
        bar.close()


def download_progress(progress: Progress) -> "ContextManager[Optional[Callable[[Download], object]]]":
    """What is told of a download."""
    return _teller(progress, _DownloadBar)


def bar_progress(progress: Progress, unit: str) -> "ContextManager[Optional[Callable[[int, int, str], object]]]":
    """What is told of a job: how much is done, of how much (0: not known), and what is in hand."""
    return _teller(progress, lambda tqdm: _JobBar(tqdm, unit))
