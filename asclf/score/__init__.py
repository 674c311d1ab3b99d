"""Scoring: predictions, metrics, reports."""
