"""Figures of an experiment, each a picture and the numbers behind it: `asclf analyze`."""
