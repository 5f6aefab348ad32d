"""Fills the library's structs of options from keywords, by what the headers declare."""

from __future__ import annotations

import difflib
from typing import Any, Callable, Dict, List, Mapping, Tuple

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


def _set_number(target: Any, name: str, kind: Any, value: Any, keep: List[Any]) -> None:
    setattr(target, name, value)


def _set_flag(target: Any, name: str, kind: Any, value: Any, keep: List[Any]) -> None:
    if not isinstance(value, (bool, int)):
        raise TypeError(f"True or False is needed, not {type(value).__name__}")
    setattr(target, name, bool(value))


def _set_enum(target: Any, name: str, kind: Any, value: Any, keep: List[Any]) -> None:
    setattr(target, name, _enum_value(kind, value, name))


def _set_text(target: Any, name: str, kind: Any, value: Any, keep: List[Any]) -> None:
    if isinstance(value, (str, bytes)):
        value = ffi.new("char[]", encode(value, name) if isinstance(value, str) else value)
    keep.append(value)
    setattr(target, name, value)


def _set_pointer(target: Any, name: str, kind: Any, value: Any, keep: List[Any]) -> None:
    keep.append(value)
    setattr(target, name, value)


def _set_struct(target: Any, name: str, kind: Any, value: Any, keep: List[Any]) -> None:
    """By a mapping of its fields, or a tuple of them in their order."""
    parts = {field: each.type for field, each in kind.fields}
    if isinstance(value, tuple):
        value = dict(zip(parts, value))
    if not isinstance(value, Mapping):
        raise TypeError(f"a dict of {', '.join(parts)} is needed, not {type(value).__name__}")
    _fill(getattr(target, name), {field: (_setter(each), each) for field, each in parts.items()}, value, keep)


def _setter(kind: Any) -> Callable[[Any, str, Any, Any, List[Any]], None]:
    """How a field of this type is set."""
    if kind.kind == "primitive":
        return _set_flag if kind.cname in ("bool", "_Bool") else _set_number
    if kind.kind == "pointer":
        return _set_text if kind.item.cname in ("char", "const char") else _set_pointer
    return {"enum": _set_enum, "struct": _set_struct}.get(kind.kind, _set_number)


_Plan = Dict[str, Tuple[Callable[[Any, str, Any, Any, List[Any]], None], Any]]


def _fill(target: Any, plan: _Plan, values: Mapping[str, Any], keep: List[Any]) -> None:
    for name, value in values.items():
        if value is None and name in plan:
            continue  # its default stays
        try:
            setter, kind = plan[name]
        except KeyError:
            near = difflib.get_close_matches(name, plan, 1)
            hint = f": did you mean {near[0]}?" if near else ""
            raise TypeError(f"{name}: there is no such option{hint}") from None
        try:
            setter(target, name, kind, value, keep)
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None
        except OverflowError:
            raise ValueError(f"{name}: {value!r} is out of range") from None


_made: Dict[Tuple[str, str], Tuple[Any, bytes, _Plan]] = {}


def make(struct: str, values: Mapping[str, Any], init: str = "") -> Tuple[Any, List[Any]]:
    """A struct of options with the library's defaults and these values (None: the default), and what must live as long
    as it."""
    known = _made.get((struct, init))
    if known is None:
        # The library's defaults are asked for once.
        pointer = ffi.typeof(f"struct {struct} *")
        defaults = ffi.new(pointer)
        size = ffi.sizeof(pointer.item)
        getattr(lib, init or struct + "_init")(defaults, size)
        plan = {name: (_setter(kind), kind) for name, kind in fields_of(struct).items()}
        known = _made[struct, init] = pointer, bytes(ffi.buffer(defaults, size)), plan
    pointer, defaults_, plan = known
    target = ffi.new(pointer)
    ffi.buffer(target)[:] = defaults_
    keep: List[Any] = [target]
    _fill(target, plan, values, keep)
    return target, keep
