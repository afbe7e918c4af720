"""The face detector: a single-shot network for grey pictures, fully convolutional, three scales, five landmarks.

One cell answers for one place and one scale, after FCOS (Tian et al. 2019) and YuNet (Wu et al. 2023): no anchors of
several shapes, since faces are nearly square. Early on, plain 3x3 convolutions work on few pixels (the first one takes
half the resolution away at once); later, where kernels are large and maps small, depthwise separable ones (MobileNet,
Howard et al. 2017) keep the file small. The coarse maps flow back into the finer ones (FPN, Lin et al. 2017), because a
small face is told from a doll's or a pattern by what is around it.
"""

from __future__ import annotations

import keras
from keras import KerasTensor, layers

from edge.features.cells import VALUES
from training.architectures.blocks import convolution

FACE_PRIOR = -4.0
"""The face logit's bias at the start: most cells show no face (Lin et al. 2017, "Focal Loss", section 3.3)."""


def build_face_detector(
    *, height: int, width: int, channels: tuple[int, int, int, int] = (24, 48, 96, 128), head: int = 48
) -> keras.Model:
    """Build the network, untrained.

    Parameters
    ----------
    height, width
        Of the input in pixels, multiples of 32. The weights fit any size.
    channels
        At 1/4, 1/8, 1/16 and 1/32 of the resolution.
    head
        Channels of the maps from which faces are read.

    Returns
    -------
    keras.Model
        (n, height, width, 1) float32 from 0 to 1 -> (n, cells, 15) float32, the cells of stride 8 first, then 16 and
        32, each map row by row; the numbers of a cell are those of `edge.features.cells`.
    """
    quarter, eighth, sixteenth, thirtysecond = channels
    inputs = keras.Input((height, width, 1), name="frame")
    x = _fold(inputs, height, width)
    x = convolution(x, quarter, 3, stride=2, name="quarter")
    x = _residual(x, quarter, name="quarter_block")
    x = convolution(x, eighth, 3, stride=2, name="eighth")
    x = _residual(x, eighth, name="eighth_block1")
    x = fine = _separable_residual(x, eighth, name="eighth_block2")
    x = _separable(x, sixteenth, stride=2, name="sixteenth")
    for block in (1, 2, 3):
        x = _separable_residual(x, sixteenth, name=f"sixteenth_block{block}")
    middle = x
    x = _separable(x, thirtysecond, stride=2, name="thirtysecond")
    for block in (1, 2):
        x = _separable_residual(x, thirtysecond, name=f"thirtysecond_block{block}")
    coarse = convolution(x, head, 1, name="coarse")
    middle = _merge(middle, coarse, head, name="middle")
    fine = _merge(fine, middle, head, name="fine")
    answers = [
        _head(level, head, name=name) for level, name in ((fine, "head8"), (middle, "head16"), (coarse, "head32"))
    ]
    return keras.Model(inputs, layers.Concatenate(axis=1, name="cells")(answers), name="face_detector")


def _fold(x: KerasTensor, height: int, width: int) -> KerasTensor:
    """Each 2x2 pixels become the four channels of one place.

    A first convolution on a single channel leaves most lanes of an int8 kernel empty: on an AVX2 CPU it took 28 % of
    the network's time for 2 % of its multiplications. On four channels it takes a third of that.
    """
    x = layers.Reshape((height // 2, 2, width // 2, 2), name="fold_split")(x)
    x = layers.Permute((1, 3, 2, 4), name="fold_order")(x)
    return layers.Reshape((height // 2, width // 2, 4), name="fold_join")(x)


def _residual(x: KerasTensor, filters: int, *, name: str) -> KerasTensor:
    y = convolution(x, filters, 3, relu=False, name=name)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))


def _separable(x: KerasTensor, filters: int, *, stride: int = 1, relu: bool = True, name: str) -> KerasTensor:
    """A 5x5 filter for each channel, then a 1x1 convolution across them."""
    x = layers.DepthwiseConv2D(5, stride, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    x = layers.BatchNormalization(name=f"{name}_depthwise_norm")(x)
    x = layers.ReLU(name=f"{name}_depthwise_relu")(x)
    return convolution(x, filters, 1, relu=relu, name=name)


def _separable_residual(x: KerasTensor, filters: int, *, name: str) -> KerasTensor:
    y = _separable(x, filters, relu=False, name=name)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))


def _merge(fine: KerasTensor, coarse: KerasTensor, filters: int, *, name: str) -> KerasTensor:
    """The finer map, with the coarser one laid over it."""
    x = convolution(fine, filters, 1, relu=False, name=f"{name}_lateral")
    y = layers.UpSampling2D(2, interpolation="nearest", name=f"{name}_up")(coarse)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))


def _head(x: KerasTensor, filters: int, *, name: str) -> KerasTensor:
    x = _separable(x, filters, name=name)
    # Layer by layer, since an initializer of our own would not travel in a .keras file.
    face = layers.Conv2D(1, 1, bias_initializer=keras.initializers.Constant(FACE_PRIOR), name=f"{name}_face")(x)
    place = layers.Conv2D(VALUES - 1, 1, name=f"{name}_place")(x)
    x = layers.Concatenate(axis=-1, name=f"{name}_out")([face, place])
    return layers.Reshape((-1, VALUES), name=f"{name}_cells")(x)
