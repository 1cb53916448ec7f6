"""`python -m benchmarks.step_torch NETWORK`: steps of PyTorch, in turns, by a Python that has torch and torchvision.

On one batch that stays in memory, in the order of channels that is quickest on a CPU.
"""

import sys
from typing import Any

import torch
import torchvision
from torch import nn

from benchmarks.step_clock import (
    BATCH_SIZE_PATCHES,
    DROPOUT,
    NUM_BANDS,
    NUM_CLASSES,
    NUM_CORES,
    SIDE_PX,
    StepClock,
    keep_cores,
)

STAGE_CHANNELS = (32, 64, 128, 256)


class _Block(nn.Module):  # type: ignore[misc]
    """A block of `models/residual.py`."""

    def __init__(self, before: int, channels: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *_convolve(before, channels, 3, stride), nn.ReLU(inplace=True), *_convolve(channels, channels, 3, 1)
        )
        # An odd side is rounded up, and the mean at the border is that of pixels that exist, as Keras does.
        pool = [nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False)] if stride > 1 else []
        change = _convolve(before, channels, 1, 1) if before != channels else []
        self.shortcut = nn.Sequential(*pool, *change)

    def forward(self, features: Any) -> Any:
        """Return the next feature map."""
        return torch.relu(self.residual(features) + self.shortcut(features))


def _convolve(before: int, channels: int, kernel_px: int, stride: int) -> list[Any]:
    convolution = nn.Conv2d(before, channels, kernel_px, stride, padding=kernel_px // 2, bias=False)
    return [convolution, nn.BatchNorm2d(channels)]


def build_model(network: str) -> Any:
    """Return the network from standardised bands to logits."""
    match network:
        case "SmallResNet":
            stem = [*_convolve(NUM_BANDS, STAGE_CHANNELS[0], 3, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
            widths = zip((STAGE_CHANNELS[0], *STAGE_CHANNELS), STAGE_CHANNELS, strict=False)
            blocks = [
                _Block(before, after, stride=1 if number == 0 else 2) for number, (before, after) in enumerate(widths)
            ]
            head = [
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Dropout(DROPOUT),
                nn.Linear(STAGE_CHANNELS[-1], NUM_CLASSES),
            ]
            return nn.Sequential(*stem, *blocks, *head)
        case "MobileNetV2":
            model = torchvision.models.mobilenet_v2(num_classes=NUM_CLASSES, dropout=DROPOUT)
            model.features[0][0] = nn.Conv2d(NUM_BANDS, 32, 3, 2, padding=1, bias=False)
            return model
        case _:
            model = torchvision.models.resnet50()
            model.conv1 = nn.Conv2d(NUM_BANDS, 64, 7, 2, padding=3, bias=False)
            model.fc = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(model.fc.in_features, NUM_CLASSES))
            return model


def main(network: str) -> None:
    """Train for as many steps as the clock counts."""
    torch.set_num_threads(NUM_CORES)
    torch.manual_seed(0)
    model = build_model(network).to(memory_format=torch.channels_last).train()
    # Fused: one pass over the weights, as in the training beside it.
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, fused=True)
    compute_loss = nn.BCEWithLogitsLoss()
    bands = torch.randn(BATCH_SIZE_PATCHES, NUM_BANDS, SIDE_PX, SIDE_PX).to(memory_format=torch.channels_last)
    labels = (torch.rand(BATCH_SIZE_PATCHES, NUM_CLASSES) < 0.2).float()
    clock = StepClock(network)
    clock.num_parameters = sum(weight.numel() for weight in model.parameters())
    while not clock.is_over:
        clock.begin_step()
        optimizer.zero_grad()
        loss = compute_loss(model(bands), labels)
        loss.backward()
        optimizer.step()
        clock.end_step()
    clock.answer()


if __name__ == "__main__":
    keep_cores()
    main(sys.argv[1])
