"""What the model says of one shape, and what each view adds to it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointclip import fusion
from pointclip._base.checks import check_shape, nearest
from pointclip.errors import InputError

_ROUNDING = 1e-4


@dataclass(frozen=True, eq=False)
class Explanation:
    """Hold what every view adds to every class's logit.

    Attributes:
        contributions: (V, K) float32; the sum over the views is the fused logit, less ``shared``.
        classes: K names.
        view_names: V names.
        shared: (K,) float32, what an adapter adds that is no single view's; zeros without one.
    """

    contributions: Tensor
    classes: tuple[str, ...]
    view_names: tuple[str, ...]
    shared: Tensor

    @classmethod
    def of(
        cls,
        view_logits: Tensor,
        classes: tuple[str, ...],
        weights: Tensor | None = None,
        view_names: tuple[str, ...] = (),
        logits: Tensor | None = None,
    ) -> "Explanation":
        """Weigh the views' own logits.

        Args:
            view_logits: (V, K) float.
            classes: K names.
            weights: (V,) float; None weighs all views alike.
            view_names: V names; none are numbered.
            logits: (K,) float, the fused logits; None where they are the weighted mean of the views'.

        Raises:
            InputError: A shape does not fit.

        Example:
            >>> Explanation.of(torch.tensor([[4.0], [2.0]]), ("chair",)).contributions.tolist()
            [[2.0], [1.0]]
        """
        check_shape("view_logits", view_logits, f"V {len(classes)}")
        num_views = len(view_logits)
        weights = fusion.check_weights(torch.ones(num_views) if weights is None else weights, num_views)
        names = view_names or tuple(f"view {number}" for number in range(1, num_views + 1))
        contributions = view_logits * (weights / weights.sum())[:, None].to(view_logits)
        total = contributions.sum(0)
        shared = torch.zeros_like(total) if logits is None else logits.to(total) - total
        if bool((shared.abs() <= _ROUNDING * (1 + total.abs())).all()):
            shared = torch.zeros_like(shared)
        return cls(contributions, classes, names, shared)

    @property
    def logits(self) -> Tensor:
        """The fused logits (K,)."""
        return self.contributions.sum(0) + self.shared

    def of_label(self, label: str) -> Tensor:
        """Give what each view adds to one class's logit, (V,).

        Raises:
            InputError: There is no such class.
        """
        return self.contributions[:, self._index(label)]

    def margins(self, label: str, against: str | None = None) -> Tensor:
        """Give what each view adds to a label's lead over another, (V,): above 0 it speaks for the label.

        Args:
            label: The class to explain.
            against: The class to compare with; None is the best other one.

        Returns:
            (V,), whose sum is the difference of the two logits, less that of ``shared``; a single class is compared
            with nothing.

        Raises:
            InputError: There is no such class.
        """
        if len(self.classes) == 1:
            return self.of_label(label)
        return self.of_label(label) - self.of_label(self.rival(label) if against is None else against)

    def rival(self, label: str) -> str:
        """Name the best class but for ``label``, or ``label`` itself where it is alone.

        Raises:
            InputError: There is no such class.
        """
        others = self.logits.clone()
        others[self._index(label)] = -torch.inf
        return self.classes[int(others.argmax())]

    def _index(self, label: str) -> int:
        if label not in self.classes:
            raise InputError(f"no class is named {label!r}: {nearest(label, self.classes)}")
        return self.classes.index(label)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Hold what the model says of one shape.

    Attributes:
        labels: Names of the most probable classes, best first (``top_k`` of them).
        probs: Their probabilities, from the soft-max over all K classes.
        logits: (K,) float32, in the order of ``classes``.
        view_logits: (V, K) float32, what each view says alone, before any adapter.
        classes: The K names asked for, in the order they were given.
        name: Name of the shape.
        view_weights: (V,) float32, what each view counts; None is all alike.
        view_names: V names.
        up: Axis of the cloud that was taken as up; "y" unless another one was searched for and found.
    """

    labels: tuple[str, ...]
    probs: tuple[float, ...]
    logits: Tensor
    view_logits: Tensor
    classes: tuple[str, ...]
    name: str = ""
    view_weights: Tensor | None = None
    view_names: tuple[str, ...] = ()
    up: str = "y"

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.labels[0]

    def explain(self) -> Explanation:
        """Split each class's logit into what every view adds to it.

        Returns:
            The contributions (V, K); their sum over the views is ``logits``, less what an adapter adds to all views
            together (``shared``).
        """
        return Explanation.of(self.view_logits, self.classes, self.view_weights, self.view_names, self.logits)
