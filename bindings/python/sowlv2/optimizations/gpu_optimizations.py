"""GPUs: where models compute, what they leave to others."""

from __future__ import annotations

import gc
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, Iterable, List, TypeVar

from .._device import Device, devices
from .._errors import UnsupportedError
from .._library import logger
from .._model import Model

_Model = TypeVar("_Model", bound=Model)


def open_device(
    name: str, precision: str = "auto", threads: int = 0, memory_fraction: float = 0.0, memory_at_once: bool = False
) -> Device:
    """The device of this name; where it is a GPU that is not there, the CPU, with a warning that says why. Of a GPU no
    more than memory_fraction of its memory is taken. A precision that GPUs never have is an error there."""
    kind = devices()[0].kind if name == "auto" else name
    limits: Dict[str, Any] = (
        {"memory_fraction": memory_fraction, "memory_at_once": memory_at_once} if kind.startswith("cuda") else {}
    )
    try:
        return Device(name, precision=precision, threads=threads, **limits)
    except UnsupportedError as error:
        if not name.startswith("cuda") or precision == "int8":
            raise  # int8 is never a GPU's
        logger.warning("device %s: using the CPU: %s", name, error)
        return Device("cpu", precision=precision if precision == "f32" else "auto", threads=threads)


def refuse_torch(model: Any, what: str) -> None:
    """Raises for what is no model of ours, and says what to use instead."""
    if isinstance(model, Model):
        return
    if type(model).__module__.split(".")[0] in ("torch", "transformers") or hasattr(model, "parameters"):
        raise TypeError(
            f"{what}: torch modules are not computed by this engine: open the same checkpoint by sowlv2.Detector("
            "folder or hub id), Segmenter or KeyFrames; torch.compile() is torch's own way"
        )
    raise TypeError(f"{what}: a sowlv2 model is needed, not {type(model).__name__}")


class GPUOptimizer:
    """Puts models onto a device.

    device            "cuda", "cuda:N", "cpu" or "auto"; where there is no such GPU the CPU, with a warning
    memory_fraction   how much of the GPU's memory the engine may take, for all models on this device together;
                      free_memory() counts no more, and so does what chooses batch sizes by it
    allow_growth      True: memory is taken as it is needed; False: all that may be taken at once, as one block

    On the CPU neither of the two changes how memory is taken, which a notice says.
    """

    def __init__(
        self,
        device: str = "cuda",
        memory_fraction: float = 0.9,
        allow_growth: bool = True,
        precision: str = "auto",
    ) -> None:
        if not 0 < memory_fraction <= 1:
            raise ValueError(f"memory_fraction: {memory_fraction} is not over 0 and up to 1")
        self.memory_fraction = memory_fraction
        self.allow_growth = allow_growth
        self.target = open_device(
            device, precision, memory_fraction=memory_fraction, memory_at_once=not allow_growth
        )
        self.device = self.target.name
        if self.device == "cpu":
            logger.info(
                "GPUOptimizer: the CPU computes: memory is the process's own; memory_fraction %g counts in "
                "free_memory() alone, allow_growth not at all",
                memory_fraction,
            )

    def optimize_model_for_inference(self, model: _Model) -> _Model:
        """The model on this device: itself where it is there already, else the same checkpoint opened there.

        Everything else that was done here is done when a model opens: weights are packed for the device, precision is
        the device's, attention keeps no scores in memory.
        """
        refuse_torch(model, "optimize_model_for_inference")
        if model.device.name == self.device and model.device.precision == self.target.precision:
            logger.info("%s: it is on %s already, packed when it was opened", model.name, self.device)
            return model
        logger.info("%s: opened again on %s", model.name, self.device)
        return type(model)(**{**model._given, "device": self.target})

    def free_memory(self) -> int:
        """Bytes that may still be taken: what can be had now, within memory_fraction of all."""
        total, available = self.target.memory()
        used = total - available
        return max(0, int(total * self.memory_fraction) - used)

    def profile_gpu_memory(self) -> Dict[str, float]:
        """The device's memory in GB: "total", "free", and "allocated" by all who use it."""
        total, available = self.target.memory()
        return {"total": total / 1024**3, "free": available / 1024**3, "allocated": (total - available) / 1024**3}

    def clear_cache(self) -> None:
        """Gives back what Python holds without need; the engine's own memory goes with its models."""
        gc.collect()


class StreamedProcessing:
    """Runs a function over data, several at once: on a GPU each has a stream of its own, so that transfers and
    computing overlap; on the CPU they are threads that share its cores."""

    def __init__(self, num_streams: int = 2) -> None:
        if num_streams < 1:
            raise ValueError(f"num_streams: {num_streams} is below 1")
        self.num_streams = num_streams

    def process_with_streams(
        self, process_func: Callable[..., Any], data_list: Iterable[Any], *args: Any, **kwargs: Any
    ) -> List[Any]:
        """process_func(data, *args, **kwargs) of each, in their order; an exception goes to the caller."""
        with ThreadPoolExecutor(self.num_streams) as pool:
            return list(pool.map(lambda data: process_func(data, *args, **kwargs), data_list))


class TensorRTOptimizer:
    """TensorRT takes ONNX files, which this version does not write yet."""

    @staticmethod
    def optimize_with_tensorrt(model: Any, example_inputs: Any = None, fp16: bool = True) -> Any:
        """Raises UnsupportedError, and says what there is instead."""
        refuse_torch(model, "optimize_with_tensorrt")
        logger.log(logging.DEBUG, "optimize_with_tensorrt: %s, fp16=%s", model.name, fp16)
        raise UnsupportedError(
            "optimize_with_tensorrt: TensorRT needs the model as ONNX, which this version does not export yet: use "
            "device='cuda' with precision='bf16'"
        )
