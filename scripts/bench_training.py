"""Time the paper's adapter recipe on cached features against a plain loop, and the fit of view weights.

Both loops do the same arithmetic (16 shots x 40 classes, batch 32: 20 steps an epoch) and are timed in turns, so the
ratio holds on a busy machine. Run: python scripts/bench_training.py [--full]
"""

import statistics
import time

import torch
from _common import birth_certificate, parser
from torch.nn import functional as F

from pointclip.fusion import fit_view_weights
from pointclip.heads import AdapterTrainer, Recipe

SHOTS, CLASSES, VIEWS, CHANNELS, BATCH = 16, 40, 10, 512, 32


def plain_adapter() -> torch.nn.ModuleDict:
    nn = torch.nn
    view_scale = nn.ParameterList([nn.Parameter(torch.full((1, VIEWS, 1), 0.5))])
    squeeze = [nn.Dropout(0.075), nn.Flatten(), nn.Linear(VIEWS * CHANNELS, CHANNELS), nn.BatchNorm1d(CHANNELS)]
    expand = [nn.Linear(CHANNELS, CHANNELS), nn.ReLU(), nn.Linear(CHANNELS, VIEWS * CHANNELS), nn.ReLU()]
    return nn.ModuleDict(
        {
            "scale": view_scale,
            "norm": nn.BatchNorm1d(CHANNELS),
            "body": nn.Sequential(*squeeze, nn.ReLU(), nn.Dropout(0.075), *expand),
        }
    )


def plain_step(model, optimizer, features, targets, text) -> None:
    rows = torch.randint(0, len(features), (BATCH,))
    batch = features[rows]
    x = model["norm"]((batch * model["scale"][0]).flatten(0, 1)).view_as(batch)
    out = 0.6 * model["body"](x) + 0.4 * batch.flatten(1)
    logits = 100.0 * F.normalize(out, dim=-1) @ F.normalize(text.repeat(1, VIEWS), dim=-1).T
    loss = F.cross_entropy(logits, targets[rows], label_smoothing=0.2)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def timed(function, times: int) -> list[float]:
    spans = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        spans.append(1e3 * (time.perf_counter() - start))
    return spans


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--full", action="store_true", help="also run all 250 epochs with 160 validation shapes")
    options.add_argument("--rounds", type=int, default=6)
    full, rounds = (lambda a: (a.full, a.rounds))(options.parse_args())
    torch.manual_seed(0)
    text = F.normalize(torch.randn(CLASSES, CHANNELS), dim=-1)
    targets = torch.arange(CLASSES).repeat(SHOTS)
    features = F.normalize(0.3 * text[targets][:, None] + torch.randn(len(targets), VIEWS, CHANNELS), dim=-1)
    val, val_targets = features[:160].roll(1, 1), targets[:160]

    model = plain_adapter()
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)
    trainer = AdapterTrainer(features, targets, text, val, val_targets, recipe=Recipe(epochs=10_000, eval_every=5))
    plain: list[float] = []
    ours: list[float] = []
    for _ in range(rounds):
        plain += timed(lambda: plain_step(model, optimizer, features, targets, text), 20)
        ours += timed(trainer.step, 20)
    middle, other = statistics.median(ours), statistics.median(plain)
    print(*(f"{name} {value}" for name, value in birth_certificate().items()), sep=", ")
    print(f"plain loop {other:.2f} ms a step (least {min(plain):.2f}), 5,000 steps {5 * other:.0f} s")
    print(f"trainer    {middle:.2f} ms a step (least {min(ours):.2f}), 5,000 steps {5 * middle:.0f} s")
    print(f"ratio of medians {other / middle:.2f}, of least {min(plain) / min(ours):.2f}")

    shapes = 2468
    labels = torch.randint(CLASSES, (shapes,))
    logits = 2 * torch.randn(shapes, VIEWS, CLASSES)
    logits[torch.arange(shapes), :, labels] += torch.linspace(0, 2, VIEWS)
    spans = timed(lambda: fit_view_weights(logits, labels), 5)
    print(
        f"view weights, {VIEWS} views, {shapes} shapes, {CLASSES} classes: first {spans[0]:.0f} ms, "
        f"median {statistics.median(spans):.0f} ms"
    )
    if full:
        start = time.perf_counter()
        trainer = AdapterTrainer(features, targets, text, val, val_targets)
        trainer.run()
        print(
            f"250 epochs, validation each epoch: {time.perf_counter() - start:.1f} s, "
            f"best validation accuracy {max(r['val_accuracy'] for r in trainer.history):.3f}"
        )


if __name__ == "__main__":
    main()
