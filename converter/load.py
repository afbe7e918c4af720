"""Any model that a user brings, as what is converted."""

from __future__ import annotations

from pathlib import Path

from converter import bridge, keras_files, legacy_graph, subject
from converter.subject import Subject


def load(path: Path, *, input_shape: tuple[int, ...] | None = None) -> Subject:
    """Read a float model and bring it to the form that is converted.

    A softmax at its end is taken off, since the runtime divides logits by a temperature before its own.

    Parameters
    ----------
    path
        A .keras file.
    input_shape
        Of one sample, for a model that leaves sides open.

    Raises
    ------
    ModelError
        No such file, damaged, or a model that cannot be converted; the message names the layer and the way out.
    """
    legacy = bridge.to_tf_keras(keras_files.load_keras(path), input_shape=input_shape)
    return subject.of_model(legacy_graph.without_softmax(legacy), path=path)
