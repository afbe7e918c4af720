"""The bridge from Keras 3 to legacy Keras: the same layers, the same weights, the same outputs.

TFMOT takes only legacy models (tensorflow/model-optimization issues 1119, 1144, 1181). The bridge walks the graph of a
Keras 3 model, rebuilds each layer from the part of its configuration that legacy Keras knows, and copies the weights.
Models inside the model are dissolved into their layers, because TFMOT refuses them. Whether what was dropped mattered
is not guessed: both models are run on random input, and a difference is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converter import bridge_operations, environment
from converter.bridge_layers import WAY_OUT, first_line, rebuild, unsupported, weights_of
from edge.errors import ModelError

TOLERANCE = 1e-5
"""Largest difference between the outputs of both models, relative to their largest value where that is above 1."""

_ROUNDING = 8
"""Deep networks are less exact than that by themselves: Keras 3 and legacy Keras compute the same in another order. A
difference is let pass, too, up to so many times what the last bit of each input changes, and up to a tenth of a
thousandth."""

_MOST_ROUNDING = 1e-4

_FREE_SIDE = 32
"""Stands in for a dimension that the model leaves open, when both models are compared."""


def to_tf_keras(model: Any, *, input_shape: tuple[int, ...] | None = None) -> Any:
    """Rebuild a Keras 3 model in legacy Keras.

    Parameters
    ----------
    model
        keras.Model, functional or sequential, built. Any Keras 3 backend: weights travel as NumPy arrays.
    input_shape
        Of one sample, for a model of one input that leaves sides open; what it has closed has to agree.

    Returns
    -------
    tf_keras.Model with equal outputs (`TOLERANCE`, or as equal as the model's own rounding lets them be), float32.

    Raises
    ------
    ModelError
        A layer is not supported, or the outputs differ; the message names the layer and the way out.
    """
    environment.prepare()
    legacy = _whole(model, input_shape=input_shape)
    try:
        difference = output_difference(model, legacy)
    except (TypeError, ValueError, NotImplementedError, _tensorflow_error()) as error:
        raise ModelError(f"model '{model.name}': does not run on random input: {first_line(error)}") from error
    if not difference <= TOLERANCE and not difference <= min(_ROUNDING * last_bit_difference(legacy), _MOST_ROUNDING):
        raise ModelError(
            f"model '{model.name}': the bridge to legacy Keras changes its outputs by {difference:.2g} of their "
            f"range: a layer means something else there; {WAY_OUT}"
        )
    return legacy


def _whole(model: Any, *, input_shape: tuple[int, ...] | None = None) -> Any:
    """The legacy model, not compared yet."""
    import tf_keras

    inputs = []
    entries = _graph(model).inputs
    for tensor in entries:
        name = tensor.name.split(":")[0].split("/")[0]
        sides = tuple(tensor.shape[1:])
        if len(entries) == 1 and input_shape is not None:
            sides = fitting(sides, input_shape, f"model '{model.name}'")
        inputs.append(tf_keras.Input(shape=sides, dtype=_dtype(tensor.dtype), name=name))
    outputs = _Replay(inputs).run(model, inputs)
    try:
        # One tensor stays one tensor: a list of one would come back from each call.
        return tf_keras.Model(_unpack(inputs), _unpack(outputs), name=model.name)
    except (TypeError, ValueError) as error:
        raise ModelError(f"model '{model.name}': legacy Keras refuses it: {first_line(error)}; {WAY_OUT}") from error


def fitting(sides: tuple[int | None, ...], shape: tuple[int, ...], where: str) -> tuple[int, ...]:
    """`shape`, if it agrees with the sides of a model's input that are not open; else raises `ModelError`."""
    if len(shape) != len(sides) or any(side not in (None, mine) for side, mine in zip(sides, shape, strict=True)):
        raise ModelError(f"{where}: takes input of shape {sides}, which {shape} does not fit")
    return shape


def output_difference(model: Any, legacy: Any, *, seed: int = 0) -> float:
    """Largest difference between the outputs of both models on random input, over their largest value (at least 1)."""
    import keras

    batch = _random_batch(legacy, seed)
    with _in_float32(model):
        ours = model(_like(model, [keras.ops.convert_to_tensor(array) for array in batch]), training=False)
    arrays = [keras.ops.convert_to_numpy(part).astype(np.float32) for part in keras.tree.flatten(ours)]
    return _difference(arrays, legacy(_unpack(batch), training=False))


def last_bit_difference(legacy: Any, *, seed: int = 0) -> float:
    """How far the outputs of a legacy model move, measured likewise, when each float input moves by its last bit."""
    batch = _random_batch(legacy, seed)
    signs = np.random.default_rng(seed)
    moved = [
        array * (1 + signs.choice((-1, 1), array.shape) * np.finfo(array.dtype).eps).astype(array.dtype)
        if array.dtype.kind == "f"
        else array
        for array in batch
    ]
    before = _pack(legacy(_unpack(batch), training=False))
    return _difference(before, legacy(_unpack(moved), training=False))


def largest_difference(before: Any, after: Any, *, seed: int = 0) -> float:
    """The same between two legacy models."""
    batch = _unpack(_random_batch(before, seed))
    return _difference(_pack(before(batch, training=False)), after(batch, training=False))


def _difference(ours: list[Any], theirs: Any) -> float:
    worst = 0.0
    for ours_part, theirs_part in zip(ours, _pack(theirs), strict=True):
        a, b = np.asarray(ours_part), np.asarray(theirs_part)
        if a.shape != b.shape:
            return float("inf")
        scale = max(1.0, float(np.abs(a).max(initial=0.0)))
        worst = float(np.maximum(worst, np.abs(a - b).max(initial=0.0) / scale))
    return worst


class _Replay:
    """Runs the graph of a Keras 3 model with legacy layers in the place of its own."""

    def __init__(self, inputs: list[Any]) -> None:
        self._layers: dict[int, Callable[..., Any]] = {}
        self._names = {tensor.node.layer.name for tensor in inputs}

    def run(self, model: Any, inputs: list[Any], prefix: str = "") -> list[Any]:
        import keras

        # Keras's own clone_model stands on it too; there is no public walk.
        outputs: list[Any] = keras.tree.flatten(
            _graph(model)._run_through_graph(inputs, lambda operation: self._legacy(operation, prefix))
        )
        _refuse_operations(outputs)
        return outputs

    def _legacy(self, operation: Any, prefix: str) -> Callable[..., Any]:
        """The legacy counterpart of a layer; a layer that is used twice has one."""
        import keras

        if id(operation) not in self._layers:
            if isinstance(operation, keras.Model):
                made = self._model(operation, prefix)
            elif not isinstance(operation, keras.layers.Layer):
                made = self._operation(operation, prefix)
            else:
                made = self._layer(operation, self._name(prefix + operation.name))
            self._layers[id(operation)] = made
        return self._layers[id(operation)]

    def _name(self, wanted: str) -> str:
        while wanted in self._names:
            wanted += "_"
        self._names.add(wanted)
        return wanted

    def _model(self, model: Any, prefix: str) -> Callable[..., Any]:
        import keras

        def counterpart(*args: Any, **_: Any) -> Any:
            _refuse_operations(args)
            return _unpack(self.run(model, keras.tree.flatten(args[0]), f"{prefix}{model.name}_"))

        return counterpart

    def _operation(self, operation: Any, prefix: str) -> Callable[..., Any]:
        """A name for each use: what is not a layer may be called once alone in legacy Keras."""

        def counterpart(*args: Any, **kwargs: Any) -> Any:
            known = bridge_operations.counterpart(operation, self._name(prefix + operation.name))
            if known is None or _holds_operation(args):
                return _Operation(operation)
            return known(*args, **{key: value for key, value in kwargs.items() if value is not None})

        return counterpart

    def _layer(self, layer: Any, name: str) -> Callable[..., Any]:
        chain = rebuild(layer, name, whole=_whole)

        def counterpart(*args: Any, **kwargs: Any) -> Any:
            _refuse_operations(args)
            # Legacy layers hand masks on by themselves.
            given = {key: value for key, value in kwargs.items() if value is not None and key != "mask"}
            result, arrays = args[0], weights_of(layer)
            try:
                for place, link in enumerate(chain):
                    result = link(*args, **given) if place == 0 else link(result)
                    count = len(link.weights)
                    if count:
                        link.set_weights(arrays[:count])
                        arrays = arrays[count:]
            except (TypeError, ValueError, NotImplementedError, RuntimeError) as error:
                raise unsupported(layer, first_line(error)) from error
            if arrays:
                raise unsupported(layer, f"{len(arrays)} of its weights have no place there")
            return result

        return counterpart


@dataclass(frozen=True)
class _Operation:
    """Stands for what an unknown operation gives: no layer may take it, but the masks that Keras computes pass by."""

    operation: Any


def _holds_operation(values: Sequence[Any]) -> bool:
    return any(
        _holds_operation(value) if isinstance(value, (list, tuple)) else isinstance(value, _Operation)
        for value in values
    )


def _refuse_operations(values: Sequence[Any]) -> None:
    for value in values:
        if isinstance(value, (list, tuple)):
            _refuse_operations(value)
        elif isinstance(value, _Operation):
            raise unsupported(value.operation, "it is an operation that no layer stands for")


def _graph(model: Any) -> Any:
    """The functional graph of a model; a sequential one keeps its own once it is built."""
    import keras

    if isinstance(model, keras.Sequential):
        if not model.built or model._functional is None:
            raise ModelError(
                f"model '{model.name}': is not built: give it an Input layer, so that its shapes are known"
            )
        return model._functional
    if not hasattr(model, "_run_through_graph"):
        raise ModelError(
            f"model '{model.name}': is a {type(model).__name__} with a call() of its own, whose graph cannot be read; "
            "rebuild it as a functional or sequential model, or save it with model.export(FOLDER) and convert that "
            "folder, with any method but qat"
        )
    return model


@contextmanager
def _in_float32(model: Any) -> Iterator[None]:
    """A model that was trained in mixed precision, computing in float32 for as long as this lasts."""
    mixed = [layer for layer in model._flatten_layers() if layer.compute_dtype != layer.variable_dtype]
    policies = [layer.dtype_policy for layer in mixed]
    try:
        for layer in mixed:
            layer.dtype_policy = "float32"
        yield
    finally:
        for layer, policy in zip(mixed, policies, strict=True):
            layer.dtype_policy = policy


def _dtype(name: str) -> str:
    """Of a legacy model's input: TFLite takes float32 and int32."""
    return {"float64": "float32", "float16": "float32", "bfloat16": "float32", "int64": "int32"}.get(name, name)


def _like(model: Any, tensors: list[Any]) -> Any:
    """Tensors in the structure that a model takes them in."""
    import keras

    return keras.tree.pack_sequence_as(_graph(model)._inputs_struct, tensors)


def _vocabularies(legacy: Any) -> list[int]:
    import tf_keras

    return [layer.input_dim for layer in legacy._flatten_layers() if isinstance(layer, tf_keras.layers.Embedding)]


def _random_batch(legacy: Any, seed: int) -> list[npt.NDArray[Any]]:
    """Two samples for each input: numbers of the smallest table where there is one, else 0 to 1."""
    rng = np.random.default_rng(seed)
    vocabulary = min(_vocabularies(legacy), default=0)
    batch = []
    for tensor in legacy.inputs:
        sides = (2, *(_FREE_SIDE if side is None else int(side) for side in tensor.shape[1:]))
        array = rng.integers(0, vocabulary, sides) if vocabulary else rng.uniform(0, 1, sides)
        batch.append(array.astype(tensor.dtype.name))
    return batch


def _tensorflow_error() -> type[Exception]:
    import tensorflow as tf

    error: type[Exception] = tf.errors.OpError
    return error


def _pack(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _unpack(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values
