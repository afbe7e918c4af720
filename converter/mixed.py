"""Mixed quantisation: training with fake quantisation where TFMOT takes a layer, calibration for the rest.

Fake quantisation and calibration go together in one file: where a model with fake quantisation is converted with a
representative data set, TFLite keeps the ranges that were trained and takes the others from the data. Layers that TFMOT
refuses are trained along in float, so that the network that is calibrated is the one that was trained.

Recurrent layers are unrolled first (see `converter.unrolled`), models inside the model and TimeDistributed are
dissolved (see `converter.flat`), so that a CNN in TimeDistributed in front of an LSTM has its CNN trained and its LSTM
calibrated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from converter import export, qat
from converter.flat import flat
from converter.unrolled import has_recurrent, unroll
from edge.errors import ModelError

_FUSED = ("Conv2D", "DepthwiseConv2D", "Dense")
"""What TFMOT takes batch normalisation behind; transposed convolutions are not among them."""


@dataclass(frozen=True)
class Plan:
    """Which layers of a model are trained with fake quantisation, and why the others are not.

    The names are those of the flat model, see `converter.flat`.
    """

    trained: tuple[str, ...]
    calibrated: tuple[tuple[str, str], ...]
    """(name, reason) of the layers whose ranges come from the calibration data."""
    floating: tuple[str, ...] = ()
    """Those that were asked to stay in float."""

    def as_dict(self) -> dict[str, Any]:
        """For the manifest and --json."""
        return {"trained": list(self.trained), "calibrated": dict(self.calibrated), "floating": list(self.floating)}


@dataclass(frozen=True)
class Mixed:
    """What `fine_tune` gives back."""

    content: bytes
    """The .tflite file: int8 throughout, except for layers that were asked to stay in float."""
    plan: Plan
    tuned: qat.FineTuned
    model: Any
    """The flat float tf_keras.Model that training began with."""


def prepared(model: Any) -> Any:
    """A tf_keras.Model as it goes into training: flat, its recurrent layers unrolled; the outputs are equal.

    Raises
    ------
    ModelError
        It cannot be flattened or unrolled; the message names the layer.
    """
    model = flat(model)
    return unroll(model) if has_recurrent(model) else model


def plan(model: Any, *, keep_float: Collection[str] = ()) -> Plan:
    """Sort the layers of a tf_keras.Model by what quantises them.

    Raises
    ------
    ModelError
        A name in `keep_float` is no layer's, or the model cannot be prepared.
    """
    return _plan(prepared(model), keep_float)


def fine_tune(
    model: Any,
    batches: qat.Batches,
    *,
    calibration: npt.NDArray[Any],
    epochs: int,
    learning_rate: float,
    steps_per_epoch: int,
    score: Callable[[Any], float] | None = None,
    loss: Callable[[Any, Any], Any] | None = None,
    input_range: tuple[float, float] | None = None,
    keep_float: Collection[str] = (),
    checkpoint: Path | None = None,
    progress: bool = True,
) -> Mixed:
    """Fine-tune a model with fake quantisation as far as TFMOT takes it, calibrate the rest, and convert it.

    Parameters
    ----------
    model
        tf_keras.Model (see `bridge.to_tf_keras`); it is left as it is.
    calibration
        (n, ...) as the model takes it: what the ranges of the untrained layers come from.
    input_range
        The real numbers that the int8 input is made to hold; None: those of the calibration data.
    keep_float
        Names of layers that stay in float, in training and in the file.

    The others are those of `qat.fine_tune`.

    Raises
    ------
    ModelError
        TFMOT takes no layer of the model, a name in `keep_float` is no layer's, or TFLite cannot hold the model.
    DataError
        The data does not fit the model, or the checkpoint is of another run.
    """
    ready = prepared(model)
    found = _plan(ready, keep_float)
    if not found.trained:
        raise ModelError(
            f"model '{model.name}': TFMOT takes none of its layers, so nothing can be trained quantised; convert with "
            "--method int8, which calibrates instead"
        )
    export.check_input(calibration, ready, input_range)
    low, high = input_range or (float(calibration.min()), float(calibration.max()))
    tuned = qat.fine_tune(
        ready,
        batches,
        epochs=epochs,
        learning_rate=learning_rate,
        steps_per_epoch=steps_per_epoch,
        score=score,
        loss=loss,
        # TFLite's ranges hold zero; fake quantisation would shift one that does not.
        pixel_range=(min(low, 0.0), max(high, 0.0)),
        left=(*(name for name, _ in found.calibrated), *found.floating),
        checkpoint=checkpoint,
        progress=progress,
    )
    content = export.int8_calibrated(
        tuned.model, calibration, pixel_range=input_range, keep_float=tuple(keep_float), progress=progress
    )
    return Mixed(content, found, tuned, ready)


def _plan(model: Any, keep_float: Collection[str]) -> Plan:
    """Of a model that is prepared."""
    import tf_keras

    from converter.scheme import is_reshape

    names = [layer.name for layer in model.layers]
    unknown = sorted(set(keep_float) - set(names))
    if unknown:
        raise ModelError(
            f"model '{model.name}': has no layer {', '.join(map(repr, unknown))} to keep in float; it has: "
            f"{', '.join(names)}"
        )
    trained: list[str] = []
    calibrated: list[tuple[str, str]] = []
    for layer in model.layers:
        if isinstance(layer, tf_keras.layers.InputLayer) or is_reshape(layer) or layer.name in keep_float:
            continue
        why = _refusal(layer, model, set(trained))
        if why:
            calibrated.append((layer.name, why))
        else:
            trained.append(layer.name)
    return Plan(tuple(trained), tuple(calibrated), tuple(name for name in names if name in keep_float))


def _refusal(layer: Any, model: Any, trained: Collection[str]) -> str | None:
    """Why a layer is not trained, given those before it that are."""
    import tf_keras

    from converter.scheme import refusal

    why = refusal(layer)
    if why:
        return why
    if len(layer.inbound_nodes) != 1:
        return "it is used more than once"
    entry = layer.inbound_nodes[0].keras_inputs
    if any(tensor.dtype.is_integer for tensor in entry):
        return "it works on whole numbers"
    before = entry[0].node.layer if len(entry) == 1 else None
    if isinstance(layer, tf_keras.layers.BatchNormalization):
        alone = model._tensor_usage_count[str(id(entry[0]))] == 1
        linear = getattr(before, "activation", None) is tf_keras.activations.linear
        follows = before is not None and type(before).__name__ in _FUSED and before.name in trained
        if not (follows and alone and linear):
            return "batch normalisation that does not stand alone behind a trained convolution"
    if "AveragePooling" in type(layer).__name__ and all(side == 1 for side in entry[0].shape[1:-1]):
        # The layer before would then have two ranges, its own and this one's, and stay in float for that.
        return "it takes the mean of single numbers, which TFLite leaves out"
    users = [node.layer for node in layer.outbound_nodes]
    is_joined = len(users) > 1 and any(isinstance(user, tf_keras.layers.Concatenate) for user in users)
    if "AveragePooling" in type(layer).__name__ and is_joined:
        # It has the range of its input, and in TFLite those that are concatenated have that of the whole.
        return "its range is that of what is concatenated"
    activations = (tf_keras.layers.ReLU, tf_keras.layers.LeakyReLU, tf_keras.layers.Activation)
    if isinstance(layer, activations) and before is not None:
        # On its own it has nothing to train, and TFLite fuses it: x * relu6(x + 3) / 6 is one HARD_SWISH.
        stands_on = isinstance(before, tf_keras.layers.InputLayer) or before.name in trained
        if not stands_on:
            return f"it belongs to '{before.name}', which is not trained"
    return None
