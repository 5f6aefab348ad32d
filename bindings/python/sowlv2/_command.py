"""The tool that comes with the package: as the commands `sowlv2` and `sowlv2-detect`, and as a decoder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ._errors import UnsupportedError

_HERE = Path(__file__).resolve().parent


def _ready(tool: Path) -> Path:
    if not os.access(tool, os.X_OK):  # some installers drop it
        tool.chmod(tool.stat().st_mode | 0o111)
    return tool


def decoder() -> Path:
    """What `isolate` starts: the package's tool, or that of the build or installation whose library SOWLV2_LIBRARY
    names."""
    given = os.environ.get("SOWLV2_LIBRARY")
    places = [_HERE / "bin"]
    if given:
        above = Path(given).resolve().parents
        places = [*above[:2], *(folder / "bin" for folder in above[1:3])]
    for place in places:
        if (place / "sowlv2").is_file():
            return _ready(place / "sowlv2")
    raise UnsupportedError(f"isolate: {places[0] / 'sowlv2'} is not there, which decodes: install the package with pip")


def _become(name: str) -> None:
    tool = _HERE / "bin" / "sowlv2"
    if not tool.is_file():
        sys.exit(f"{name}: {tool} is not there: install the package with pip")
    if not os.environ.get("SOWLV2_DATA"):
        os.environ["SOWLV2_DATA"] = str(_HERE / "models")  # where the model "demo" is
    os.execv(str(_ready(tool)), [name, *sys.argv[1:]])


def main() -> None:
    _become("sowlv2")


def detect() -> None:
    _become("sowlv2-detect")
