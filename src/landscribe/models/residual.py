"""A residual network small enough to learn from scratch on two CPU cores.

1.2 million weights; no pooling and no head, so that every backbone has the same head. Only built-in Keras layers:
a saved `.keras` file reloads without this package.

The blocks are those of He et al., "Deep Residual Learning for Image Recognition", arXiv:1512.03385, with the pooled
shortcut of He et al., "Bag of Tricks for Image Classification", arXiv:1812.01187 (a strided 1x1 convolution would
drop three of four pixels), and with the last scale of a block starting at zero, after Goyal et al., arXiv:1706.02677:
a block is the identity at first, which lets the learning rate be high from the beginning.
"""

from landscribe.pipeline.backend import keras

layers = keras.layers

# Two overlapping reductions by 2. One 7x7 convolution with stride 4 saves a fifth of a step but learns more slowly: on
# UC Merced at 128 pixels it reached a validation macro AP of 0.83 after 15 epochs against 0.86, 0.87 against 0.91
# after 30 (one seed). A second 3x3 convolution instead of the pooling costs a tenth more.
STEM_CHANNELS = 32
STEM_KERNEL_PX = 3
# One block per stage. A stage halves the side and doubles the width, so every convolution costs about the same; at
# 128 pixels the blocks see 32, 16, 8 and 4 pixels. A training step of 32 patches takes about 105 ms on two cores, at
# 120 x 120 x 12 as at 128 x 128 x 3; two blocks per stage nearly double it.
STAGE_CHANNELS = (32, 64, 128, 256)

# The Keras default, 0.99, needs about 500 steps to forget the initial statistics: a 10-epoch run on 1,000 patches
# would be scored with statistics of a network that no longer exists. 0.9 needs about 50.
NORM_MOMENTUM = 0.9
NORM_EPSILON = 1e-5


def build_small_resnet(inputs: keras.KerasTensor) -> list[keras.KerasTensor]:
    """Connect the network to a feature tensor.

    Args:
        inputs: float32 [batch, row, column, band], normalised; any number of bands, sides of at least 32 pixels.

    Returns:
        Feature map of each stage, the last first: float32 [batch, row / 32, column / 32, 256], sides rounded up, then
        twice the side and half the channels each.
    """
    features = _convolve(inputs, STEM_CHANNELS, STEM_KERNEL_PX, 2, "resnet_stem")
    features = layers.ReLU(name="resnet_stem_relu")(features)
    features = layers.MaxPooling2D(3, strides=2, padding="same", name="resnet_stem_pool")(features)
    maps: list[keras.KerasTensor] = []
    for stage, channels in enumerate(STAGE_CHANNELS, start=1):
        features = _build_block(features, channels, stride=1 if stage == 1 else 2, name=f"resnet_stage{stage}")
        maps.insert(0, features)
    return maps


def _build_block(features: keras.KerasTensor, channels: int, stride: int, name: str) -> keras.KerasTensor:
    """Two 3x3 convolutions and a shortcut: [batch, row, column, *] -> [batch, row / stride, column / stride, channels].

    An odd side is rounded up on both branches, as 15 to 8 on a 120-pixel patch.
    """
    residual = _convolve(features, channels, 3, stride, f"{name}_first")
    residual = layers.ReLU(name=f"{name}_first_relu")(residual)
    residual = _convolve(residual, channels, 3, 1, f"{name}_second", scale_initializer="zeros")
    shortcut = features
    if stride > 1:
        shortcut = layers.AveragePooling2D(stride, padding="same", name=f"{name}_shortcut_pool")(shortcut)
    if features.shape[-1] != channels:
        shortcut = _convolve(shortcut, channels, 1, 1, f"{name}_shortcut")
    joined = layers.Add(name=f"{name}_add")([shortcut, residual])
    return layers.ReLU(name=f"{name}_relu")(joined)


def _convolve(
    features: keras.KerasTensor, channels: int, kernel_px: int, stride: int, name: str, scale_initializer: str = "ones"
) -> keras.KerasTensor:
    """Convolution and batch normalisation; the convolution has no bias, the normalisation would subtract it."""
    convolved = layers.Conv2D(
        channels,
        kernel_px,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(features)
    return layers.BatchNormalization(
        momentum=NORM_MOMENTUM, epsilon=NORM_EPSILON, gamma_initializer=scale_initializer, name=f"{name}_norm"
    )(convolved)
