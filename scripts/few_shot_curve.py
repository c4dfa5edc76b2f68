"""Few-shot curves: shots x methods x seeds to a CSV file, a table and a plot with error bands; zero-shot stands at 0.

    python scripts/few_shot_curve.py --dataset sweethome3d --root FURNITURE --model untrained --shots 1,2,4,8 --seeds 5
    python scripts/few_shot_curve.py --dataset my_meshes --shots 1,2,4 --methods probe,cache --out mine.csv

Protocol. The shapes of a class folder without test/, or of all libraries of sweethome3d (--pool all), are pooled: a
random split within the libraries. The head of embedded was trained on 287 of these meshes, so this pool is refused for
it: take --model untrained, its towers alone, or --pool across, shots from the three train libraries (which that head
knows) and test on the two others. The classes are those with at least twice the largest number of shots, or the N
largest (--largest N), in the pool. For each seed every class is shuffled, then
  --test half (default): one half is train, the other test; K shots are drawn from train, and settings are chosen on
    the rest of train, or by cross-validation on the shots where a class has no rest;
  --test rest: train is the largest number of shots, everything else test.
One test for all K and methods. Where the pool has a test split of its own, only the shots follow the seed. Nothing is
chosen on test. Zero-shot and few-shot know the same class names. Rows that OUT holds already are not run again: give
another protocol another OUT.
"""

import csv
from collections import Counter
from functools import partial
from pathlib import Path

import _untrained
import torch
from _common import birth_certificate, parser, revision, scores, write_csv
from _few_shot_plot import tell
from few_shot import Part

import pointclip as pc
from pointclip.datasets import FURNITURE_FOLDER, ClassFolder, SweetHome3D, label_of
from pointclip.encoding import encode
from pointclip.fusion import fuse
from pointclip.heads import METHODS


def parts(pool, classes: list[str], seed: int, most: int | None, given_test) -> tuple[Part, Part]:
    """Cut the pool into train and test for one seed."""
    members = {name: [k for k in range(len(pool)) if pool.label(k) == name] for name in classes}
    if given_test is not None:
        places = [k for k in range(len(given_test)) if given_test.label(k) in members]
        return Part(pool, [k for name in classes for k in members[name]], "train"), Part(given_test, places, "test")
    train, held = [], []
    for number, name in enumerate(classes):
        generator = torch.Generator().manual_seed(1000 * seed + number)
        order = [members[name][k] for k in torch.randperm(len(members[name]), generator=generator).tolist()]
        cut = (len(order) + 1) // 2 if most is None else most
        train, held = train + order[:cut], held + order[cut:]
    return Part(pool, train, "train"), Part(pool, held, "test")


def row_of(model, classes, method: str, shots: int, seed: int, train: Part, test: Part, cache) -> dict:
    """Fit one head, or none at 0 shots, and judge it on test."""
    names = [name.replace("_", " ") for name in classes]
    features = encode(model, test, cache=None if cache is None else Path(cache) / "features")[:, 0]
    targets = torch.tensor([classes.index(label_of(test, k)) for k in range(len(test))])
    row = {"method": method, "shots": shots, "seed": seed, "num_test": len(test)}
    if shots == 0:
        logits = fuse(features, model.encode_labels(names).cpu(), None, model.clip.logit_scale)
        return {**row, **scores(logits, targets), **birth_certificate(model.device)}
    result = pc.fit(model, train, labels=classes, shots=shots, method=method, seed=seed, cache=cache)
    with torch.no_grad():
        row |= scores(result.head(features), targets)
    chosen = " ".join(f"{key}={value}" for key, value in result.chosen.items())
    told = {"num_train": result.num_train, "num_val": result.num_val, "val_accuracy": result.val_accuracy}
    return {**row, **told, "chosen": chosen, **birth_certificate(model.device)}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--dataset", required=True, help="a class folder, or sweethome3d")
    options.add_argument("--root", type=Path, default=FURNITURE_FOLDER, help="folder of the .sh3f libraries")
    options.add_argument("--pool", choices=("all", "across"), default="all", help="of sweethome3d")
    options.add_argument("--shots", default="0,1,2,4,8,16")
    options.add_argument("--methods", default=",".join(METHODS))
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--largest", type=int, help="take the N largest classes")
    options.add_argument("--test", choices=("half", "rest"), default="half")
    options.add_argument("--out", type=Path, default=Path("few_shot_curve.csv"))
    for name, default in (("--model", "embedded"), ("--views", "ring-6"), ("--style", "auto"), ("--cache", None)):
        options.add_argument(name, default=default)
    options.add_argument("--points", type=int, default=20_000)
    args = options.parse_args()

    if args.dataset == "sweethome3d":
        if args.pool == "all" and args.model == "embedded":
            options.error(
                "the head of embedded was trained on shapes of this pool: take --pool across or --model untrained"
            )
        pool = SweetHome3D(args.root, "all" if args.pool == "all" else "train", args.points)
        given = None if args.pool == "all" else SweetHome3D(args.root, "test", args.points)
    else:
        pool = ClassFolder(args.dataset, num_points=args.points)
        given = ClassFolder(args.dataset, "test", num_points=args.points) if "test" in pool.splits else None
    shots = sorted({0, *map(int, args.shots.split(","))})
    sizes = Counter(pool.label(k) for k in range(len(pool)))
    enough = [name for name, size in sizes.items() if size >= 2 * shots[-1]]
    largest = [name for name, _ in sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0]))]
    classes = sorted(largest[: args.largest] if args.largest else enough)
    load = _untrained.load if args.model == "untrained" else partial(pc.PointCLIP.from_pretrained, args.model)
    model = load(views=args.views, style=args.style)
    rows = list(csv.DictReader(args.out.open(newline=""))) if args.out.exists() else []
    known = {(row["method"], int(row["shots"]), int(row["seed"])) for row in rows}
    for seed in range(args.seeds):
        train, test = parts(pool, classes, seed, shots[-1] if args.test == "rest" else None, given)
        for count in shots:
            for method in ["zero-shot"] if count == 0 else args.methods.split(","):
                if (method, count, seed) not in known:
                    rows.append(row_of(model, classes, method, count, seed, train, test, args.cache))
                    write_csv(args.out, rows)
                    print({key: rows[-1][key] for key in ("method", "shots", "seed", "accuracy")}, flush=True)
    told = [Path(args.dataset).name, args.pool, args.model, args.views, args.style, f"{args.test} test"]
    told += [f"{args.seeds} seeds", f"{len(classes)} classes", f"{model.device}", model.clip.precision.name, revision()]
    title = ", ".join(told)
    print(f"{title}\nclasses: {', '.join(classes)}")
    tell(rows, args.out, title)


if __name__ == "__main__":
    main()
