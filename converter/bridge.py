"""The bridge from Keras 3 to legacy Keras: the same layers, the same weights, the same outputs.

TFMOT takes only legacy models (tensorflow/model-optimization issues 1119, 1144, 1181). The bridge walks the graph of a
Keras 3 model, rebuilds each layer from the part of its configuration that legacy Keras knows, and copies the weights.
Models inside the model are dissolved into their layers, because TFMOT refuses them. Whether what was dropped mattered
is not guessed: both models are run on random input, and a difference is an error.
"""

from __future__ import annotations

import inspect
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converter import environment
from converter.legacy_parts import BUILT_ACTIVATIONS, BuiltActivation, Separable
from edge.errors import ModelError

TOLERANCE = 1e-5
"""Largest difference between the outputs of both models, relative to their largest value where that is above 1."""

_FREE_SIDE = 32
"""Stands in for a dimension that the model leaves open, when both models are compared."""

_WAY_OUT = "rebuild the model from stock layers that legacy Keras has too"


def load_keras(path: Path) -> Any:
    """Read a Keras 3 model (.keras, or .h5) without its optimizer.

    Raises
    ------
    ModelError
        The file is missing, truncated, or no Keras model, or it needs code that is not at hand.
    """
    environment.prepare()
    import keras

    if path.is_dir():
        raise ModelError(f"{path}: is a folder; save the model as one .keras file with model.save('name.keras')")
    if not path.is_file():
        raise ModelError(f"{path}: no such model file")
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise ModelError(f"{path}: not a .keras file or truncated (its zip directory is missing): save it again")
    try:
        with environment.quiet():
            model = keras.models.load_model(path, compile=False)
    # Keras lets through whatever its readers (zip, HDF5, JSON, user classes) raise.
    except Exception as error:
        raise ModelError(f"{path}: Keras cannot load it: {_first_line(error)}") from error
    if not isinstance(model, keras.Model):
        raise ModelError(f"{path}: holds a {type(model).__name__}, not a model")
    return model


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
    tf_keras.Model with equal outputs (`TOLERANCE`), float32.

    Raises
    ------
    ModelError
        A layer is not supported, or the outputs differ; the message names the layer and the way out.
    """
    environment.prepare()
    import tf_keras

    inputs = []
    entries = _graph(model).inputs
    for tensor in entries:
        name = tensor.name.split(":")[0].split("/")[0]
        shape = _closed(tuple(tensor.shape[1:]), input_shape, model.name) if len(entries) == 1 else tensor.shape[1:]
        inputs.append(tf_keras.Input(shape=shape, dtype=tensor.dtype, name=name))
    outputs = _Replay(inputs).run(model, inputs)
    # One tensor stays one tensor: a list of one would come back from each call.
    legacy = tf_keras.Model(_unpack(inputs), _unpack(outputs), name=model.name)
    difference = output_difference(model, legacy)
    if not difference <= TOLERANCE:
        raise ModelError(
            f"model '{model.name}': the bridge to legacy Keras changes its outputs by {difference:.2g} of their "
            f"range: a layer means something else there; {_WAY_OUT}"
        )
    return legacy


def without_softmax(legacy: Any) -> Any:
    """The same legacy model giving logits, if it ends in a softmax; else the model itself.

    The runtime divides logits by a temperature before its softmax, and int8 holds logits better than probabilities.
    """
    import tf_keras

    last = legacy.layers[-1]
    if isinstance(last, tf_keras.layers.Softmax) or (
        isinstance(last, tf_keras.layers.Activation) and last.activation is tf_keras.activations.softmax
    ):
        return tf_keras.Model(legacy.inputs, last.input, name=legacy.name)
    if getattr(last, "activation", None) is tf_keras.activations.softmax:

        def linear_end(layer: Any) -> Any:
            config = layer.get_config()
            if layer.name == last.name:
                config["activation"] = "linear"
            return type(layer).from_config(config)

        logits = tf_keras.models.clone_model(legacy, clone_function=linear_end)
        logits.set_weights(legacy.get_weights())
        return logits
    return legacy


def output_difference(model: Any, legacy: Any, *, seed: int = 0) -> float:
    """Largest difference between the outputs of both models on random input, over their largest value (at least 1)."""
    import keras
    import tf_keras

    rng = np.random.default_rng(seed)
    vocabularies = [layer.input_dim for layer in legacy.layers if isinstance(layer, tf_keras.layers.Embedding)]
    batch = [_random(rng, tensor.shape, tensor.dtype.name, min(vocabularies, default=0)) for tensor in legacy.inputs]
    expected = _unpack([keras.ops.convert_to_tensor(array) for array in batch])
    ours = model(expected, training=False)
    theirs = legacy(_unpack(batch), training=False)
    worst = 0.0
    for ours_part, theirs_part in zip(_pack(ours), _pack(theirs), strict=True):
        a, b = keras.ops.convert_to_numpy(ours_part), np.asarray(theirs_part)
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
        graph = _graph(model)
        # Keras's own clone_model stands on it too; there is no public walk.
        outputs = _pack(graph._run_through_graph(inputs, lambda operation: self._legacy(operation, prefix)))
        _refuse_operations(outputs)
        return outputs

    def _legacy(self, operation: Any, prefix: str) -> Callable[..., Any]:
        """The legacy counterpart of a layer; a layer that is used twice has one."""
        import keras

        if id(operation) in self._layers:
            return self._layers[id(operation)]
        if isinstance(operation, keras.Model):
            inner = f"{prefix}{operation.name}_"

            def counterpart(*args: Any, **_: Any) -> Any:
                return _unpack(self.run(operation, _pack(args[0]), inner))

        elif not isinstance(operation, keras.layers.Layer):

            def counterpart(*_: Any, **__: Any) -> Any:
                return _Operation(operation)

        else:
            name = prefix + operation.name
            while name in self._names:
                name += "_"
            self._names.add(name)
            chain = _rebuild(operation, name)

            def counterpart(*args: Any, **kwargs: Any) -> Any:
                _refuse_operations(args)
                # Legacy layers hand masks on by themselves.
                given = {key: value for key, value in kwargs.items() if value is not None and key != "mask"}
                try:
                    result = chain[0](*args, **given)
                    arrays = [keras.ops.convert_to_numpy(weight).astype(np.float32) for weight in operation.weights]
                    if arrays or chain[0].weights:
                        chain[0].set_weights(arrays)
                    for link in chain[1:]:
                        result = link(result)
                except (TypeError, ValueError, NotImplementedError, RuntimeError) as error:
                    raise _unsupported(operation, _first_line(error)) from error
                return result

        self._layers[id(operation)] = counterpart
        return counterpart


@dataclass(frozen=True)
class _Operation:
    """Stands for the result of a bare operation: no layer may take it, but the masks that Keras computes pass by."""

    operation: Any


def _refuse_operations(values: Sequence[Any]) -> None:
    for value in values:
        if isinstance(value, (list, tuple)):
            _refuse_operations(value)
        elif isinstance(value, _Operation):
            raise _unsupported(
                value.operation, "it is an operation, not a layer; use the layer of that name, such as layers.Add"
            )


def _rebuild(layer: Any, name: str) -> list[Any]:
    """The legacy layer, and after it what its activation needs."""
    import keras
    import tf_keras

    if not type(layer).__module__.startswith("keras."):
        raise _unsupported(layer, "it is a class of your own")
    cls = getattr(tf_keras.layers, type(layer).__name__, None)
    if cls is None or isinstance(layer, keras.layers.Lambda):
        raise _unsupported(layer, "legacy Keras has no such layer")
    config = layer.get_config()
    known = set(inspect.signature(cls).parameters) | {"trainable"}
    kept: dict[str, Any] = {
        key: value
        for key, value in config.items()
        # The weights are copied, so how they began does not matter; the type is float32 whatever it was.
        if key in known and key not in ("name", "dtype") and not key.endswith(("_initializer", "_constraint"))
    }
    if isinstance(layer, keras.layers.LeakyReLU):
        kept["alpha"] = config["negative_slope"]
    for key in ("layer", "forward_layer", "backward_layer"):  # TimeDistributed, Bidirectional
        if key in kept and kept[key] is not None:
            inner = getattr(layer, "forward_layer" if hasattr(layer, "forward_layer") and key == "layer" else key)
            chain = _rebuild(inner, inner.name)
            if len(chain) > 1:
                raise _unsupported(inner, "its activation has to be a layer of its own")
            kept[key] = chain[0]
    for key in [key for key in kept if key.endswith("_regularizer")]:
        if kept[key] is not None:
            kept[key] = _regularizer(kept[key])
    after: list[Any] = []
    for key in ("activation", "recurrent_activation"):
        activation = kept.get(key)
        if activation in BUILT_ACTIVATIONS:
            if key == "recurrent_activation" or "recurrent_activation" in kept:
                raise _unsupported(layer, f"its {key} '{activation}' differs in legacy Keras; use 'sigmoid'")
            built = BuiltActivation(BUILT_ACTIVATIONS[activation], f"{name}_{activation}")
            if isinstance(layer, keras.layers.Activation):
                return [built]
            kept[key], after = "linear", [built]
        elif isinstance(activation, dict):
            raise _unsupported(layer, f"its activation is {activation.get('class_name', activation)}, not a stock one")
    try:
        first = Separable(kept, name) if cls is tf_keras.layers.SeparableConv2D else cls(**kept, name=name)
        return [first, *after]
    except (TypeError, ValueError) as error:
        raise _unsupported(layer, _first_line(error)) from error


def _regularizer(config: dict[str, Any]) -> Any:
    """L1 and L2 survive, for fine-tuning; others are dropped."""
    import tf_keras

    if config.get("class_name") not in ("L1", "L2", "L1L2"):
        return None
    return getattr(tf_keras.regularizers, config["class_name"])(**config["config"])


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
            "rebuild it as a functional or sequential model"
        )
    return model


def _closed(sides: tuple[int | None, ...], shape: tuple[int, ...] | None, name: str) -> tuple[int | None, ...]:
    """The sides of a model's input, the open ones as they are asked for."""
    if shape is None:
        return sides
    if len(shape) != len(sides) or any(side not in (None, mine) for side, mine in zip(sides, shape, strict=True)):
        raise ModelError(f"model '{name}': takes input of shape {sides}, which {shape} does not fit")
    return shape


def _unsupported(operation: Any, why: str) -> ModelError:
    return ModelError(
        f"layer '{operation.name}' ({type(operation).__name__}) cannot go to legacy Keras: {why}; {_WAY_OUT}"
    )


def _random(rng: np.random.Generator, shape: Any, dtype: str, vocabulary: int) -> npt.NDArray[Any]:
    sides = (2, *(_FREE_SIDE if side is None else int(side) for side in shape[1:]))
    if vocabulary:
        return rng.integers(0, vocabulary, sides).astype(dtype)
    return rng.uniform(0, 1, sides).astype(dtype)


def _pack(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _unpack(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
