"""What int8 costs a model, layer by layer: both files side by side.

The float file and the converted one run on the same samples, every tensor kept, and what each layer gives is compared.
TensorFlow's QuantizationDebugger is not used for that: it compares inside a file of its own, made anew from a
converter, so it can look into neither a finished file nor one that was trained with fake quantisation; and it tells
each operator's own rounding, not what has come together by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from converter import export, layer_names
from converter.layer_names import CONVERSIONS, Operator
from converter.mixed import prepared
from converter.subject import Subject, of_model
from edge.errors import ModelError

SAMPLES = 64
"""Samples that are looked at: enough for a ranking, and each of them goes through two interpreters."""

BINS = 40

SAME_NUMBERS = {"RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS"}
"""Operators whose output is their input in another order."""


@dataclass(frozen=True)
class Histogram:
    """How often a number fell where."""

    edges: tuple[float, ...]
    """One more than there are counts."""
    counts: tuple[int, ...]


@dataclass(frozen=True)
class LayerError:
    """What a layer of the converted file gives, compared with the float model."""

    layer: str
    """The first of `layers` that no other entry has."""
    layers: tuple[str, ...]
    """All that the operator computes: a convolution with its normalisation and activation is one."""
    operator: str
    """TFLite's name of the operator that gives the layer's output."""
    dtype: str
    """Of that output in the converted file: int8, int16 or float32."""
    sqnr_db: float
    """Signal-to-quantisation-noise ratio: 10 log10 of the float activations' power over the differences' power."""
    mean_error: float
    """Mean absolute difference, in the layer's own units."""
    low: float
    """Least float activation."""
    high: float
    """Greatest float activation."""
    clipped: float
    """Share of the float activations that lie beyond what the converted file's range holds, 0 to 1; 0 for float."""
    histogram: Histogram
    """Of the float activations."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON, rounded to what the figures can bear."""
        figures = {key: float(f"{value:.5g}") for key, value in asdict(self).items() if isinstance(value, float)}
        return {
            "layer": self.layer,
            "layers": list(self.layers),
            "operator": self.operator,
            "dtype": self.dtype,
            **figures,
            "histogram": {
                "edges": [float(f"{edge:.5g}") for edge in self.histogram.edges],
                "counts": list(self.histogram.counts),
            },
        }


def measure(
    subject: Subject, x: npt.NDArray[Any], content: bytes, *, samples: int = SAMPLES, progress: bool = False
) -> list[LayerError]:
    """Compare a converted file with its float model, layer by layer.

    Parameters
    ----------
    subject
        The float model that the file was made from.
    x
        (n, *subject.shape) as the model takes it; the first `samples` are looked at.
    content
        A .tflite file by any method. The layers of one that was trained quantised have other weights than the float
        model's, and what that changes counts as error too.

    Returns
    -------
    In the order in which the layers run. Layers whose output does not stand in both files are left out: those that
    TFLite fused with the next one.

    Raises
    ------
    DataError
        The samples do not fit the model.
    ModelError
        A file cannot be loaded, or no layer stands in both.
    """
    export.check_input(x, subject, None)
    ready = prepared_subject(subject)
    names = layer_names.of_model(ready.model)
    reference = _Recorder(export.float32(ready), names, subject.where)
    converted = _Recorder(content, names, subject.where)
    common = [
        layer
        for layer in converted.outputs
        if layer in reference.outputs and reference.size(layer) == converted.size(layer)
    ]
    if not common:
        raise ModelError(
            f"{subject.where}: the file and the model have no layer in common; is it made from this model?"
        )
    picked = x[:samples]
    ranges = _ranges(reference, common, picked, progress=progress)
    sums = {layer: _Sums(*ranges[layer], *converted.bounds(layer)) for layer in common}
    for sample in bar(picked, "compare", progress=progress):
        reference.run(sample)
        converted.run(sample)
        for layer in common:
            sums[layer].add(reference.activations(layer), converted.activations(layer))
    used: set[str] = set()
    found = []
    for layer in common:
        operator = converted.outputs[layer]
        name = next((each for each in operator.layers if each not in used), layer)
        used.add(name)
        found.append(sums[layer].error(name, operator))
    return found


