"""A model's name to its loaded towers."""

from pointclip.weights.hub import Probe, cache_root
from pointclip.weights.loading import Available, LoadedModel, available, load, random
from pointclip.weights.pickled import read_pickled

__all__ = ["Available", "LoadedModel", "Probe", "available", "cache_root", "load", "random", "read_pickled"]
