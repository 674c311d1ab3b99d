"""The exported format: what is written beside the model, and how it is checked."""

from asclf.bundle.folder import read_bundle, verify_bundle, write_bundle
from asclf.bundle.manifest import BundleManifest
from asclf.bundle.prediction import Classifier, Prediction

__all__ = [
    "BundleManifest",
    "Classifier",
    "Prediction",
    "read_bundle",
    "verify_bundle",
    "write_bundle",
]
