"""Converts weights that other projects published to a checkpoint of asclf.

Reads EfficientAT's `.pt` files, transformers' AST, and the `model.pth` of PyPI's macls, whether
torch.save or safetensors wrote them; nothing in a file is run. Every weight of the backbone and its
head has to be there. The checkpoint gets the front end that the project trains with by default;
where a model was trained with another, say so by key.path=value.

Predict with the result, or train from it: `init: {checkpoint: FILE}` in a configuration.

Examples:
  asclf import-weights mn04_as_mAP_432.pt --backbone efficientat_mn04 --out mn04.safetensors
  asclf import-weights mn10_as_hop_15_mAP_463.pt --backbone efficientat_mn10 \\
      frontend.frame_shift_ms=15
  asclf import-weights best_model/model.pth --backbone ecapa_tdnn --labels label_list.txt
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the weights")
    parser.add_argument("--backbone", required=True, metavar="NAME", help="what they belong to")
    parser.add_argument("--out", type=Path, metavar="FILE", help="(default: NAME.safetensors)")
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="names of the classes, one a line, or AudioSet's class_labels_indices.csv "
        "(default: they are numbered)",
    )
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="other settings")


def run(options: Namespace) -> int:
    """Runs the verb."""
    from asclf.weights.convert import import_weights

    out = options.out or Path(f"{options.backbone}.safetensors")
    imported = import_weights(
        options.file,
        options.backbone,
        out,
        labels=options.labels,
        overrides=options.overrides,
    )
    left_out = f"; {imported.left_out} tensors have no part in it" if imported.left_out else ""
    print(
        f"{out}: {options.backbone} of {imported.project}, {imported.parameters:,} parameters, "
        f"{len(imported.labels)} classes{left_out}"
    )
    return 0
