"""Train the head of the ``embedded`` model, and say on validation how good it is.

    python scripts/train_embedded_head.py --furniture /usr/share/sweethome3d/furniture --packs FOLDER

Data: the shapes of assets/shapes.csv: furniture of three libraries of Debian's sweethome3d-furniture and six packs of
game and hobby meshes (FOLDER holds NAME.npz.xz). No test shape is opened. Validation leaves out one library, or the
packs of one maker, trains on all others and judges what was left out: furniture among the 71 labels of the benchmark,
each pack among its own. Written: assets/embedded_head.safetensors, assets/bench/embedded_head_validation.csv.

Making the pictures takes nearly all of the time; features are kept source by source (--cache), and a run that was
stopped goes on. --no-furniture trains on the packs alone; --validate only judges.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from _common import ASSETS, BENCH, birth_certificate, parser, percentages, write_csv
from _names_head import Sentences, Settings, calibration_error, image_features, solve
from _training_shapes import FOLDS, LIBRARY, TABLE, Row, kinds_of, pictures, rows, shapes
from torch import Tensor
from torch.nn.functional import cross_entropy

from pointclip._base.files import whole
from pointclip.datasets import FURNITURE_FOLDER, read_rows
from pointclip.points import MeshCloud
from pointclip.prompts import joined_meaning, meaning_sentences
from pointclip.weights import embedded
from pointclip.weights.embedded_head import Head, save_head
from pointclip.weights.embedded_names import LabelNames

JUDGED = (
    "meshes",
    "grey meshes",
    "clouds",
)  # clouds of 2,048 points of furniture, of 2,048 to 20,000 and partly spoiled of packs
AT_ONCE = 25  # shapes between two savings


@dataclass(frozen=True)
class Source:
    """One source's shapes and the features (n, V, D) of their pictures, by kind."""

    name: str
    rows: list[Row]
    features: dict[str, Tensor]

    @property
    def is_furniture(self) -> bool:
        return self.name.endswith(LIBRARY)


class Features:
    """Features of the image tower, kept on disk."""

    def __init__(self, furniture: Path, packs: Path, cache: Path) -> None:
        self.furniture, self.packs, self.cache = furniture, packs, cache
        self.tower = embedded.headless()[0].visual.to(memory_format=torch.channels_last)

    def source(self, name: str) -> Source:
        """Read what is kept of a source, or make it."""
        listed, path = rows(name), self.cache / f"{embedded.TRUNK}_{name}.npz"
        if not path.is_file():
            drawn = list(self._made(name, listed))
            with whole(path) as draft, draft.open("wb") as file:
                joined = {kind: np.concatenate([part[kind] for part in drawn]) for kind in kinds_of(name)}
                np.savez(file, key=[row.path for row in listed], **joined)
        with np.load(path) as kept:
            if kept["key"].tolist() != [row.path for row in listed]:
                raise SystemExit(f"{path} was made of another assets/shapes.csv: remove it")
            return Source(name, listed, {k: torch.from_numpy(kept[k]).float() for k in kinds_of(name)})

    def _made(self, name: str, listed: list[Row]) -> Iterator[dict[str, np.ndarray]]:
        folder = self.cache / "parts"
        folder.mkdir(parents=True, exist_ok=True)
        opened = iter(shapes(name, self.furniture, self.packs, skip=self._done(folder, name)))
        for start in range(0, len(listed), AT_ONCE):
            path = folder / f"{embedded.TRUNK}_{name}_{start}.npz"
            if not path.is_file():
                seeds, kinds = range(start, min(start + AT_ONCE, len(listed))), kinds_of(name)
                some = [self._encoded(next(opened), seed, kinds) for seed in seeds]
                with whole(path) as draft, draft.open("wb") as file:
                    np.savez(file, **{kind: np.stack([one[kind] for one in some]) for kind in kinds})
                print(f"\r{name}: {start + len(some)} of {len(listed)}", end="", file=sys.stderr)
            with np.load(path) as kept:
                yield dict(kept)

    def _done(self, folder: Path, name: str) -> int:
        starts = range(0, 10**9, AT_ONCE)
        return next(k for k in starts if not (folder / f"{embedded.TRUNK}_{name}_{k}.npz").is_file())

    @torch.inference_mode()
    def _encoded(self, shape: MeshCloud, seed: int, kinds: dict[str, int]) -> dict[str, np.ndarray]:
        drawn = pictures(shape, seed, embedded.IMAGE_SIZE, kinds)
        stacked = (torch.cat([drawn[kind] for kind in kinds]) - embedded.MEAN[0]) / embedded.STD[0]
        found = self.tower(stacked.contiguous(memory_format=torch.channels_last)).half().numpy()
        return dict(zip(kinds, np.split(found, np.cumsum(list(kinds.values()))[:-1]), strict=True))


