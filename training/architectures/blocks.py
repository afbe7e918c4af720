"""What several networks are built of."""

from __future__ import annotations

from keras import KerasTensor, layers


def convolution(
    x: KerasTensor,
    filters: int,
    kernel: int,
    *,
    stride: int | tuple[int, int] = 1,
    relu: bool = True,
    name: str,
) -> KerasTensor:
    """Convolution, batch norm and, if asked for, ReLU; the layers are `name`, `name`_norm and `name`_relu."""
    x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x
