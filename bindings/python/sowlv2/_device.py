"""What there is to compute on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple, Union

from ._library import begin_computing, call, ffi, get, lib, owned, text_of
from ._options import make


@dataclass(frozen=True)
class DeviceEntry:
    """A device of this machine: its name as options take it, "cpu" or "cuda", and a line for people."""

    name: str
    kind: str
    description: str


def devices() -> List[DeviceEntry]:
    """The devices that there are, the one that "auto" takes first."""
    out = ffi.new("struct sowlv2_devices *")
    call(lib.sowlv2_devices_list, out)
    try:
        return [
            DeviceEntry(*(text_of(text) or "" for text in (item.name, item.kind, item.description)))
            for item in (out.items[index] for index in range(out.count))
        ]
    finally:
        lib.sowlv2_devices_free(out)


class Device:
    """Where and how models compute; any number of models share one.

    device      "auto", "cpu", "cuda" or "cuda:N"
    precision   "f32"; "bf16" of a GPU or a CPU that has it; "int8" of a CPU that has it; "auto": bf16 on a GPU, f32 on
                a CPU
    threads     threads of a forward pass; 0: as many as the process may use
    cpu_level   "reference", "avx2", "avx512", ...; None: the best that this CPU has
    memory_limit, memory_fraction   of a GPU: bytes of its memory, or a part of it from 0 to 1, that may be taken; 0: all
    memory_at_once                  take so much when it opens, as one block, not as it is needed
    """

    def __init__(
        self,
        device: str = "auto",
        *,
        precision: str = "auto",
        threads: int = 0,
        cpu_level: Optional[str] = None,
        memory_limit: int = 0,
        memory_fraction: float = 0.0,
        memory_at_once: bool = False,
    ) -> None:
        self._given: Dict[str, Any] = {
            "device": device,
            "precision": precision,
            "threads": threads,
            "cpu_level": cpu_level,
            "memory_limit": memory_limit,
            "memory_fraction": memory_fraction,
            "memory_at_once": memory_at_once,
        }
        options, _keep = make("sowlv2_device_options", self._given)
        begin_computing()
        out = ffi.new("sowlv2_device **")
        call(lib.sowlv2_device_open, options, out)
        self._c = owned(out[0], "sowlv2_device *", "sowlv2_device_free")

    @property
    def name(self) -> str:
        """As options take it, "cpu" or "cuda:0"."""
        return text_of(get(lib.sowlv2_device_name, self._c)) or ""

    @property
    def description(self) -> str:
        """A line for people."""
        return text_of(get(lib.sowlv2_device_description, self._c)) or ""

    @property
    def precision(self) -> str:
        return text_of(get(lib.sowlv2_device_precision, self._c)) or ""

    @property
    def cpu_level(self) -> Optional[str]:
        return text_of(get(lib.sowlv2_device_cpu_level, self._c))

    @property
    def threads(self) -> int:
        """Threads of one forward pass."""
        return int(get(lib.sowlv2_device_threads, self._c))

    def memory(self) -> Tuple[int, int]:
        """Bytes that the device has, and of them what can be had now; 0 where the system does not say."""
        total, available = ffi.new("int64_t *"), ffi.new("int64_t *")
        call(lib.sowlv2_device_memory, self._c, total, available)
        return int(total[0]), int(available[0])

    def __reduce__(self) -> Tuple[Any, ...]:
        return _reopened, (self._given,)

    def __repr__(self) -> str:
        return f"Device({self.name!r}, precision={self.precision!r}, threads={self.threads})"


def _reopened(given: Dict[str, Any]) -> Device:
    return Device(**given)


def device_of(device: Union[str, Device], precision: str, threads: int, cpu_level: Optional[str]) -> Device:
    """The device as it was given, or one of these options."""
    if isinstance(device, Device):
        if precision != "auto" or threads or cpu_level:
            raise TypeError("precision, threads and cpu_level are the Device's: give them to it")
        return device
    if not isinstance(device, str):
        raise TypeError(f"device: a text or a Device is needed, not {type(device).__name__}")
    return Device(device, precision=precision, threads=threads, cpu_level=cpu_level)
