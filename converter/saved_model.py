"""SavedModel folders: of legacy Keras with its layers; of whatever else wrote them, as a function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from converter import environment, subject
from converter.bridge import fitting
from converter.bridge_layers import first_line
from converter.subject import Subject
from edge.errors import ModelError

GRAPH = "saved_model.pb"
"""The file that makes a folder a SavedModel."""

_LEGACY = "keras_metadata.pb"
"""Legacy Keras alone writes it, with the layers' configurations."""

_SIGNATURES = ("serving_default", "serve")

_TAKEN = {"int64": "int32", "float64": "float32", "float16": "float32", "bfloat16": "float32"}
"""Input types that no .tflite file of ours has, and what is taken in their place."""


def legacy_model(path: Path) -> Any | None:
    """The tf_keras.Model that a SavedModel holds, if legacy Keras wrote it of layers that can be read; else None."""
    environment.prepare()
    import tf_keras

    if not (path / _LEGACY).is_file():
        return None
    try:
        with environment.quiet():
            model = tf_keras.models.load_model(path, compile=False)
    except Exception:  # layers of one's own in many ways; its function is there still
        return None
    return model if getattr(model, "_is_graph_network", False) else None


def function_of(path: Path, *, input_shape: tuple[int, ...] | None = None) -> Subject:
    """A SavedModel as a function of one sample.

    Parameters
    ----------
    path
        Its folder.
    input_shape
        Of one sample, for a signature that leaves sides open.

    Raises
    ------
    ModelError
        It is damaged, has no signature or several, several inputs or outputs, or does not run.
    """
    environment.prepare()
    import tensorflow as tf

    try:
        with environment.quiet():
            loaded = tf.saved_model.load(str(path))
    except Exception as error:  # its readers (protobuf, the bundle of weights, the graph) raise many kinds
        raise ModelError(
            f"{path}: TensorFlow cannot load this SavedModel: {first_line(error)}; save it again"
        ) from error
    signature = _signature(path, dict(getattr(loaded, "signatures", {})))
    (name, spec), *others = signature.structured_input_signature[1].items()
    if others:
        raise ModelError(
            f"{path}: has {len(others) + 1} inputs and {len(signature.structured_outputs)} outputs; one of each is "
            "supported: split it into models of one input and one output"
        )
    if spec.shape.rank is None:
        raise ModelError(f"{path}: its input '{name}' has no shape; export it with an input of a known shape")
    sides = tuple(spec.shape)[1:]
    if input_shape is not None:
        sides = fitting(sides, input_shape, str(path))
    dtype = tf.dtypes.as_dtype(_TAKEN.get(spec.dtype.name, spec.dtype.name))
    shapes: dict[str, Any] = {}
    if None not in sides:
        # TensorFlow does not know the sides of what a loaded function gives until it has run.
        try:
            answers = signature(**{name: tf.zeros((1, *sides), spec.dtype)})
        except Exception as error:
            raise ModelError(f"{path}: does not run on a sample of shape {sides}: {first_line(error)}") from error
        shapes = {key: answer.shape for key, answer in answers.items()}

    def call(x: Any) -> Any:
        found = signature(**{name: tf.cast(x, spec.dtype)})
        return {key: tf.ensure_shape(value, shapes.get(key, value.shape)) for key, value in found.items()}

    function = tf.function(call).get_concrete_function(tf.TensorSpec((1, *sides), dtype, name="input"))
    return subject.of_function(function, name=path.resolve().name, path=path, keep=(loaded,))


def _signature(path: Path, signatures: dict[str, Any]) -> Any:
    for name in _SIGNATURES:
        if name in signatures:
            return signatures[name]
    if len(signatures) == 1:
        return next(iter(signatures.values()))
    raise ModelError(
        f"{path}: has {f'the signatures {sorted(signatures)}' if signatures else 'no signature'}, where one named "
        f"'{_SIGNATURES[0]}' is needed: save it with tf.saved_model.save(model, FOLDER, signatures=...) or with "
        "model.export(FOLDER)"
    )
