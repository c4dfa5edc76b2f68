"""The table and the plot of a CSV file that few_shot_curve.py wrote: mean and standard deviation over seeds.

python scripts/_few_shot_plot.py a.csv
"""

import csv
import statistics
from collections import defaultdict
from pathlib import Path

import matplotlib
from _common import parser

matplotlib.use("Agg")
from matplotlib import pyplot

ZERO_SHOT = "zero-shot"


def summary(rows: list[dict]) -> dict[tuple[str, int], tuple[float, float]]:
    """Give mean and deviation of the test accuracy in per cent, for each method and number of shots."""
    found = defaultdict(list)
    for row in rows:
        found[row["method"], int(row["shots"])].append(100 * float(row["accuracy"]))
    return {key: (statistics.mean(v), statistics.stdev(v) if len(v) > 1 else 0.0) for key, v in found.items()}


def tell(rows: list[dict], path: Path, title: str = "") -> None:
    """Print the table and draw the curves to a PNG file beside the CSV file."""
    told = summary(rows)
    shots, methods = sorted({count for _, count in told}), list(dict.fromkeys(method for method, _ in told))
    print("| method |" + "".join(f" {count} shots |" for count in shots) + "\n|" + " --- |" * (len(shots) + 1))
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for method in methods:
        cells = [told.get((method, c)) for c in shots]
        print(
            f"| {method} |" + "".join(" |" if cell is None else f" {cell[0]:.1f} ± {cell[1]:.1f} |" for cell in cells)
        )
        if method == ZERO_SHOT:
            axes.axhline(told[method, 0][0], color="grey", linestyle=":", label=method)
            continue
        cells[0] = told.get((ZERO_SHOT, 0), cells[0])
        drawn = [(place, *cell) for place, cell in enumerate(cells) if cell is not None]
        places, mean, spread = zip(*drawn, strict=True)
        axes.plot(places, mean, marker="o", label=method)
        low, high = ([m + sign * s for m, s in zip(mean, spread, strict=True)] for sign in (-1, 1))
        axes.fill_between(places, low, high, alpha=0.15)
    axes.set(xticks=range(len(shots)), xticklabels=shots, xlabel="shots per class", ylabel="test accuracy, %")
    axes.set_title(title, fontsize=7)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    figure.savefig(path.with_suffix(".png"), dpi=150, bbox_inches="tight")
    pyplot.close(figure)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("csv", type=Path)
    path = options.parse_args().csv
    with path.open(newline="") as file:
        tell(list(csv.DictReader(file)), path, path.stem)


if __name__ == "__main__":
    main()
