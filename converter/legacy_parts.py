"""Layers of Keras 3 that the bridge builds from several layers of legacy Keras."""

from __future__ import annotations

from typing import Any

BUILT_ACTIVATIONS = ("relu6", "hard_sigmoid", "hard_silu")
"""Those of `legacy_activations` that are built from layers, which TFLite makes one operator of."""


def separable(config: dict[str, Any], name: str) -> list[Any]:
    """A separable convolution as the two that it is made of.

    TFLite splits it anyway; TFMOT would too, but names the parts without a look at the model's names, and where one of
    them is taken it never returns.
    """
    from tf_keras import layers

    first = ("kernel_size", "strides", "padding", "data_format", "dilation_rate", "depth_multiplier", "trainable")
    last = ("filters", "data_format", "use_bias", "activation", "bias_regularizer", "trainable")
    depthwise = layers.DepthwiseConv2D(
        **{key: config[key] for key in first if key in config},
        depthwise_regularizer=config.get("depthwise_regularizer"),
        use_bias=False,
        name=f"{name}_depthwise",
    )
    pointwise = layers.Conv2D(
        **{key: config[key] for key in last if key in config},
        kernel_size=1,
        kernel_regularizer=config.get("pointwise_regularizer"),
        name=f"{name}_pointwise",
    )
    return [depthwise, pointwise]


class BuiltActivation:
    """An activation that legacy Keras lacks, from layers that TFLite fuses into one operator.

    It looks like one legacy layer to the bridge: called on a tensor, without weights.
    """

    weights: tuple[()] = ()

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name = kind, name

    def __call__(self, x: Any) -> Any:
        from tf_keras import layers

        if self.kind == "relu6":
            return layers.ReLU(6.0, name=self.name)(x)
        gate = layers.Rescaling(1.0, offset=3.0, name=f"{self.name}_shift")(x)
        gate = layers.ReLU(6.0, name=f"{self.name}_clip")(gate)
        gate = layers.Rescaling(1 / 6, name=f"{self.name}_scale")(gate)
        return gate if self.kind == "hard_sigmoid" else layers.Multiply(name=self.name)([x, gate])
