"""Augmenters: random changes of training clips, batches and features."""
