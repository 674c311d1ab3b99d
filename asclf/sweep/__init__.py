"""Sweeps: one experiment at many settings, scored on the same clips, in one table."""
