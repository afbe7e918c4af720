"""The float network that an int8 file was made from, opened to be scored beside it."""

from __future__ import annotations

from pathlib import Path

import keras

from edge.errors import ModelError


def open_float_model(path: Path, *, takes: tuple[int, ...], gives: tuple[int, ...]) -> keras.Model:
    """Open a .keras file.

    Parameters
    ----------
    takes, gives
        The int8 model's shapes without the batch axis.

    Raises
    ------
    ModelError
        Not a .keras file that can be read, or one with other inputs or outputs than the int8 model's.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such model file")
    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:  # a zip may break in many ways
        raise ModelError(f"{path}: not a readable Keras model: {str(error).partition(chr(10))[0]}") from None
    # A Sequential model saved before it saw an input has neither; others have lists of them.
    found = tuple(tuple(getattr(model, key, ()))[1:] for key in ("input_shape", "output_shape"))
    if found != (takes, gives):
        raise ModelError(f"{path}: takes {found[0]} and gives {found[1]}, the int8 model {takes} and {gives}")
    return model
