"""What the model says of one shape, and what each view adds to it."""

from dataclasses import dataclass, fields
from typing import Any

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
        return self.contributions[:, _place(label, self.classes)]

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
        others[_place(label, self.classes)] = -torch.inf
        return self.classes[int(others.argmax())]


@dataclass(frozen=True, eq=False, repr=False)
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

    @classmethod
    def of(
        cls, logits: Tensor, view_logits: Tensor, classes: tuple[str, ...], top_k: int | None = None, **about: Any
    ) -> "Prediction":
        """Rank the classes by their logits.

        Args:
            logits: (K,) float.
            view_logits: (V, K) float.
            classes: K names.
            top_k: How many of the best to give; None gives all K.
            **about: Further attributes.

        Example:
            >>> Prediction.of(torch.tensor([0.0, 9.0]), torch.zeros(1, 2), ("chair", "lamp"), top_k=1).labels
            ('lamp',)
        """
        logits = logits.float().cpu()
        best = logits.softmax(-1).topk(min(top_k or len(classes), len(classes)))
        labels, probs = tuple(classes[i] for i in best.indices.tolist()), tuple(best.values.tolist())
        return cls(labels, probs, logits, view_logits.float().cpu(), classes, **about)

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.labels[0]

    def prob_of(self, label: str) -> float:
        """Give the probability of any of the K classes, in ``labels`` or not.

        Args:
            label: One of ``classes``.

        Returns:
            In [0, 1], from the soft-max over all K classes.

        Raises:
            InputError: There is no such class.

        Example:
            >>> logits = torch.tensor([0.0, 0.0])
            >>> Prediction(("cup",), (0.5,), logits, logits[None], ("cup", "bowl")).prob_of("bowl")
            0.5
        """
        return float(self.logits.softmax(-1)[_place(label, self.classes)])

    def to_dict(self) -> dict[str, Any]:
        """Give everything as what JSON knows: texts, numbers, lists.

        Returns:
            The attributes by their names, with ``label``; tensors as nested lists.

        Example:
            >>> logits = torch.tensor([0.0, 0.0])
            >>> told = Prediction(("cup",), (0.5,), logits, logits[None], ("cup", "bowl")).to_dict()
            >>> told["label"], told["logits"], told["view_logits"]
            ('cup', [0.0, 0.0], [[0.0, 0.0]])
        """
        told: dict[str, Any] = {"name": self.name, "label": self.label}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                value = value.tolist()
            told[field.name] = list(value) if isinstance(value, tuple) else value
        return told

    def rows(self) -> list[dict[str, Any]]:
        """Give a row for each of ``labels``, best first: ``pandas.DataFrame(prediction.rows())`` is a table.

        Returns:
            Rows of ``name``, ``rank`` from 1, ``label`` and ``probability``.

        Example:
            >>> logits = torch.tensor([0.0, 0.0])
            >>> Prediction(("cup",), (0.5,), logits, logits[None], ("cup", "bowl"), "a").rows()
            [{'name': 'a', 'rank': 1, 'label': 'cup', 'probability': 0.5}]
        """
        ranked = enumerate(zip(self.labels, self.probs, strict=True), start=1)
        return [
            {"name": self.name, "rank": rank, "label": label, "probability": prob} for rank, (label, prob) in ranked
        ]

    def __repr__(self) -> str:
        """Name the shape and its best labels in one line."""
        best = ", ".join(f"{label} {prob:.3f}" for label, prob in list(zip(self.labels, self.probs, strict=True))[:3])
        return f"Prediction({best}{', ...' * (len(self.classes) > 3)}{f', name={self.name!r}' * bool(self.name)})"

    def explain(self) -> Explanation:
        """Split each class's logit into what every view adds to it.

        Returns:
            The contributions (V, K); their sum over the views is ``logits``, less what an adapter adds to all views
            together (``shared``).
        """
        return Explanation.of(self.view_logits, self.classes, self.view_weights, self.view_names, self.logits)


def _place(label: str, classes: tuple[str, ...]) -> int:
    """Find a class.

    Raises:
        InputError: There is none of that name.
    """
    if label not in classes:
        raise InputError(f"no class is named {label!r}: {nearest(label, classes)}")
    return classes.index(label)
