"""Any model that a user brings, as what is converted."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from converter import bridge, environment, flat, keras_files, legacy_graph, saved_model, subject
from converter.subject import Subject
from edge.errors import ModelError

CHECKPOINTS = "affect_edge.checkpoints"
"""Entry-point group of what reads a training run's checkpoint: called with the .npz file or the run's folder, it gives
the keras.Model."""

_KINDS = (
    "a .keras or .h5 file, the folder of a SavedModel (model.export), the folder of a training run or its checkpoint"
)


def load(path: Path, *, input_shape: tuple[int, ...] | None = None) -> Subject:
    """Read a float model and bring it to the form that is converted.

    A Keras model, of Keras 3 or of legacy Keras, becomes a legacy model of plain layers, so that it can be fine-tuned
    and looked into; a softmax at its end is taken off, since the runtime divides logits by a temperature before its
    own. Of any other SavedModel there is only a function, which stays as it is.

    Parameters
    ----------
    path
        A .keras or .h5 file of Keras 3 or of legacy Keras; the folder of a SavedModel; the folder of a training run,
        whose .keras file is taken, else its checkpoint; or such a checkpoint.
    input_shape
        Of one sample, for a model that leaves sides open; what it has closed has to agree.

    Raises
    ------
    ModelError
        No such file, damaged, or a model that cannot be converted; the message names the layer and the way out.
    DataError
        A checkpoint that is damaged or of a network that is built otherwise today.
    """
    environment.prepare()
    if path.is_dir():
        return _folder(path, input_shape)
    if not path.exists():
        raise ModelError(f"{path}: no such model; name {_KINDS}")
    if path.suffix == ".npz":
        return _of_keras(_checkpoint(path), path, input_shape)
    if path.suffix not in (".keras", *keras_files.HDF5):
        hint = "is converted already" if path.suffix == ".tflite" else "is no Keras model"
        raise ModelError(f"{path}: {hint}; name {_KINDS}")
    if keras_files.is_legacy(path):
        return _of_legacy(keras_files.load_legacy(path), path, input_shape)
    return _of_keras(keras_files.load_keras(path), path, input_shape)


def _folder(path: Path, input_shape: tuple[int, ...] | None) -> Subject:
    if (path / saved_model.GRAPH).is_file():
        model = saved_model.legacy_model(path)
        if model is None:
            return saved_model.function_of(path, input_shape=input_shape)
        return _of_legacy(model, path, input_shape)
    files = sorted(path.glob("*.keras"))
    if len(files) > 1:
        raise ModelError(f"{path}: holds {', '.join(each.name for each in files)}; name one of them")
    if files:
        return load(files[0], input_shape=input_shape)
    if any(path.glob("checkpoint*.npz")):
        return _of_keras(_checkpoint(path), path, input_shape)
    raise ModelError(f"{path}: holds no {saved_model.GRAPH}, no .keras file and no checkpoint; name {_KINDS}")


def _checkpoint(path: Path) -> Any:
    for entry in entry_points(group=CHECKPOINTS):
        return entry.load()(path)
    raise ModelError(f"{path}: nothing that reads checkpoints is installed; name the run's .keras file")


def _of_keras(model: Any, path: Path, input_shape: tuple[int, ...] | None) -> Subject:
    return _prepared(bridge.to_tf_keras(model, input_shape=input_shape), path)


def _of_legacy(model: Any, path: Path, input_shape: tuple[int, ...] | None) -> Subject:
    if not getattr(model, "_is_graph_network", False):
        raise ModelError(
            f"{path}: model '{model.name}' has a call() of its own or no Input, so that its graph cannot be read: "
            "rebuild it as a functional or sequential model with an Input, or save it as a SavedModel and convert that "
            "folder, with any method but qat"
        )
    if input_shape is not None and len(model.inputs) == 1:
        bridge.fitting(tuple(model.inputs[0].shape)[1:], input_shape, str(path))
        model = legacy_graph.with_shape(model, input_shape)
    return _prepared(model, path)


def _prepared(legacy: Any, path: Path) -> Subject:
    import tf_keras

    if any(isinstance(layer, (tf_keras.Model, tf_keras.layers.TimeDistributed)) for layer in legacy.layers):
        # TFMOT takes no models and no wrappers inside a model, and TFLite would make loops of some.
        plain = flat.flat(legacy)
        difference = bridge.largest_difference(legacy, plain)
        if not difference <= bridge.TOLERANCE:
            raise ModelError(
                f"{path}: its outputs change by {difference:.2g} of their range where the models and wrappers inside "
                "it are dissolved, as with a mask that goes through TimeDistributed; rebuild it without"
            )
        legacy = plain
    return subject.of_model(legacy_graph.without_softmax(legacy), path=path)
