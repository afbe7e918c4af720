"""Selective quantisation: an int8 file in which the layers that are named stay in float.

TFLite's quantiser takes a list of operators to leave alone ("denylist"), by the names of their output tensors in the
calibrated file; that file is made first, and the operators of the named layers are looked up in it. Calibration runs
once, however many choices are tried.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from converter import environment
from converter.layer_names import CONVERSIONS, Operator, interpreter, operators
from edge.errors import ModelError


@dataclass(frozen=True)
class Calibrated:
    """A float model whose tensors carry their ranges: what the quantiser works on."""

    content: bytes
    operators: tuple[Operator, ...]
    """Those that compute something."""
    where: str
    """How messages call the model."""
    input_type: Any
    """Of the int8 file, as tf.DType."""
    output_type: Any

    @property
    def layers(self) -> tuple[str, ...]:
        """Names that `quantised` takes, in the order in which they run."""
        return tuple(dict.fromkeys(layer for operator in self.operators for layer in operator.layers))

    @property
    def groups(self) -> dict[str, list[Operator]]:
        """The operators by the first layer that they compute, in the order in which they run."""
        found: dict[str, list[Operator]] = {}
        for operator in self.operators:
            found.setdefault(operator.layers[0], []).append(operator)
        return found

    def quantised(self, keep_float: Collection[str] = ()) -> bytes:
        """The int8 .tflite file with these layers in float; its input and output are int8 all the same.

        A layer that TFLite fuses with its neighbours (convolution, normalisation, activation) takes them along.

        Raises
        ------
        ModelError
            A name is no layer's, the layer computes nothing that could be kept, or the quantiser fails.
        """
        unknown = sorted(set(keep_float) - set(self.layers))
        if unknown:
            raise ModelError(
                f"{self.where}: no operator belongs to {', '.join(map(repr, unknown))}, which was to stay in float; "
                f"there are: {', '.join(self.layers)}"
            )
        kept = [operator for operator in self.operators if set(operator.layers) & set(keep_float)]
        return self._quantised(kept, self.input_type, self.output_type)

    def alone(self, group: str) -> bytes:
        """A .tflite file in which this one of the `groups` is int8 and all else is float, input and output too."""
        import tensorflow as tf

        kept = [operator for name, operators in self.groups.items() if name != group for operator in operators]
        return self._quantised(kept, tf.float32, tf.float32)

    def _quantised(self, kept: Sequence[Operator], input_type: Any, output_type: Any) -> bytes:
        from tensorflow.lite.python.convert import ConverterError, mlir_quantize

        try:
            with environment.quiet():
                return bytes(
                    mlir_quantize(
                        self.content,
                        input_data_type=input_type,
                        output_data_type=output_type,
                        denylisted_nodes=[operator.name for operator in kept] or None,
                    )
                )
        except (ConverterError, RuntimeError, ValueError) as error:
            line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
            raise ModelError(f"{self.where}: TFLite cannot quantise it: {line}") from error


def calibrate(converter: Any, layers: Sequence[str], where: str) -> Calibrated:
    """Run a converter's calibration.

    Parameters
    ----------
    converter
        tf.lite.TFLiteConverter, set up for int8 with its representative data set.
    layers
        Names of the model's layers, in its order; empty where only a function is known.
    where
        How messages call the model.

    Raises
    ------
    ModelError
        TFLite cannot hold the model.
    """
    from tensorflow.lite.python.convert import ConverterError

    converter._experimental_calibrate_only = True
    try:
        with environment.quiet():
            content = bytes(converter.convert())
    except (ConverterError, RuntimeError, ValueError) as error:
        line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        raise ModelError(f"{where}: TFLite cannot hold it: {line}") from error
    found = operators(interpreter(content, where), layers)
    return Calibrated(
        content=content,
        operators=tuple(operator for operator in found if operator.kind not in CONVERSIONS),
        where=where,
        input_type=converter.inference_input_type,
        output_type=converter.inference_output_type,
    )
