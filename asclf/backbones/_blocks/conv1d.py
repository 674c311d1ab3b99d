"""One-dimensional convolution over time that keeps the number of frames."""

from __future__ import annotations

from torch import nn


class ConvReluNorm(nn.Sequential):
    """Convolution, ReLU, batch norm, in this order: (B, C, T) → (B, C', T).

    Ends are padded by reflection, so at least `dilation * (kernel_size // 2) + 1` frames go in.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 1, dilation: int = 1
    ) -> None:
        padding = dilation * (kernel_size // 2)
        super().__init__(
            nn.Conv1d(
                in_channels,
                out_channels,
                kernel_size,
                dilation=dilation,
                padding=padding,
                padding_mode="reflect" if padding else "zeros",
            ),
            nn.ReLU(),
            nn.BatchNorm1d(out_channels),
        )
