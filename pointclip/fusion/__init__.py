"""Features of several views to logits, or to one vector of a shape; logits of two networks to one."""

from pointclip.fusion.ensembles import Ensemble, LogitTable, ensemble, fit_ensemble, load_logits
from pointclip.fusion.logits import (
    CONVENTIONS,
    check_weights,
    fuse,
    uniform_weights,
    unit_views,
    validation_score,
    view_logits,
)
from pointclip.fusion.pooling import POOLS, blended, pooled
from pointclip.fusion.view_weights import fit_view_weights

__all__ = [
    "CONVENTIONS",
    "POOLS",
    "Ensemble",
    "LogitTable",
    "blended",
    "check_weights",
    "ensemble",
    "fit_ensemble",
    "fit_view_weights",
    "fuse",
    "load_logits",
    "pooled",
    "uniform_weights",
    "unit_views",
    "validation_score",
    "view_logits",
]