class _Recorder:
    """A file that runs sample by sample and tells what each layer gave."""

    def __init__(self, content: bytes, names: Sequence[str], where: str) -> None:
        self._loaded = layer_names.interpreter(content, where)
        self._tensors = {tensor["index"]: tensor for tensor in self._loaded.get_tensor_details()}
        (self._entry,) = self._loaded.get_input_details()
        # What a layer gives is what its last operator gives, and a fused one gives what the last of its layers does.
        self.outputs: dict[str, Operator] = {}
        for operator in layer_names.operators(self._loaded, names):
            if operator.kind not in CONVERSIONS and operator.kind not in SAME_NUMBERS:
                self.outputs.pop(operator.layers[-1], None)
                self.outputs[operator.layers[-1]] = operator

    def size(self, layer: str) -> int:
        return int(np.prod(self._tensors[self.outputs[layer].output]["shape"]))

    def run(self, sample: npt.NDArray[Any]) -> None:
        stored = sample[None]
        dtype, (scale, zero) = np.dtype(self._entry["dtype"]), self._entry["quantization"]
        if dtype != stored.dtype:
            limits = np.iinfo(dtype)
            stored = np.clip(np.rint(stored / scale) + zero, limits.min, limits.max).astype(dtype)
        self._loaded.set_tensor(self._entry["index"], stored)
        self._loaded.invoke()

    def activations(self, layer: str) -> npt.NDArray[np.float64]:
        """Real numbers, flat."""
        stored = self._stored(layer)
        if stored.dtype.kind == "f":
            return stored.astype(np.float64)
        scale, zero = self._tensors[self.outputs[layer].output]["quantization"]
        return np.asarray((stored.astype(np.float64) - zero) * (scale or 1.0))

    def bounds(self, layer: str) -> tuple[float, float]:
        """What a layer's range holds, rounding included; everything where it is in float."""
        tensor = self._tensors[self.outputs[layer].output]
        if np.dtype(tensor["dtype"]).kind == "f":
            return -np.inf, np.inf
        limits, (scale, zero) = np.iinfo(tensor["dtype"]), tensor["quantization"]
        return (limits.min - zero - 0.5) * scale, (limits.max - zero + 0.5) * scale

    def _stored(self, layer: str) -> npt.NDArray[Any]:
        return np.asarray(self._loaded.get_tensor(self.outputs[layer].output)).ravel()


class _Sums:
    """What adds up over the samples for one layer."""

    def __init__(self, low: float, high: float, held_low: float, held_high: float) -> None:
        self._low, self._high = low, high
        self._held = held_low, held_high
        self._edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
        self._counts = np.zeros(BINS, np.int64)
        self._power = self._noise = self._absolute = self._clipped = 0.0
        self._samples = 0

    def add(self, expected: npt.NDArray[np.float64], found: npt.NDArray[np.float64]) -> None:
        difference = found - expected
        self._power += float((expected**2).mean())
        self._noise += float((difference**2).mean())
        self._absolute += float(np.abs(difference).mean())
        self._clipped += float(((expected < self._held[0]) | (expected > self._held[1])).mean())
        self._counts += np.histogram(expected, self._edges)[0]
        self._samples += 1

    def error(self, name: str, operator: Operator) -> LayerError:
        # The same floor as `verify.agreement`: equal outputs have no noise at all.
        ratio = max(self._power, 1e-20) / max(self._noise, 1e-20)
        return LayerError(
            layer=name,
            layers=operator.layers,
            operator=operator.kind,
            dtype=operator.dtype.name,
            sqnr_db=float(10 * np.log10(ratio)),
            mean_error=self._absolute / self._samples,
            low=self._low,
            high=self._high,
            clipped=self._clipped / self._samples,
            histogram=Histogram(tuple(self._edges.tolist()), tuple(self._counts.tolist())),
        )


def prepared_subject(subject: Subject) -> Subject:
    """The model as the methods convert it: flat and unrolled, so that its layers are theirs."""
    if subject.model is None:
        return subject
    try:
        return of_model(prepared(subject.model), path=subject.path)
    except ModelError:  # it converts as it is, or not at all
        return subject


def _ranges(
    reference: _Recorder, layers: Sequence[str], x: npt.NDArray[Any], *, progress: bool
) -> dict[str, tuple[float, float]]:
    """Least and greatest float activation of each layer."""
    ends = dict.fromkeys(layers, (np.inf, -np.inf))
    for sample in bar(x, "float", progress=progress):
        reference.run(sample)
        for layer in layers:
            numbers = reference.activations(layer)
            low, high = ends[layer]
            ends[layer] = min(low, float(numbers.min())), max(high, float(numbers.max()))
    return ends


def bar(values: Any, name: str, *, progress: bool) -> Any:
    """A progress bar that leaves no trace, if stderr is a terminal."""
    return tqdm(values, desc=name, disable=None if progress else True, leave=False)
