"""Progress: a function of the caller's, or a bar by tqdm where it is installed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional, Union

from ._library import logger

if TYPE_CHECKING:
    from ._model import Download

Progress = Union[bool, Callable[..., object], None]


def check(progress: Any) -> None:
    if progress is not None and not isinstance(progress, bool) and not callable(progress):
        raise TypeError(f"progress: True, False or a function is needed, not {type(progress).__name__}")


def _tqdm() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        logger.info("progress: no bar is shown, since tqdm is not installed")
        return None
    return tqdm


@contextmanager
def download_progress(progress: Progress) -> "Iterator[Optional[Callable[[Download], object]]]":
    """What is told of a download."""
    check(progress)
    if callable(progress):
        yield progress
        return
    tqdm = _tqdm() if progress else None
    if tqdm is None:
        yield None
        return
    bar: Any = None

    def tell(download: "Download") -> bool:
        nonlocal bar
        if bar is None:
            bar = tqdm(total=download.total or None, unit="B", unit_scale=True, desc=download.model)
        bar.total = download.total or None
        bar.update(download.done - bar.n)
        return True

    try:
        yield tell
    finally:
        if bar is not None:
            bar.close()


@contextmanager
def bar_progress(progress: Progress, unit: str) -> "Iterator[Optional[Callable[[int, int, str], object]]]":
    """What is told of a job: how much is done, of how much (0: not known), and what is in hand."""
    check(progress)
    if callable(progress):
        yield progress
        return
    tqdm = _tqdm() if progress else None
    if tqdm is None:
        yield None
        return
    bar: Any = None
    before = ""

    def tell(done: int, total: int, what: str) -> bool:
        nonlocal bar, before
        if bar is None or (what and before and what != before and done < bar.n):
            if bar is not None:
                bar.close()
            bar = tqdm(total=total or None, unit=unit)
        before = what or before
        bar.total = total or None
        bar.set_description_str(before, refresh=False)
        bar.update(done - bar.n)
        return True

    try:
        yield tell
    finally:
        if bar is not None:
            bar.close()
