"""Judge how ``embedded`` refuses unknown furniture, its threshold chosen on shapes that its head has not seen.

    python scripts/open_set_embedded.py --root /usr/share/sweethome3d/furniture --packs FOLDER

The head of ``embedded`` was trained on the train split among others, so ``pointclip eval sweethome3d --reject`` chooses
temperature and threshold on answers that are too good. Here they are chosen on answers of heads of the same settings
that were trained without the library of the shapes they answer (262 of the 287 train meshes). Features of the training
shapes are those that train_embedded_head.py keeps (--cache). Both ways are then judged with the
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
from _names_head import Sentences, Settings
from _training_shapes import FOLDS, LIBRARY
from _training_shapes import rows as table_rows
from train_embedded_head import Features, Source, judge, trained

from pointclip import PointCLIP
from pointclip._base.cache import cache_folder
from pointclip.datasets import FURNITURE_FOLDER, SweetHome3D
from pointclip.evaluation import Judged, Request, evaluate
from pointclip.evaluation import scores as scoring
from pointclip.weights import embedded

FIGURES = ["auroc", "threshold", "temperature", "false_rejection_rate", "detection_rate", "accuracy_known"]
ERRORS = ["calibration_error", "calibration_error_fitted"]


def left_out_answers(sources: list[Source], sentences: Sentences, head: embedded.Head, like: Judged) -> Judged:
    """Answer each train mesh of the libraries held out with a head that was trained without its library."""
    settings = Settings(**json.loads(head.metadata["settings"]))
    parts = []
    for library in (name for fold in FOLDS.values() for name in fold if name.endswith(LIBRARY)):
        other = trained([source for source in sources if source.name != library], settings, sentences)
        parts += [judge(other, source, sentences) for source in sources if source.name == library]
    return answers(parts, head, like)


def own_answers(sources: list[Source], sentences: Sentences, head: embedded.Head, like: Judged) -> Judged:
    """Answer every train mesh with the shipped head, which has seen them all."""
    return answers([judge(head, one, sentences) for one in sources if one.is_furniture], head, like)


def answers(parts: list, head: embedded.Head, like: Judged) -> Judged:
    """Make answers out of inner products of meshes."""
    logits = torch.tensor(head.logit_scale).exp() * torch.cat([one.products["meshes"] for one in parts])
    return judged(logits, torch.cat([one.target for one in parts]), like)


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
    options.add_argument("--packs", type=Path, required=True, help="folder with the packs of shapes")
    options.add_argument("--cache", type=Path, default=Path("build/embedded_head"), help="as of train_embedded_head.py")
    options.add_argument("--seeds", type=int, default=10)
    options.add_argument("--out", type=Path, default=BENCH / "open_set.csv")
    args = options.parse_args()
    model, head = PointCLIP.from_pretrained("embedded"), embedded.shipped_head()
    request = replace(Request("sweethome3d"), calibrate=False)
    test = evaluate(
        model, lambda split: SweetHome3D(args.root, split or "test"), request, cache_folder("open-set")
    ).test
    features, sentences = Features(args.root, args.packs, args.cache), Sentences()
    sources = [features.source(name) for name in dict.fromkeys(row.source for row in table_rows())]
    ways = {
        "libraries left out": left_out_answers(sources, sentences, head, test),
        "seen in training": own_answers(sources, sentences, head, test),
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
