"""Weights that other projects published, as checkpoints of asclf."""
