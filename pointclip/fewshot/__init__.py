"""Few-shot fitting on a user's own classes."""

from pointclip.fewshot.fitting import FewShotResult, fit
from pointclip.fewshot.resume import FitInterrupted

__all__ = [
    "FewShotResult",
    "FitInterrupted",
    "fit",
]
