"""Models that are kept open, as many as memory allows."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from .._library import logger
from .._model import Model, models
from .gpu_optimizations import open_device


class ModelPriority(IntEnum):
    """What is let go of first: the lower one."""

    LOW = 1
    NORMAL = 2
    HIGH = 3
    CRITICAL = 4


@dataclass(frozen=True)
class CacheStats:
    """Counts since the cache was made; memory in GB, times in seconds."""

    loaded_models: int
    cache_hits: int
    cache_misses: int
    evictions: int
    total_memory_used: float
    hit_rate: float
    average_load_time: float


@dataclass
class ModelInfo:
    """A model in the cache; memory_usage in GB."""

    model: Any
    load_time: float
    last_accessed: float
    access_count: int
    priority: ModelPriority
    memory_usage: float


def model_size(model: Any) -> float:
    """What a model's weights take, in GB: the size of its files, which they are read from as they are."""
    if not isinstance(model, Model):
        return 0.0
    folder = Path(model.name)
    if folder.is_dir():
        return sum(file.stat().st_size for file in folder.glob("*.safetensors")) / 1e9
    tasks = {"Detector": "detection", "Segmenter": "segmentation", "KeyFrames": "key frames"}
    cache = model._given.get("cache_dir")
    sizes = [
        item.size
        for item in models(cache)
        if item.id == model.name.partition("@")[0] and item.task in (None, tasks.get(type(model).__name__))
    ]
    return max(sizes, default=0) / 1e9


class IntelligentModelCache:
    """Keeps models open under names: the least recently used of the lowest priority goes first.

    device        where load() opens models that are given by name
    max_models    at most so many
    memory_limit  GB of weights; None: no limit but the device's memory, of which `memory_threshold` may be used
    """

    def __init__(self, device: str = "cuda", max_models: int = 5, memory_limit: Optional[float] = None) -> None:
        if max_models < 1:
            raise ValueError(f"max_models: {max_models} is below 1")
        self.device = device
        self.max_models = max_models
        self.memory_limit = memory_limit
        self.memory_threshold = 0.8
        self.loaded_models: "OrderedDict[str, ModelInfo]" = OrderedDict()
        self.cache_hits = self.cache_misses = self.evictions = 0
        self._load_times: List[float] = []
        self._lock = threading.RLock()
        self._target: Any = None

    @property
    def target(self) -> Any:
        """The Device of `device`, opened when it is first asked for."""
        if self._target is None:
            self._target = open_device(self.device)
        return self._target

    def load(self, kind: Callable[..., Any], model: "str | os.PathLike[str]", **options: Any) -> Any:
        """kind(model), such as load(sowlv2.Detector, "google/owlv2-base-patch16-ensemble"), on this cache's device."""
        name = f"{getattr(kind, '__name__', kind)}:{os.fspath(model)}"
        return self.load_model_lazy(name, kind, model, device=self.target, **options)

    def load_model_lazy(self, model_name: str, loader_func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The model of this name; where it is not there, loader_func(*args, **kwargs)."""
        return self.load_model_with_priority(model_name, ModelPriority.NORMAL, loader_func, *args, **kwargs)

    def load_model_with_priority(
        self,
        model_name: str,
        priority: ModelPriority,
        loader_func: Callable[..., Any],
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """As load_model_lazy(); an earlier priority is raised to this one, never lowered."""
        with self._lock:
            known = self.loaded_models.get(model_name)
            if known is not None and not getattr(known.model, "closed", False):
                self.cache_hits += 1
                known.access_count += 1
                known.last_accessed = time.time()
                known.priority = max(known.priority, ModelPriority(priority))
                self.loaded_models.move_to_end(model_name)
                return known.model
            self.cache_misses += 1
            self.loaded_models.pop(model_name, None)
            while len(self.loaded_models) >= self.max_models and self._evict_one():
                pass
            began = time.perf_counter()
            model = loader_func(*args, **kwargs)
            load_time = time.perf_counter() - began
            self._load_times.append(load_time)
            self.loaded_models[model_name] = ModelInfo(
                model, load_time, time.time(), 1, ModelPriority(priority), model_size(model)
            )
            self.implement_lru_eviction(keep=model_name)
            return model

    def preload_models_for_batch(
        self,
        model_specs: Iterable[Tuple[str, Callable[..., Any], Tuple[Any, ...], Dict[str, Any]]],
        priority: ModelPriority = ModelPriority.HIGH,
    ) -> None:
        """Opens models ahead of time: (name, loader_func, args, kwargs) each; one that fails is logged."""
        for name, loader, args, kwargs in model_specs:
            try:
                self.load_model_with_priority(name, priority, loader, *args, **kwargs)
            except Exception as error:
                logger.warning("%s: it could not be opened: %s", name, error)

    def _used(self) -> float:
        """Of what may be used, the part that is."""
        if self.memory_limit:
            return sum(info.memory_usage for info in self.loaded_models.values()) / self.memory_limit
        total, available = self.target.memory()
        return (total - available) / total if total else 0.0

    def implement_lru_eviction(self, memory_threshold: Optional[float] = None, keep: Optional[str] = None) -> int:
        """Lets models go until at most `memory_threshold` (of memory_limit: 1) of the memory is used; gives how many."""
        if memory_threshold is None:
            memory_threshold = 1.0 if self.memory_limit else self.memory_threshold
        evicted = 0
        with self._lock:
            while self._used() > memory_threshold and self._evict_one(keep):
                evicted += 1
        return evicted

    def _evict_one(self, keep: Optional[str] = None) -> bool:
        names = [
            name
            for name, info in self.loaded_models.items()
            if name != keep and info.priority != ModelPriority.CRITICAL
        ]
        if not names:
            return False
        name = min(names, key=lambda each: self.loaded_models[each].priority)  # the first of equal ones is the oldest
        del self.loaded_models[name]  # freed when the last who uses it lets go
        gc.collect()
        self.evictions += 1
        logger.info("%s: let go of, to make room", name)
        return True

    def get_cache_statistics(self) -> CacheStats:
        """What the cache did so far."""
        requests = self.cache_hits + self.cache_misses
        return CacheStats(
            len(self.loaded_models),
            self.cache_hits,
            self.cache_misses,
            self.evictions,
            sum(info.memory_usage for info in self.loaded_models.values()),
            self.cache_hits / requests if requests else 0.0,
            sum(self._load_times) / len(self._load_times) if self._load_times else 0.0,
        )

    def get_model_info(self, model_name: str) -> Optional[ModelInfo]:
        return self.loaded_models.get(model_name)

    def list_cached_models(self) -> List[str]:
        return list(self.loaded_models)

    def set_memory_limit(self, limit_gb: float) -> None:
        """Sets memory_limit, and lets models go that are beyond it."""
        self.memory_limit = limit_gb
        self.implement_lru_eviction()

    def clear_cache(self) -> None:
        with self._lock:
            self.loaded_models.clear()
        gc.collect()
