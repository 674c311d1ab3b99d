"""A classifier's network as an ONNX graph: feats in, logits out.

The front end stays outside: the device computes it with kaldi-native-fbank, which is the reference,
and the graph only holds what every runtime has. The exporter folds batch norms into convolutions.
"""

from __future__ import annotations

import copy
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import nn

from asclf.errors import ExportError, MissingExtraError

try:
    import onnx
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass
except ImportError as error:
    raise MissingExtraError("onnx", "export") from error

INPUT = "feats"
OUTPUT = "logits"
EMBEDDING = "embedding"
OPSET = 18
"""The lowest that torch's exporter writes; every onnxruntime from 1.14 on reads it."""
IR_VERSION = 8
"""That of the ONNX release with opset 18; the exporter's own (10) needs onnxruntime 1.18."""


def write_onnx(
    network: nn.Module,
    path: Path,
    *,
    example: torch.Tensor,
    metadata: Mapping[str, Any],
    outputs: Sequence[str] = (OUTPUT,),
    where: object = None,
) -> None:
    """Writes a network as ONNX, with any number of clips and frames.

    Args:
        network: feats (B, T, F) → logits (B, C), or a tuple that begins with them; it stays as it
            is.
        path: File to write.
        example: Feats (B, T, F) to trace it with, B and T above 1.
        metadata: Stored in the model as text; what is no string is stored as JSON.
        outputs: What to call what it returns.
        where: What to name in an error.

    Raises:
        ExportError: The network does something that ONNX cannot say, or works for one shape only.
    """
    network = copy.deepcopy(network).cpu().eval()
    try:
        with _quiet():
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=list(outputs),
                dynamic_shapes=({0: "batch", 1: "frames"},),
                verbose=False,
            )
    except Exception as error:  # the exporter passes on whatever tracing raises
        raise ExportError(
            f"the network cannot be exported: {_root_cause(error)}",
            where=where,
            hint="no branch may depend on the values or the lengths of the feats",
        ) from error
    assert program is not None
    ClearMetadataAndDocStringPass()(program.model)  # it names source files of this machine
    program.model.ir_version = IR_VERSION
    program.model.producer_name = "asclf"
    program.model.producer_version = None
    program.model.metadata_props.update({key: _text(value) for key, value in metadata.items()})
    program.save(path, external_data=False)
    _check(path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps to itself what torch's exporter says of itself; its errors are raised all the same."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    said = io.StringIO()
    try:
        with warnings.catch_warnings(), redirect_stdout(said), redirect_stderr(said):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _root_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().partition("\n")[0]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _check(path: Path) -> None:
    try:
        onnx.checker.check_model(path, full_check=True)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"the exported graph is not valid ONNX: {error}", where=path) from error
