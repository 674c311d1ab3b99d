"""Configuration: YAML text to typed values, with the place of every value kept for messages."""

from asclf.config.component import component_config
from asclf.config.experiment import ExperimentConfig, load_experiment

__all__ = ["ExperimentConfig", "component_config", "load_experiment"]
