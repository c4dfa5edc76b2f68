"""Judge how ``embedded`` refuses unknown furniture, its threshold chosen on shapes that its head has not seen.

    python scripts/open_set_embedded.py --root /usr/share/sweethome3d/furniture

The head of ``embedded`` was trained on the train split, so ``pointclip eval sweethome3d --reject`` chooses temperature
and threshold on answers that are too good. Here they are chosen on answers of heads of the same settings that were
trained without the library of the shapes they answer (262 of the 287 train meshes). Both ways are then judged with the
shipped head on the test split, with a fifth of its classes struck off the list, once for each seed. Written: a row for
each seed and way of choosing, --out.
"""

import json
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from _common import BENCH, birth_certificate, parser, write_csv
from train_embedded_head import HELD_OUT, SHADED, Bench, Settings, cosines, solve

from pointclip import PointCLIP
from pointclip._base.cache import cache_folder
from pointclip.datasets import FURNITURE_FOLDER, SweetHome3D
from pointclip.evaluation import Judged, Request, evaluate
from pointclip.evaluation import scores as scoring
from pointclip.weights import embedded

FIGURES = ["auroc", "threshold", "temperature", "false_rejection_rate", "detection_rate", "accuracy_known"]
ERRORS = ["calibration_error", "calibration_error_fitted"]


def left_out_answers(bench: Bench, head: embedded.Head, like: Judged) -> Judged:
    """Answer each train mesh of the libraries held out with a head that was trained without its library."""
    settings = Settings(**json.loads(head.metadata["settings"]))
    train, shown, scale = bench.train_set(settings.train_on), bench.features(SHADED).clone(), float(head.logit_scale)
    logits, targets = [], []
    for library in HELD_OUT:
        out = torch.tensor([name == library for name in bench.library])
        weight = solve(bench, settings, train[~out], bench.target[~out])
        logits.append(torch.tensor(scale).exp() * cosines(bench, weight, shown[out]))
        targets.append(bench.target[out])
    return judged(torch.cat(logits), torch.cat(targets), like)


def own_answers(bench: Bench, head: embedded.Head, like: Judged) -> Judged:
    """Answer every train mesh with the shipped head, which has seen them all."""
    scale = torch.tensor(float(head.logit_scale)).exp()
    return judged(scale * cosines(bench, head.weight, bench.features(SHADED).clone()), bench.target, like)


def judged(logits: torch.Tensor, targets: torch.Tensor, like: Judged) -> Judged:
    """Make answers out of (N, 71) logits and (N,) targets."""
    count = len(targets)
    names = [str(place) for place in range(count)]
    return Judged("train", like.classes, names, targets.numpy(), logits.float().numpy(), [""] * count, like.seconds)


def figures(test: Judged, val: Judged, seed: int) -> dict[str, float]:
    """Choose on val, judge on test with a fifth of the classes struck off the list."""
    unknown = scoring.held_out(test.classes, set(test.labels), (), seed)
    told, _ = scoring.without_classes(test, val, unknown, 0.05, True, seed)
    errors = scoring.calibration_errors(test, scoring.fit_temperature(val))
    return {name: round(float(told[name]), 4) for name in FIGURES} | {name: round(errors[name], 4) for name in ERRORS}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--root", type=Path, default=FURNITURE_FOLDER, help="folder with the five .sh3f libraries")
    options.add_argument("--cache", type=Path, default=cache_folder("open-set"), help="where features are kept")
    options.add_argument("--seeds", type=int, default=10)
    options.add_argument("--out", type=Path, default=BENCH / "open_set.csv")
    args = options.parse_args()
    model, head = PointCLIP.from_pretrained("embedded"), embedded.read_head()
    request = replace(Request("sweethome3d"), calibrate=False)
    test = evaluate(model, lambda split: SweetHome3D(args.root, split or "test"), request, args.cache / "test").test
    bench = Bench(args.root, args.cache)
    if tuple(bench.labels) != test.classes:
        raise SystemExit("the labels of train and test are spelled differently")
    ways = {
        "libraries left out": left_out_answers(bench, head, test),
        "seen in training": own_answers(bench, head, test),
    }
    rows = []
    for way, val in ways.items():
        for seed in range(args.seeds):
            row = {"chosen_on": way, "shapes_chosen_on": len(val), "goal": 0.05, "seed": seed}
            rows.append(row | figures(test, val, seed) | birth_certificate())
    write_csv(args.out, rows)
    for way in ways:
        print(f"chosen on shapes {way}:")
        for name in FIGURES + ERRORS:
            values = np.array([row[name] for row in rows if row["chosen_on"] == way])
            print(f"  {name:>24}  {values.mean():.3f} +- {statistics.pstdev(values.tolist()):.3f}")


if __name__ == "__main__":
    main()
