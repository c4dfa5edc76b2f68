"""A model's name to its loaded towers."""

from pointclip.weights.loading import LoadedModel, available, load, random

__all__ = ["LoadedModel", "available", "load", "random"]
