"""The exported network in onnxruntime: feats to logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from asclf.errors import BundleError

Array = NDArray[np.float32]


class OnnxNetwork:
    """`model.onnx` on the CPU.

    Args:
        path: The model.
        threads: Threads that a single operation may use.

    Raises:
        BundleError: onnxruntime cannot load it.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # fatal; errors are raised
        options.enable_mem_pattern = False  # plans a second copy of all maps, and saves no time
        self.path = path
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors have no base class of their own
            raise BundleError(
                f"onnxruntime {onnxruntime.__version__} cannot load it: {error}",
                where=path,
                hint="update onnxruntime, or export the model again",
            ) from error
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def logits(self, feats: Array) -> Array:
        """Feats (B, T, F) → logits (B, C).

        Raises:
            BundleError: The network cannot run on feats of this shape.
        """
        return self._run(feats, self._outputs[0])

    def embedding(self, feats: Array) -> Array:
        """Feats (B, T, F) → what the head is given, (B, D).

        Raises:
            BundleError: The network has no such output, or cannot run on feats of this shape.
        """
        if len(self._outputs) < 2:
            raise BundleError(
                "this model gives no embedding",
                where=self.path,
                expected="a second output",
                hint="export it again, or use its checkpoint",
            )
        return self._run(feats, self._outputs[1])

    def _run(self, feats: Array, output: str) -> Array:
        try:
            values: Array = self._session.run([output], {self._input: feats})[0]
        except Exception as error:  # as above
            raise BundleError(
                f"the network fails on feats of shape {feats.shape}: {error}", where=self.path
            ) from error
        return values
