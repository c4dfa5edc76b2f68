"""Measure how accuracy suffers when shapes are damaged: a table and a plot.

    python scripts/robustness.py --root /usr/share/sweethome3d/furniture --split train --limit 40
    python scripts/robustness.py --list
    python scripts/robustness.py --root FOLDER --split test --conditions clean '*outlier*'

Every shape is loaded once with --points samples, damaged in each way (random numbers depend on seed, shape and family
of the condition only) and classified among all labels. ``changed`` is the share of shapes whose first label differs
from that of the undamaged shape, whatever the truth. Answers are kept as they come, in a file of --work that is named
by all settings: a run that was stopped, or that asks for more conditions or shapes, goes on from there. --out always
holds every condition answered for the shapes asked for.
"""

import argparse
import csv
import hashlib
import json
import sys
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from _common import ASSETS, BENCH, birth_certificate, parser, write_csv
from _damages import Condition, conditions

from pointclip import PointCLIP
from pointclip._base.files import make_folder, whole
from pointclip.datasets import Dataset, open_dataset
from pointclip.points import PointCloud

ANSWER = ("condition", "id", "label", "predicted", "in_top5", "up")
Answers = dict[tuple[str, str], dict[str, str]]


def chosen_indices(count: int, limit: int | None) -> list[int]:
    """Spread ``limit`` shapes evenly over the dataset, so that every class has its share.

    Example:
        >>> chosen_indices(10, 3)
        [0, 3, 6]
    """
    if limit is None or limit >= count:
        return list(range(count))
    return [number * count // limit for number in range(limit)]


def generator_for(seed: int, family: str, shape_id: str) -> torch.Generator:
    """Draw the same numbers for the same shape and family, whatever else is run."""
    digest = hashlib.sha256(json.dumps([seed, family, shape_id]).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def read_answers(path: Path) -> Answers:
    """Read the answers there are; a line that a kill cut short is left out, and the file repaired."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        rows: list[dict[str, str]] = []
    else:
        with path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["up"] and None not in row.values()]
    with whole(path) as draft, draft.open("w", newline="") as file:
        writer = csv.DictWriter(file, ANSWER)
        writer.writeheader()
        writer.writerows(rows)
    return {(row["condition"], row["id"]): row for row in rows}


def ask(
    model: PointCLIP, item: tuple[PointCloud, str, str], condition: Condition, labels: list[str], seed: int
) -> dict[str, str]:
    """Damage one shape and classify it."""
    cloud, label, name = item
    damaged = condition.change(cloud, generator_for(seed, condition.family, name))
    model.drop_outliers = condition.drop_outliers
    found = model.classify(damaged, labels, top_k=min(5, len(labels)), pose=condition.pose)
    told = (condition.name, name, label, found.label, str(label in found.labels), found.up)
    return dict(zip(ANSWER, told, strict=True))


def opened(arguments: argparse.Namespace, num_points: int) -> Dataset:
    """Open the dataset with so many samples per mesh."""
    name = arguments.dataset if arguments.root is None else f"{arguments.dataset}:{arguments.root}"
    return open_dataset(name, arguments.split, num_points=num_points, seed=arguments.seed)


def answer_all(arguments: argparse.Namespace, wanted: list[Condition], data: Dataset, path: Path) -> Answers:
    """Classify what has not been yet; give the answers of all that was ever asked with these settings."""
    answers = read_answers(path)
    model = None
    indices = chosen_indices(len(data), arguments.limit)
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, ANSWER)
        for done, index in enumerate(indices, start=1):
            name = data.id(index)
            items: dict[int, tuple[PointCloud, str, str]] = {}
            for condition in wanted:
                if (condition.name, name) in answers:
                    continue
                model = model or PointCLIP.from_pretrained(arguments.model, views=arguments.views)
                count = condition.num_points or arguments.points
                if count not in items:
                    items[count] = read(arguments, index, count)
                answers[condition.name, name] = ask(model, items[count], condition, data.labels, arguments.seed)
                writer.writerow(answers[condition.name, name])
                file.flush()
            print(f"\r{done} of {len(indices)} shapes", end="", file=sys.stderr)
    print(file=sys.stderr)
    return answers


def read(arguments: argparse.Namespace, index: int, num_points: int) -> tuple[PointCloud, str, str]:
    """Read one shape with so many samples: its samples alone, which are what is damaged, its label and id."""
    shape, label, name = opened(arguments, num_points).item(index)
    cloud = shape.samples
    return replace(cloud, normals=None) if arguments.no_normals else cloud, label, name


def summary(answers: Answers, ids: list[str], every: list[Condition]) -> list[dict[str, object]]:
    """One row for each condition that all the shapes have been asked in.

    Example:
        >>> answer = {"label": "bed", "predicted": "sofa", "in_top5": "True", "up": "y"}
        >>> summary({("clean", "a"): answer}, ["a"], conditions())[0]["top5"]
        100.0
    """
    rows: list[dict[str, object]] = []
    for condition in every:
        found = [answers.get((condition.name, shape_id)) for shape_id in ids]
        clean = [answers.get(("clean", shape_id)) for shape_id in ids]
        if not ids or any(answer is None for answer in found):
            continue

        def percent(hits: list[bool]) -> float:
            return round(100 * sum(hits) / len(hits), 1)

        known = all(answer is not None for answer in clean)
        rows.append(
            {
                "condition": condition.name,
                "family": condition.family,
                "shapes": len(ids),
                "top1": percent([a["predicted"] == a["label"] for a in found]),
                "top5": percent([a["in_top5"] == "True" for a in found]),
                "changed": percent([a["predicted"] != b["predicted"] for a, b in zip(found, clean, strict=True)])
                if known
                else "",
                "up_is_y": percent([a["up"] == "y" for a in found]) if condition.pose == "search" else "",
            }
        )
    return rows


def plot(rows: list[dict[str, object]], path: Path, title: str) -> None:
    """Draw a bar of top-1 for each condition, coloured by family, with a line at the undamaged shapes'."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    families = list(dict.fromkeys(row["family"] for row in rows))
    colors = [f"C{families.index(row['family']) % 10}" for row in rows]
    figure, axes = pyplot.subplots(figsize=(7, 1 + 0.24 * len(rows)))
    places = range(len(rows))
    axes.barh(places, [row["top1"] for row in rows], color=colors)
    for place, row in zip(places, rows, strict=True):
        axes.text(float(row["top1"]) + 0.5, place, f"{row['top1']}", va="center", fontsize=7)
    for row in rows:
        if row["condition"] == "clean":
            axes.axvline(row["top1"], color="grey", linestyle=":", linewidth=1)
    axes.set_yticks(places, [row["condition"] for row in rows], fontsize=7)
    axes.set(xlim=(0, 105), ylim=(len(rows) - 0.4, -0.6))
    axes.set_xlabel("top-1 accuracy, %")
    axes.set_title(title, fontsize=8)
    make_folder(path.parent)
    with whole(path) as draft:
        figure.savefig(draft, dpi=150, bbox_inches="tight", format="png")
    pyplot.close(figure)


def settings(arguments: argparse.Namespace) -> dict[str, object]:
    """Say what was asked of which model."""
    names = ("dataset", "split", "points", "seed", "model", "views")
    return {name: getattr(arguments, name) for name in names} | {"normals": not arguments.no_normals}


def parse() -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--dataset", default="sweethome3d", help="a name of pointclip.datasets.open_dataset")
    options.add_argument("--root", help="its folder, where the name leaves it out")
    options.add_argument("--split", help="the training split by default")
    options.add_argument("--limit", type=int, help="shapes, spread evenly over the split; all by default")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--points", type=int, default=10_000)
    options.add_argument(
        "--no-normals", action="store_true", help="throw the normals away, as of a scan: drawn as depth"
    )
    options.add_argument("--model", default="embedded")
    options.add_argument("--views", default="ring-6")
    options.add_argument(
        "--conditions", nargs="+", default=["*"], metavar="PATTERN", help="names, * stands for anything"
    )
    options.add_argument("--list", action="store_true", help="print the conditions and end")
    options.add_argument("--out", type=Path, default=BENCH / "robustness.csv")
    options.add_argument("--plot", type=Path, default=ASSETS / "figures" / "robustness.png")
    options.add_argument("--work", type=Path, default=Path("build/robustness"))
    return options.parse_args()


def main() -> None:
    arguments = parse()
    every = conditions()
    if arguments.list:
        print(*(condition.name for condition in every), sep="\n")
        return
    for pattern in arguments.conditions:
        if not any(fnmatchcase(condition.name, pattern) for condition in every):
            raise SystemExit(f"no condition is called {pattern!r}: --list prints them all")
    wanted = [one for one in every if any(fnmatchcase(one.name, pattern) for pattern in arguments.conditions)]
    data = opened(arguments, arguments.points)
    arguments.split = data.split
    key = [arguments.dataset, arguments.split, arguments.seed, arguments.points, arguments.no_normals]
    key += [arguments.model, arguments.views]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12]
    answers = answer_all(arguments, wanted, data, arguments.work / f"{name}.csv")
    ids = [data.id(index) for index in chosen_indices(len(data), arguments.limit)]
    table = summary(answers, ids, every)
    for row in table:
        print(f"{row['condition']:<42}{row['top1']:>7}{row['top5']:>7}  changed {row['changed']}  {row['up_is_y']}")
    certificate = settings(arguments) | birth_certificate()
    write_csv(arguments.out, [row | certificate for row in table])
    title = f"{arguments.model}, {arguments.dataset} {arguments.split}, {len(ids)} shapes, {arguments.points:,} points"
    plot(table, arguments.plot, title)


if __name__ == "__main__":
    main()
