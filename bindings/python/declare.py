"""Makes the declarations that the Python package calls the library by, out of the public C headers.

    declare.py INCLUDE_FOLDER OUTPUT.py

The output is a module of plain data (cffi's ABI mode): neither a compiler nor the headers are needed to use it, and it
is the same for every Python. The build runs this; nothing that it makes is kept in the tree.
"""

import contextlib
import io
import re
import sys
from pathlib import Path

HEADERS = ("sowlv2.h", "sowlv2_run.h")

_COMMENTS = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_NUMBER = re.compile(r"#\s*define\s+(\w+)\s+(-?\d+)\s*$")


def _without_directives(text: str) -> str:
    """Keeps `#define NAME number`; drops other directives, and what only C++ sees."""
    kept = []
    skipped = 0  # depth inside of a branch for C++
    for line in text.replace("\\\n", " ").split("\n"):
        directive = line.strip()
        if skipped:
            if re.match(r"#\s*if", directive):
                skipped += 1
            elif re.match(r"#\s*endif", directive):
                skipped -= 1
        elif re.match(r"#\s*ifdef\s+__cplusplus\b", directive):
            skipped = 1
        elif directive.startswith("#"):
            number = _NUMBER.match(directive)
            if number:
                kept.append("#define %s %s" % number.groups())
        else:
            kept.append(line)
    return "\n".join(kept)


def _without_bodies(text: str) -> str:
    """Drops functions that are compiled into C programs: `static inline ... { ... }`."""
    kept = []
    at = 0
    for found in re.finditer(r"\bstatic\s+inline\b", text):
        if found.start() < at:
            continue
        kept.append(text[at : found.start()])
        at = text.index("{", found.end())
        depth = 0
        while True:
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
            if depth == 0:
                break
    kept.append(text[at:])
    return "".join(kept)


def declarations(include: Path) -> str:
    """The C declarations of the public headers, as cffi reads them."""
    parts = ["typedef int sig_atomic_t;"]
    for header in HEADERS:
        text = (include / header).read_text(encoding="utf-8")
        text = _without_directives(_COMMENTS.sub(" ", text))
        text = _without_bodies(text).replace("SOWLV2_API", "")
        parts.append("\n".join(line.rstrip() for line in text.split("\n") if line.strip()))
    return "\n".join(parts) + "\n"


def write(include: Path, output: Path, module: str = "sowlv2._declarations") -> None:
    """Writes the module of declarations, complete or not at all."""
    from cffi import FFI

    ffi = FFI()
    ffi.cdef(declarations(include))
    ffi.set_source(module, None)
    output.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(io.StringIO()):  # it tells what it does
        ffi.emit_python_code(str(output))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: declare.py INCLUDE_FOLDER OUTPUT.py")
    write(Path(sys.argv[1]), Path(sys.argv[2]))
