"""What is converted: a float model with one input and one output, wherever it came from.

A legacy Keras model can be fine-tuned with fake quantisation and looked into layer by layer; a SavedModel that is only
a function cannot, but everything that calibrates takes it as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from converter import environment
from edge.errors import ModelError

FloatArray = npt.NDArray[np.float32]

_PREDICT_BATCH = 64


@dataclass(frozen=True)
class Subject:
    """A float model that is to be converted. Made by `of_model` and `of_function`."""

    name: str
    path: Path | None
    """The file it was read from, for messages."""
    model: Any | None
    """tf_keras.Model; None where only the function is known."""
    function: Any
    """tf.ConcreteFunction that takes one tensor, (1, *shape), and gives one."""
    shape: tuple[int, ...]
    """Of one sample, without the batch axis."""
    dtype: np.dtype[Any]
    """float32, or int32 for numbers that are looked up in a table."""
    output_shape: tuple[int, ...]
    """Of one sample's answer, without the batch axis."""
    keep: tuple[Any, ...] = field(default=(), repr=False)
    """What holds the function's variables."""

    @property
    def where(self) -> str:
        """How messages call it: its file, else its name."""
        return str(self.path) if self.path else f"model '{self.name}'"

    def predict(self, x: npt.NDArray[Any], *, progress: bool = False) -> FloatArray:
        """Answers to samples, (n, *shape) -> (n, *output_shape) float32."""
        if self.model is not None:
            rows = [
                np.asarray(self.model.predict_on_batch(x[begin : begin + _PREDICT_BATCH]), np.float32)
                for begin in tqdm(
                    range(0, len(x), _PREDICT_BATCH),
                    desc="float model",
                    unit="batch",
                    disable=None if progress else True,
                )
            ]
        else:
            import tensorflow as tf

            rows = [
                np.asarray(_single(self.function(tf.constant(sample[None], self.dtype))), np.float32)
                for sample in tqdm(x, desc="float model", unit="sample", disable=None if progress else True)
            ]
        return np.concatenate(rows)


def of_model(model: Any, *, path: Path | None = None) -> Subject:
    """A tf_keras.Model, float, as it comes from `bridge.to_tf_keras`.

    Raises
    ------
    ModelError
        It has several inputs or outputs, or a side that is left open.
    """
    environment.prepare()
    import tensorflow as tf

    where = str(path) if path else f"model '{model.name}'"
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"{where}: has {len(model.inputs)} inputs and {len(model.outputs)} outputs; one of each is supported: "
            "split it into models of one input and one output"
        )
    entry = model.inputs[0]
    shape = _closed(entry.shape[1:], where)
    spec = tf.TensorSpec((1, *shape), entry.dtype, name="input")
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
    return _subject(model.name, path, model, function, (model,))


def of_function(function: Any, *, name: str, path: Path | None = None, keep: tuple[Any, ...] = ()) -> Subject:
    """A concrete function with one input, whose batch axis is 1, and one output.

    Raises
    ------
    ModelError
        It is otherwise.
    """
    return _subject(name, path, None, function, keep)


def _subject(name: str, path: Path | None, model: Any | None, function: Any, keep: tuple[Any, ...]) -> Subject:
    where = str(path) if path else f"model '{name}'"
    # Behind them stand the variables and constants that it captured.
    inputs = function.inputs[: len(function.inputs) - len(function.captured_inputs)]
    outputs = list(function.outputs)
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(
            f"{where}: has {len(inputs)} inputs and {len(outputs)} outputs; one of each is supported: split it into "
            "models of one input and one output"
        )
    dtype = np.dtype(inputs[0].dtype.as_numpy_dtype)
    if dtype not in (np.dtype(np.float32), np.dtype(np.int32)):
        raise ModelError(f"{where}: takes {dtype}; float32, or int32 for numbers of a table, is supported")
    return Subject(
        name=name,
        path=path,
        model=model,
        function=function,
        shape=_closed(inputs[0].shape[1:], where),
        dtype=dtype,
        output_shape=_closed(outputs[0].shape[1:], where),
        keep=keep,
    )


def _closed(sides: Any, where: str) -> tuple[int, ...]:
    shape = tuple(sides)
    if None in shape:
        raise ModelError(
            f"{where}: its shape {shape} leaves a side open, and int8 needs fixed ones: name them with --input-shape, "
            "or build the model with them"
        )
    return tuple(int(side) for side in shape)


def _single(answer: Any) -> Any:
    if isinstance(answer, dict):
        (answer,) = answer.values()
    elif isinstance(answer, (list, tuple)):
        (answer,) = answer
    return answer
