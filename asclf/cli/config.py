"""Shows every value of a configuration with its origin: a file, the command line, a default.

The file is read as `asclf train` would read it, with its base files and the `key.path=value` words.

Examples:
  asclf config show egs/esc50/conf/spectromasknet.yaml
  asclf config show conf/x.yaml seed=3 train.epochs=5 | grep epochs
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from asclf.config.experiment import bind_experiment, origins
from asclf.config.merge import load_layers
from asclf.config.yaml import dump_yaml


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("action", choices=["show"], help="what to do")
    parser.add_argument("file", type=Path, metavar="FILE", help="the configuration")
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="laid over the file")


def run(options: Namespace) -> int:
    """Runs the verb."""
    root = load_layers(options.file, options.overrides)
    rows = [
        (key, dump_yaml(value).strip(), origin)
        for key, value, origin in origins(bind_experiment(root), root)
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for key, value, origin in rows:
        print(f"{key:{widths[0]}}  {value:{widths[1]}}  {origin}")
    return 0
