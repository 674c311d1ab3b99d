"""Static int8 quantisation of an exported network, to see what it would gain.

Quantise-dequantise pairs (QDQ) with ranges calibrated on a few feats, weights a scale a channel.
Norms are folded before. A convolution with few weights does not repay the conversions around it, so
`min_weights` leaves those in float.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from asclf.export.graph import INPUT


class Feats(CalibrationDataReader):  # type: ignore[misc]  # it has no types
    """Hands the calibration its feats, one after the other."""

    def __init__(self, feats: Sequence[NDArray[np.float32]]) -> None:
        self.remaining: Iterator[dict[str, Any]] = iter([{INPUT: one} for one in feats])

    def get_next(self) -> dict[str, Any] | None:
        """The next input, or `None` at the end."""
        return next(self.remaining, None)


def quantise(path: Path, out: Path, feats: Sequence[NDArray[np.float32]], min_weights: int) -> Path:
    """Writes an int8 version of a network.

    Args:
        path: ONNX network in float32.
        out: File to write; what it needs on the way lies beside it.
        feats: (1, T, F) each, to calibrate the ranges with.
        min_weights: Convolutions with fewer weights stay in float, and with them all that stands
            between; 0 quantises whatever can be.
    """
    logging.getLogger().setLevel(logging.ERROR)  # it advises what has just been done
    folded = out.with_suffix(".folded.onnx")
    quant_pre_process(str(path), str(folded), skip_symbolic_shape=True)
    quantize_static(
        str(folded),
        str(out),
        Feats(feats),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_quantize=_large(folded, min_weights) if min_weights else None,
    )
    return out


def _large(path: Path, min_weights: int) -> list[str]:
    graph = onnx.load(path).graph
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in graph.initializer}
    products = ("Conv", "Gemm", "MatMul")
    return [
        node.name
        for node in graph.node
        if node.op_type in products and sizes.get(node.input[1], 0) >= min_weights
    ]
