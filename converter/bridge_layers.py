"""One layer of Keras 3 as layers of legacy Keras that do the same, one after the other."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from converter.legacy_activations import functions
from converter.legacy_parts import BUILT_ACTIVATIONS, BuiltActivation, separable
from edge.errors import ModelError

WAY_OUT = (
    "rebuild the model from stock layers that legacy Keras has too, or save it with model.export(FOLDER) and convert "
    "that folder, with any method but qat"
)

_AUGMENTATION = ("Random", "AugMix", "CutMix", "MixUp")
"""Layers whose names begin so change pictures in training alone."""


def unsupported(operation: Any, why: str) -> ModelError:
    """The error for a layer or operation that the bridge cannot take over."""
    return ModelError(
        f"layer '{operation.name}' ({type(operation).__name__}) cannot go to legacy Keras: {why}; {WAY_OUT}"
    )


def first_line(error: BaseException) -> str:
    """What an error says, without what follows it."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def rebuild(layer: Any, name: str, *, whole: Callable[[Any], Any]) -> list[Any]:
    """The legacy layers that stand for one of Keras 3; none where it does nothing but in training.

    The first takes the layer's arguments, each other what the one before it gives.

    Parameters
    ----------
    name
        Of the first legacy layer; those behind it begin with it.
    whole
        Makes a legacy model of a Keras 3 model that a wrapper (TimeDistributed) holds.

    Raises
    ------
    ModelError
        Legacy Keras has no such layer, or none with these settings.
    """
    import keras
    import tf_keras

    if not type(layer).__module__.startswith("keras."):
        raise unsupported(layer, "it is a class of your own")
    kind = type(layer).__name__
    if kind.startswith(_AUGMENTATION) and kind != "RandomCrop":
        return []
    if isinstance(layer, keras.layers.TimeDistributed):
        inner = layer.layer
        chain = [whole(inner)] if isinstance(inner, keras.Model) else rebuild(inner, name, whole=whole)
        # What is built for an activation works number by number, whatever the axes are.
        return [
            link
            if isinstance(link, BuiltActivation)
            else tf_keras.layers.TimeDistributed(link, name=name if isinstance(inner, keras.Model) else link.name)
            for link in chain
        ]
    cls = getattr(tf_keras.layers, kind, None)
    if cls is None or isinstance(layer, keras.layers.Lambda):
        raise unsupported(layer, "legacy Keras has no such layer")
    if getattr(layer, "quantization_mode", None):
        raise unsupported(layer, f"it is quantised already ({layer.quantization_mode}): convert the float model")
    settings = _settings(layer, cls)
    after = _take_activations(layer, settings, name)
    try:
        if isinstance(layer, keras.layers.Activation) and after:
            return after
        if isinstance(layer, keras.layers.SeparableConv2D):
            return [*separable(settings, name), *after]
        return [cls(**settings, name=name), *after]
    except (TypeError, ValueError) as error:
        raise unsupported(layer, first_line(error)) from error


def weights_of(layer: Any) -> list[npt.NDArray[np.float32]]:
    """A Keras 3 layer's weights in the order that its legacy layers take them in."""
    import keras

    if isinstance(layer, keras.layers.Normalization):  # they are in the settings
        return []
    return [keras.ops.convert_to_numpy(weight).astype(np.float32) for weight in layer.weights]


def _settings(layer: Any, cls: Any) -> dict[str, Any]:
    """What of a layer's configuration the legacy class knows, in its words."""
    import keras

    config = layer.get_config()
    if config.get("data_format") == "channels_first":
        raise unsupported(layer, "its data_format is 'channels_first', which TFLite has not; use 'channels_last'")
    known = set(inspect.signature(cls).parameters) | {"trainable"}
    settings: dict[str, Any] = {
        key: value
        for key, value in config.items()
        # The weights are copied, so how they began does not matter; the type is float32 whatever it was.
        if key in known and key not in ("name", "dtype") and not key.endswith(("_initializer", "_constraint"))
    }
    if isinstance(layer, keras.layers.LeakyReLU):
        settings["alpha"] = config["negative_slope"]
    if isinstance(layer, keras.layers.Normalization) and config["mean"] is None:
        if not layer.built or not hasattr(layer, "adapt_mean"):
            raise unsupported(layer, "it was never adapted")
        # What it computes with: the numbers that were counted are brought there when it is built or loaded.
        shape = tuple(layer.adapt_mean.shape)
        settings["mean"], settings["variance"] = (
            keras.ops.convert_to_numpy(each).reshape(shape).tolist() for each in (layer.mean, layer.variance)
        )
    if isinstance(layer, keras.layers.Rescaling):
        settings |= {key: plain(settings[key]) for key in ("scale", "offset")}
    if isinstance(layer, keras.layers.Bidirectional):
        # The configuration has the layer as it was given, which may differ from the one that it became.
        settings["layer"] = _recurrent(layer.forward_layer)
        settings["backward_layer"] = _recurrent(layer.backward_layer)
    for key in [key for key in settings if key.endswith("_regularizer")]:
        if settings[key] is not None:
            settings[key] = _regularizer(settings[key])
    return settings


def _recurrent(layer: Any) -> Any:
    """One direction of a bidirectional layer."""

    def refuse(model: Any) -> Any:
        raise unsupported(model, "it is a model in place of a recurrent layer")

    (legacy,) = rebuild(layer, layer.name, whole=refuse)
    return legacy


def plain(value: Any) -> Any:
    """A number, or nested lists of numbers where it is an array."""
    return value if isinstance(value, (int, float)) else np.asarray(value, np.float64).tolist()


def _take_activations(layer: Any, settings: dict[str, Any], name: str) -> list[Any]:
    """Set a layer's activations to what legacy Keras understands; what has to follow the layer for that is returned."""
    import tf_keras

    after: list[Any] = []
    for key in ("activation", "recurrent_activation"):
        activation = settings.get(key)
        if isinstance(activation, dict):
            called = activation.get("config") if isinstance(activation.get("config"), str) else activation["class_name"]
            raise unsupported(layer, f"its {key} is '{called}', not a stock one")
        if activation not in functions():
            continue
        if "recurrent_activation" in settings or "return_sequences" in settings:
            settings[key] = functions()[activation]
            continue
        settings[key] = "linear"
        if activation in BUILT_ACTIVATIONS:
            after = [BuiltActivation(activation, f"{name}_{activation}")]
        else:
            after = [tf_keras.layers.Activation(functions()[activation], name=f"{name}_{activation}")]
    return after


def _regularizer(config: dict[str, Any]) -> Any:
    """L1 and L2 survive, for fine-tuning; others are dropped."""
    import tf_keras

    if config.get("class_name") not in ("L1", "L2", "L1L2"):
        return None
    return getattr(tf_keras.regularizers, config["class_name"])(**config["config"])
