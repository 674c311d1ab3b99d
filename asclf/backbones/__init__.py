"""Backbones: features to one embedding a clip, one family a file."""
