"""How the head of ``embedded`` is solved for: names of training shapes from features of the image tower."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, normalize

from pointclip.prompts import imagenet_meanings, joined_meaning, meaning_sentences
from pointclip.weights import embedded
from pointclip.weights.embedded_head import Head
from pointclip.weights.embedded_names import ImageNames, roots


@dataclass(frozen=True)
class Settings:
    """Everything that is chosen.

    Attributes:
        scale: Length of the standardised features; with ``l2`` it says how smooth the answer is.
        l2: Weight of the squared weights.
        steps: Of L-BFGS.
        directions: Principal directions of the features that are used.
        balance: A shape counts as its name's number of shapes to the minus this.
        random: Weight of the pictures of ``random``, where those of ``ring`` count 1.
        cloud: Weight of the pictures of ``cloud``.
        grey: Weight of the pictures of ``grey``.
        share: Part of the trained names in a feature; the rest is ImageNet's.
        sharpness: Factors on cosines of labels to names and to ImageNet's classes.
        channels: C of the features.
        furniture: Whether furniture is learned from.
    """

    scale: float = 20.0
    l2: float = 3e-4
    steps: int = 30
    directions: int = 512
    balance: float = 0.5
    random: float = 1.0
    cloud: float = 0.75
    grey: float = 0.5
    share: float = 0.75
    sharpness: tuple[float, float] = (6.0, 9.0)
    channels: int = 384
    furniture: bool = True


class Sentences:
    """The sentence encoder, with a memory."""

    def __init__(self) -> None:
        self.model, self.tokenizer = embedded.headless()
        self.known: dict[str, Tensor] = {}

    @torch.inference_mode()
    def __call__(self, texts: list[str]) -> Tensor:
        """Give unit vectors (K, 384)."""
        missing = sorted(set(texts) - self.known.keys(), key=len)
        for start in range(0, len(missing), 64):
            some = missing[start : start + 64]
            found = normalize(self.model.encode_text(self.tokenizer(some)).float(), dim=-1)
            self.known.update(zip(some, found.clone(), strict=True))
        return torch.stack([self.known[text] for text in texts]).clone()

    def names(self, names: list[str]) -> Tensor:
        """Give what names mean, (N, 384)."""
        told = [meaning_sentences([name])[0] for name in names]
        self([text for texts in told for text in texts])
        return torch.stack([joined_meaning(self(list(texts))) for texts in told])

    def imagenet(self) -> Tensor:
        """Give what ImageNet's classes mean, (1000, 384): usual name, mean of all names, half that of definitions."""
        from open_clip import IMAGENET_CLASSNAMES

        found = []
        for one in imagenet_meanings():
            words = [one.label, *one.synonyms]
            found.append(self(words).mean(0) + 0.5 * self([f"{word}: {one.definition}" for word in words]).mean(0))
        return normalize(self(list(IMAGENET_CLASSNAMES)) + torch.stack(found), dim=-1)


def fit_names(x: Tensor, y: Tensor, count: int, weight: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """Fit a logistic regression by L-BFGS.

    Args:
        x: (P, D) unit features of pictures.
        y: (P,) their names' numbers.
        count: N.
        weight: (P,) of the pictures, adding to 1.
        settings: How.

    Returns:
        Weight (N, D) and bias (N,).
    """
    mean, sd = x.mean(0), x.std(0) + 1e-6
    unit = settings.scale / x.shape[1] ** 0.5 / sd
    x = (x - mean) * unit
    basis = torch.linalg.eigh(x.T @ x)[1][:, -settings.directions :]
    x = x @ basis
    found = torch.zeros(count, x.shape[1], requires_grad=True), torch.zeros(count, requires_grad=True)
    solver = torch.optim.LBFGS(
        found, max_iter=settings.steps, max_eval=2 * settings.steps, history_size=10, line_search_fn="strong_wolfe"
    )
    rows = torch.arange(len(y))

    def loss() -> Tensor:
        solver.zero_grad()
        told = log_softmax(torch.addmm(found[1], x, found[0].T), -1)[rows, y]
        value = settings.l2 * found[0].square().sum() - (told * weight).sum()
        value.backward()
        return value

    solver.step(loss)
    solution = (found[0].detach() @ basis.T) * unit
    return solution, found[1].detach() - solution @ mean


def picture_basis(distributions: Tensor, channels: int) -> Tensor:
    """Give the space (N + M, channels - 1) that roots of distributions (P, N + M) of pictures fill."""
    return torch.linalg.eigh(distributions.T @ distributions)[1][:, 1 - channels :].flip(1).contiguous()


def solve(
    pictures: Tensor, y: Tensor, names: list[str], weight: Tensor, sentences: Sentences, settings: Settings
) -> Head:
    """Solve for a head.

    Args:
        pictures: (P, D) features of the image tower.
        y: (P,) their names' numbers.
        names: N names.
        weight: (P,) of the pictures, adding to 1.
        sentences: The sentence encoder.
        settings: How.

    Returns:
        The head, its ``logit_scale`` still 0.
    """
    unit = normalize(pictures, dim=-1)
    matrix, bias = fit_names(unit, y, len(names), weight, settings)
    some = torch.arange(0, len(unit), max(1, len(unit) // 12_000))
    classes = pictures[some] @ embedded.imagenet_classifier()[0].T + embedded.imagenet_classifier()[1]
    filled = roots(unit[some] @ matrix.T + bias, classes, settings.share)
    basis = picture_basis(filled, settings.channels)
    text = sentences.names(names), sentences.imagenet()
    return Head(matrix, bias, *text, basis, 0.0, settings.share, settings.sharpness)


@torch.inference_mode()
def image_features(head: Head, pictures: Tensor) -> Tensor:
    """Give the features (..., V, C) of pictures whose features of the image tower are (..., V, D)."""
    return ImageNames(head, *embedded.imagenet_classifier())(pictures)


def calibration_error(logits: Tensor, target: Tensor, bins: int = 10) -> float:
    """Give the expected calibration error in per cent."""
    sure, best = logits.softmax(-1).max(-1)
    place = (sure * bins).long().clamp(max=bins - 1)
    right = (best == target).float()
    gaps = [(right[place == k].sum() - sure[place == k].sum()).abs() for k in range(bins)]
    return round(100 * torch.stack(gaps).sum().item() / len(target), 1)
