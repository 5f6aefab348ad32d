"""Fills the library's structs of options from keywords, by what the headers declare."""

from __future__ import annotations

import difflib
from typing import Any, Dict, List, Mapping, Tuple

from ._library import encode, ffi, lib

_fields: Dict[str, Dict[str, Any]] = {}


def fields_of(struct: str) -> Dict[str, Any]:
    """The fields of `struct NAME` and their types, without its size."""
    known = _fields.get(struct)
    if known is None:
        known = {name: field.type for name, field in ffi.typeof("struct " + struct).fields if name != "size"}
        _fields[struct] = known
    return known


def _enum_value(kind: Any, value: Any, what: str) -> int:
    """A value of an enum: an int, or the end of its name in any case: "change" of SOWLV2_IMPORTANCE_CHANGE."""
    names: Dict[str, int] = {name: number for number, name in sorted(kind.elements.items())}
    if isinstance(value, str):
        for name, number in names.items():
            if name.lower().endswith("_" + value.lower()):
                return number
        raise ValueError(f"{what}: {value!r} is none of {', '.join(name.rpartition('_')[2].lower() for name in names)}")
    if isinstance(value, int) and value in names.values():
        return value
    raise ValueError(f"{what}: {value!r} is none of {', '.join(names)}")


def _set(target: Any, name: str, kind: Any, value: Any, keep: List[Any]) -> None:
    try:
        if kind.kind == "primitive" and kind.cname in ("bool", "_Bool"):
            if not isinstance(value, (bool, int)):
                raise TypeError(f"True or False is needed, not {type(value).__name__}")
            setattr(target, name, bool(value))
        elif kind.kind == "enum":
            setattr(target, name, _enum_value(kind, value, name))
        elif kind.kind == "pointer" and kind.item.cname in ("char", "const char") and isinstance(value, (str, bytes)):
            text = ffi.new("char[]", encode(value, name) if isinstance(value, str) else value)
            keep.append(text)
            setattr(target, name, text)
        elif kind.kind == "struct" and isinstance(value, Mapping):
            fill(getattr(target, name), value, keep)
        elif kind.kind == "struct" and isinstance(value, tuple):
            for (part, field), item in zip(kind.fields, value):
                _set(getattr(target, name), part, field.type, item, keep)
        elif value is not None:
            setattr(target, name, value)
            keep.append(value)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    except OverflowError:
        raise ValueError(f"{name}: {value!r} is out of range") from None


def fill(target: Any, values: Mapping[str, Any], keep: List[Any]) -> None:
    """Sets fields of a struct by name; None leaves one at its default."""
    kind = ffi.typeof(target)
    struct = (kind.item if kind.kind == "pointer" else kind).cname.replace("struct ", "").rstrip(" &*")
    known = fields_of(struct)
    for name, value in values.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f": did you mean {near[0]}?" if near else ""
            raise TypeError(f"{name}: there is no such option{hint}")
        if value is not None:
            _set(target, name, known[name], value, keep)


def make(struct: str, values: Mapping[str, Any], init: str = "") -> Tuple[Any, List[Any]]:
    """A struct of options with the library's defaults and these values, and what must live as long as it."""
    target = ffi.new(f"struct {struct} *")
    getattr(lib, init or struct + "_init")(target, ffi.sizeof(f"struct {struct}"))
    keep: List[Any] = [target]
    fill(target, values, keep)
    return target, keep
