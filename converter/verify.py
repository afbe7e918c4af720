"""What a written .tflite file is worth: its operators, its agreement with the float model, its speed.

Everything is read back from the file through the device's own interpreter.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.errors import MissingDependencyError, ModelError
from edge.inference.interpreter import Interpreter, dequantise, load_interpreter

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Operators:
    """The operators of a file."""

    counts: dict[str, int]
    """By TFLite's name, in the order of the file."""
    floating: tuple[str, ...]
    """Those with a float tensor at either side, and those that are no builtins: what keeps a file from being int8."""


@dataclass(frozen=True)
class Agreement:
    """How near the file's outputs are to the float model's."""

    samples: int
    top1: float
    """Share of samples where both name the same class, 0 to 1."""
    max_difference: float
    """Largest absolute difference of two logits."""
    mean_difference: float
    """Mean absolute difference of two logits."""
    sqnr_db: float
    """Signal-to-quantisation-noise ratio of the logits: 10 log10 of their power over the differences' power."""

    def as_dict(self) -> dict[str, Any]:
        """For the manifest, rounded to what the figures can bear."""
        return {key: round(value, 5) for key, value in asdict(self).items()}


def operators(path: Path) -> Operators:
    """List the operators of a .tflite file.

    Raises
    ------
    ModelError
        LiteRT cannot load the file.
    MissingDependencyError
        LiteRT is not installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter as LiteRT
        from ai_edge_litert.interpreter import OpResolverType
    except ModuleNotFoundError:
        raise MissingDependencyError("ai-edge-litert", "convert", "listing a model's operators") from None
    try:
        # Without the default delegate, which would hide the operators behind one of its own.
        model = LiteRT(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
        model.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{path}: LiteRT cannot load it: {error}") from error
    dtypes = {tensor["index"]: np.dtype(tensor["dtype"]) for tensor in model.get_tensor_details()}
    counts: Counter[str] = Counter()
    floating: list[str] = []
    for operator in model._get_ops_details():
        name = str(operator["op_name"])
        counts[name] += 1
        tensors = [dtypes[index] for index in (*operator["inputs"], *operator["outputs"]) if index in dtypes]
        if any(dtype.kind == "f" for dtype in tensors) or name.startswith(("Flex", "CUSTOM")):
            floating.append(name)
    return Operators(dict(counts), tuple(floating))


def require_int8(path: Path) -> Operators:
    """The operators of a file that must be int8 throughout; numbers to look up in a table may go in as int32.

    Raises
    ------
    ModelError
        Its input or output is of another kind, or an operator works in float; the message names them.
    """
    interpreter = load_interpreter(path)
    for side, tensor in (("input", interpreter.input), ("output", interpreter.output)):
        if tensor.dtype != np.int8 and (side == "output" or tensor.dtype != np.int32):
            raise ModelError(f"{path}: its {side} is {tensor.dtype}, not int8")
    found = operators(path)
    if found.floating:
        raise ModelError(
            f"{path}: not int8 throughout, these stayed in float: {', '.join(sorted(set(found.floating)))}"
        )
    return found


def logits(
    path: Path, x: FloatArray | npt.NDArray[np.int32], *, threads: int = 1, progress: bool = False
) -> FloatArray:
    """Run a .tflite file, one sample at a time.

    Parameters
    ----------
    x
        (n, height, width, channels) real numbers, as the float model takes them; stored as the file's input wants.
        For a text model (n, length, pieces) int32.

    Returns
    -------
    (n, classes) real numbers
    """
    interpreter = load_interpreter(path, threads=threads)
    rows = [
        dequantise(interpreter.run(quantise(sample[None], interpreter)), interpreter.output)[0]
        for sample in tqdm(x, desc="verify", unit="sample", disable=None if progress else True)
    ]
    return np.stack(rows)


def quantise(x: FloatArray | npt.NDArray[np.int32], interpreter: Interpreter) -> npt.NDArray[Any]:
    """The numbers that a file stores for real input."""
    spec = interpreter.input
    if spec.dtype.kind == "f":
        return x.astype(spec.dtype)
    limits = np.iinfo(spec.dtype)
    stored = np.rint(x.astype(np.float64) / spec.scale) + spec.zero_point
    clipped: npt.NDArray[Any] = np.clip(stored, limits.min, limits.max).astype(spec.dtype)
    return clipped


def agreement(reference: FloatArray, found: FloatArray) -> Agreement:
    """Compare the logits of the float model with those of a file, both (n, classes)."""
    if reference.shape != found.shape:
        raise ModelError(f"the file gives {found.shape} outputs where the float model gives {reference.shape}")
    difference = np.abs(reference.astype(np.float64) - found)
    noise = max(float((difference**2).mean()), 1e-20)
    return Agreement(
        samples=len(reference),
        top1=float((reference.argmax(axis=1) == found.argmax(axis=1)).mean()),
        max_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        sqnr_db=float(10 * np.log10(max(float((reference.astype(np.float64) ** 2).mean()), 1e-20) / noise)),
    )


def milliseconds(paths: dict[str, Path], *, rounds: int = 100, threads: int = 1) -> dict[str, float]:
    """Median time of one inference of each file, taken in turns so that the machine's moods meet all alike."""
    loaded = {name: load_interpreter(path, threads=threads) for name, path in paths.items()}
    inputs = {name: np.zeros(each.input.shape, each.input.dtype) for name, each in loaded.items()}
    times: dict[str, list[float]] = {name: [] for name in loaded}
    for turn in range(rounds + 5):
        for name, interpreter in loaded.items():
            begin = time.perf_counter()
            interpreter.run(inputs[name])
            if turn >= 5:  # the first ones warm the caches
                times[name].append(time.perf_counter() - begin)
    return {name: 1000 * statistics.median(taken) for name, taken in times.items()}
