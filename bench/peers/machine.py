"""The machine: what it is, and what others do on it while something is timed."""

import os
import re
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8", "asimd", "bf16", "i8mm")


def description():
    """Named by its features; a virtual machine's processor has no better name."""
    text = Path("/proc/cpuinfo").read_text()

    def field(name):
        found = re.search(rf"^{name}\s*:\s*(.+)$", text, re.M)
        return found[1].strip() if found else ""

    flags = set(field("flags").split() + field("Features").split())
    return {
        "processor": field("model name") or os.uname().machine,
        "features": [name for name in FEATURES if name in flags],
        "processors": len(os.sched_getaffinity(0)),
        "quota": quota(),
        "memory": round(memory("MemTotal") / 2**30, 1),
    }


def quota():
    """Processors that the control group may use; None: all."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        return None


def memory(field="MemAvailable"):
    """Bytes."""
    found = re.search(rf"^{field}:\s*(\d+)", Path("/proc/meminfo").read_text(), re.M)
    return 1024 * int(found[1]) if found else 0


def busy():
    """Processor seconds since the start of the machine that were not idle, those stolen from it included."""
    values = list(map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]))
    return (sum(values) - values[3] - values[4]) / TICK


def load():
    """The share of all processors that is busy now, looked at for a second."""
    start, before = time.monotonic(), busy()
    time.sleep(1)
    return (busy() - before) / (time.monotonic() - start) / os.cpu_count()


def settle(seconds, most=0.1):
    """Waits until the machine is quiet; True where it became so in time."""
    end = time.monotonic() + seconds
    while load() > most:
        if time.monotonic() > end:
            return False
        time.sleep(2)
    return True


class Watch:
    """How much of the processors others used while something ran that took `own` processor seconds."""

    def __init__(self):
        self.foreign, self.wall = 0.0, 0.0

    def begin(self):
        self.started, self.before = time.monotonic(), busy()

    def end(self, own):
        wall = time.monotonic() - self.started
        self.wall += wall
        self.foreign += max(busy() - self.before - own, 0.0)

    def share(self):
        return self.foreign / self.wall / os.cpu_count() if self.wall > 0.5 else 0.0
