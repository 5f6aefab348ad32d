"""The commands `sowlv2` and `sowlv2-detect`: the tool that comes with the package."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def _become(name: str) -> None:
    here = Path(__file__).resolve().parent
    tool = here / "bin" / "sowlv2"
    if not tool.is_file():
        sys.exit(f"{name}: {tool} is not there: install the package with pip")
    if not os.environ.get("SOWLV2_DATA"):
        os.environ["SOWLV2_DATA"] = str(here / "models")  # where the model "demo" is
    if not os.access(tool, os.X_OK):  # some installers drop it
        tool.chmod(tool.stat().st_mode | 0o111)
    os.execv(str(tool), [name, *sys.argv[1:]])


def main() -> None:
    _become("sowlv2")


def detect() -> None:
    _become("sowlv2-detect")
