"""A few shots to a head, features (B,V,C) to logits (B,K), and the file it is kept in."""

from pointclip.heads.adapter import AdapterHead, AdapterTrainer
from pointclip.heads.base import Fitted, Head, Method, check_support, choose, judged_on
from pointclip.heads.checkpoint import Checkpoint, load_checkpoint
from pointclip.heads.network import InterViewAdapter
from pointclip.heads.recipe import Recipe
from pointclip.heads.table import METHODS, build_head, fit_head, method_named

__all__ = [
    "METHODS",
    "AdapterHead",
    "AdapterTrainer",
    "Checkpoint",
    "Fitted",
    "Head",
    "InterViewAdapter",
    "Method",
    "Recipe",
    "build_head",
    "check_support",
    "choose",
    "fit_head",
    "judged_on",
    "load_checkpoint",
    "method_named",
]
