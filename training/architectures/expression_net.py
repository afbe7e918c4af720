"""The expression network: a MobileNet for 48x48 grey faces.

After MobileNetV2's inverted residuals (Sandler et al. 2018) and the fused ones of EfficientNetV2 (Tan and Le 2021):
where the picture is large and the channels few, a plain 3x3 convolution expands (depthwise ones are bound by memory
there, in training and on the device); where it is small, depthwise 5x5 and 3x3 ones do. The first convolution keeps all
48x48 pixels, since a mouth's corner is a pixel or two wide. Everything is convolution, batch norm, ReLU and addition,
which integer kernels and quantization-aware training handle best.
"""

from __future__ import annotations

import keras
from keras import KerasTensor, layers

from edge.features.face import FACE_SIZE
from training.architectures.blocks import convolution


def build_expression_net(*, classes: int = 7, width: float = 1.0, dropout: float = 0.3) -> keras.Model:
    """Build the network, untrained.

    Parameters
    ----------
    classes
        Number of labels.
    width
        Factor on the number of channels.
    dropout
        Rate before the last layer.

    Returns
    -------
    keras.Model
        (n, 48, 48, 1) float32 from 0 to 1 -> (n, classes) logits.
    """

    def channels(count: int) -> int:
        return max(8, round(count * width / 8) * 8)

    inputs = keras.Input((FACE_SIZE, FACE_SIZE, 1), name="face")
    x = convolution(inputs, channels(16), 3, name="stem")
    x = _fused(x, channels(48), channels(32), stride=2, name="fused1")
    x = _fused(x, channels(48), channels(32), name="fused2")
    x = _fused(x, channels(96), channels(64), stride=2, name="fused3")
    x = _fused(x, channels(96), channels(64), name="fused4")
    x = _inverted(x, channels(256), channels(96), kernel=5, stride=2, name="inverted1")
    x = _inverted(x, channels(288), channels(96), kernel=3, name="inverted2")
    x = _inverted(x, channels(288), channels(96), kernel=5, name="inverted3")
    x = _inverted(x, channels(384), channels(128), kernel=3, name="inverted4")
    x = _inverted(x, channels(384), channels(128), kernel=5, name="inverted5")
    x = convolution(x, channels(384), 1, name="head")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="expression_net")


def _fused(x: KerasTensor, expanded: int, filters: int, *, stride: int = 1, name: str) -> KerasTensor:
    """Expand with a plain 3x3 convolution, project with a 1x1 one."""
    y = convolution(x, expanded, 3, stride=stride, name=f"{name}_expand")
    y = convolution(y, filters, 1, relu=False, name=f"{name}_project")
    return _residual(x, y, name)


def _inverted(x: KerasTensor, expanded: int, filters: int, *, kernel: int, stride: int = 1, name: str) -> KerasTensor:
    """Expand with a 1x1 convolution, filter each channel by itself, project with a 1x1 one."""
    y = convolution(x, expanded, 1, name=f"{name}_expand")
    y = layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise")(y)
    y = layers.BatchNormalization(name=f"{name}_depthwise_norm")(y)
    y = layers.ReLU(name=f"{name}_depthwise_relu")(y)
    y = convolution(y, filters, 1, relu=False, name=f"{name}_project")
    return _residual(x, y, name)


def _residual(x: KerasTensor, y: KerasTensor, name: str) -> KerasTensor:
    return layers.Add(name=f"{name}_add")([x, y]) if x.shape == y.shape else y
