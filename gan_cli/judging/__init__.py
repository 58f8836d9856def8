"""Metrics taken: of a model, of a run's checkpoints, of images at hand."""