def trained(sources: list[Source], settings: Settings, sentences: Sentences) -> Head:
    """Solve for a head from all shapes of some sources."""
    sources = [source for source in sources if settings.furniture or not source.is_furniture]
    labels = [row.label for source in sources for row in source.rows]
    names = sorted(set(labels))
    y = torch.tensor([names.index(label) for label in labels])
    each = torch.bincount(y).float()[y] ** -settings.balance
    x, weight, target = [], [], []
    for kind, factor in (
        ("ring", 1.0), ("random", settings.random), ("cloud", settings.cloud), ("grey", settings.grey)
    ):  # fmt: skip
        part = torch.cat([source.features[kind] for source in sources])
        x.append(part.flatten(0, 1))
        weight.append((factor * each).repeat_interleave(part.shape[1]))
        target.append(y.repeat_interleave(part.shape[1]))
    weights = torch.cat(weight)
    return solve(torch.cat(x), torch.cat(target), names, weights / weights.sum(), sentences, settings)


@torch.inference_mode()
def label_features(head: Head, labels: list[str], sentences: Sentences) -> Tensor:
    """Give the features (K, C) of labels as the model makes them."""
    encode = LabelNames(head)
    return torch.stack([joined_meaning(encode(sentences(list(texts)))) for texts in meaning_sentences(labels)])


@dataclass(frozen=True)
class Judged:
    """What a head that never saw a source says of it: mean inner products (n, K) of meshes and clouds, and truth."""

    source: str
    products: dict[str, Tensor]
    target: Tensor


def judge(head: Head, source: Source, sentences: Sentences) -> Judged:
    """Judge one source: furniture by the benchmark's classes, a pack by its own labels."""
    benchmark = {(row.archive, row.model): row.label for row in read_rows()}
    labels = sorted(set(benchmark.values())) if source.is_furniture else sorted({row.label for row in source.rows})
    known = [benchmark.get((row.source, row.path)) if source.is_furniture else row.label for row in source.rows]
    which = torch.tensor([k for k, label in enumerate(known) if label is not None])
    text = label_features(head, labels, sentences)
    made = source.features
    shown = {"meshes": made["ring"], "grey meshes": made["grey"], "clouds": made.get("sparse", made["cloud"])}
    found = {what: (image_features(head, drawn[which]) @ text.T).mean(1) for what, drawn in shown.items()}
    return Judged(source.name, found, torch.tensor([labels.index(label) for label in known if label is not None]))


def validate(sources: list[Source], settings: Settings, sentences: Sentences) -> list[Judged]:
    """Leave out each fold once."""
    found = []
    for left_out in FOLDS.values():
        head = trained([source for source in sources if source.name not in left_out], settings, sentences)
        found += [judge(head, source, sentences) for source in sources if source.name in left_out]
    return found


def figures(judged: list[Judged]) -> list[dict]:
    """Give one row for furniture, one for each pack, and the mean of the packs."""
    found = []
    for kind in JUDGED:
        sets = {one.source: (one.products[kind], one.target) for one in judged if not one.source.endswith(LIBRARY)}
        told = {name: percentages(*one) for name, one in sets.items()}
        columns = next(iter(told.values()))
        told["mean of packs"] = {n: round(float(np.mean([row[n] for row in told.values()])), 1) for n in columns}
        told = {"furniture": percentages(*furniture(judged, kind)), **told}
        found += [{"judged": name, "pictures": kind, **row} for name, row in told.items()]
    return found


def furniture(judged: list[Judged], kind: str) -> tuple[Tensor, Tensor]:
    """Join the libraries."""
    some = [one for one in judged if one.source.endswith(LIBRARY)]
    return torch.cat([one.products[kind] for one in some]), torch.cat([one.target for one in some])


def temperature(judged: list[Judged]) -> float:
    """Choose the factor on inner products with the least cross-entropy on meshes, furniture as much as all packs.

    Clouds take no part: their answers are less sure, and one factor for both would make meshes too sure.
    """
    packs = [(one.products["meshes"], one.target) for one in judged if not one.source.endswith(LIBRARY)]
    logits, target = furniture(judged, "meshes")
    scales, losses = np.arange(10.0, 100.0), []
    for scale in scales:
        others = torch.stack([cross_entropy(scale * products, truth) for products, truth in packs])
        losses.append(float(cross_entropy(scale * logits, target) + others.mean()))
    return float(scales[int(np.argmin(losses))])


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--furniture", type=Path, default=FURNITURE_FOLDER, help="folder with the .sh3f libraries")
    options.add_argument("--packs", type=Path, required=True, help="folder with the packs of shapes")
    options.add_argument("--cache", type=Path, default=Path("build/embedded_head"), help="where features are kept")
    options.add_argument("--out", type=Path, default=ASSETS / embedded.HEAD_ASSET)
    options.add_argument("--csv", type=Path, default=BENCH / "embedded_head_validation.csv")
    options.add_argument("--no-furniture", action="store_true", help="learn from the packs alone")
    options.add_argument("--validate", action="store_true", help="write no head")
    arguments = options.parse_args()
    features = Features(arguments.furniture, arguments.packs, arguments.cache)
    sources = [features.source(name) for name in dict.fromkeys(row.source for row in rows())]
    settings, sentences = Settings(furniture=not arguments.no_furniture), Sentences()
    judged = validate(sources, settings, sentences)
    scale = temperature(judged)
    errors = {kind: calibration_error(scale * (pair := furniture(judged, kind))[0], pair[1]) for kind in JUDGED}
    table = [row | {"scale": scale, "calibration_error": errors[row["pictures"]]} for row in figures(judged)]
    for row in table:
        print(*row.values(), sep="\t")
    chosen = {name: json.dumps(value) for name, value in asdict(settings).items()}
    write_csv(arguments.csv, [row | chosen | birth_certificate() for row in table])
    if not arguments.validate:
        head = replace(trained(sources, settings, sentences), logit_scale=float(np.log(scale)))
        save_head(replace(head, metadata=about(head, sources, settings, table)), arguments.out)


def about(head: Head, sources: list[Source], settings: Settings, table: list[dict]) -> dict[str, str]:
    """Say what the head was trained on, how, and under what licences."""
    birth = birth_certificate()
    used = [source for source in sources if settings.furniture or not source.is_furniture]
    names = sorted({row.label for source in used for row in source.rows})
    return {
        "trained_on": f"{sum(len(source.rows) for source in used)} meshes of {len(used)} sources: assets/shapes.csv",
        "rows_sha256": hashlib.sha256(TABLE.read_bytes()).hexdigest(),
        "names": json.dumps(names),
        **{name: birth[name] for name in ("command", "commit", "date")},
        "settings": json.dumps(asdict(settings)),
        "validation": json.dumps([row for row in table if row["judged"] in ("furniture", "mean of packs")]),
        "licence": "Apache-2.0; training meshes CC-BY 3.0 and CC0, credited in assets/SOURCES.md",
    }


if __name__ == "__main__":
    main()
