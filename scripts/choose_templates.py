"""Choose the templates on a validation part of train: every template set, and class descriptions beside them.

    python scripts/choose_templates.py --root /usr/share/sweethome3d/furniture

Validation: the train meshes of two libraries (as in train_embedded_head.py). The shipped ``embedded`` head was trained
on them, so for it each library is scored with a head solved without that library; other models are taken as they are.
Template sets are compared on all 71 furniture labels. Class descriptions are there for ModelNet40's names only, so they
are compared with the sets on the meshes that have a class among those 40, told apart from all 40. A split named test is
refused. The table goes to --out.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from _common import BENCH, birth_certificate, parser, percentages, write_csv
from torch import Tensor
from torch.nn.functional import normalize
from train_embedded_head import HELD_OUT, SHADED, Bench, Settings, solve

from pointclip import PointCLIP
from pointclip._base.assets import asset
from pointclip._base.leaks import refuse_test_split
from pointclip.datasets import FURNITURE_FOLDER, SweetHome3D, read_rows
from pointclip.encoding.cached import encode
from pointclip.prompts import SHIPPED, class_sentences, mean_direction, read_labels, template_names
from pointclip.weights import embedded

SAME_CLASS = {
    "bookcase": "bookshelf",
    "nightstand": "night stand",
    "potted plant": "plant",
    "computer monitor": "monitor",
    "computer keyboard": "keyboard",
    "staircase": "stairs",
    "fireplace": "mantel",
}  # furniture label: ModelNet40's name for it
DESCRIBED_AS = ("{}", "{label}, {}", "a {label}: {}.")


def sources() -> dict[str, Any]:
    """Give what is compared: the template sets, then the shipped descriptions in each of their templates."""
    (shipped, path), *_ = SHIPPED.items()
    held = json.loads(asset(path).read_text(encoding="utf-8"))["descriptions"]
    described = {f"{shipped}: {form}": {"templates": [form], "descriptions": held} for form in DESCRIBED_AS}
    return {**{name: name for name in template_names()}, **described}


def text_of(encoder: Any, labels: Sequence[str], source: Any) -> Tensor:
    """Embed labels (K, C): the mean over the sentences of each, made unit vectors."""
    sentences = class_sentences(labels, source)
    every = encoder([text for texts in sentences for text in texts]).split([len(texts) for texts in sentences])
    return torch.cat([mean_direction(one[None]) for one in every])


def held_out_features(root: Path, split: str, name: str, cache: Path) -> tuple[Tensor, list[str], Any]:
    """Encode the validation shapes (N, V, C); give their labels and the text encoder."""
    refuse_test_split(split)
    if name != "embedded":
        kept = [row for row in read_rows() if row.archive in HELD_OUT]
        data = SweetHome3D(root, split=split, only=kept)
        model = PointCLIP.from_pretrained(name)
        return encode(model, data)[:, 0], [row.label for row in data.rows], model.clip.encode_sentences
    bench = Bench(root, cache)
    settings = Settings(**json.loads(embedded.read_head(asset(embedded.HEAD_ASSET)).metadata["settings"]))
    train, shaded = bench.train_set(settings.train_on), bench.features(SHADED).clone()
    features, labels = [], []
    for library in HELD_OUT:
        out = torch.tensor([name == library for name in bench.library])
        head = solve(bench, settings, train[~out], bench.target[~out])
        features.append(normalize(normalize(shaded[out], dim=-1) @ head.T, dim=-1))
        labels += [bench.labels[int(target)] for target in bench.target[out]]
    return torch.cat(features), labels, bench.sentences


def table(features: Tensor, truth: Sequence[str], labels: Sequence[str], encoder: Any, tried: Mapping) -> list[dict]:
    """Score each source: a row with top-1, top-5 and mean class accuracy in per cent."""
    target = torch.tensor([list(labels).index(label) for label in truth])
    rows = []
    for name, source in tried.items():
        logits = (features @ text_of(encoder, labels, source).T).mean(1)
        rows.append({"labels": len(labels), "shapes": len(truth), "templates": name, **percentages(logits, target)})
    best = max(range(len(rows)), key=lambda i: (rows[i]["top1"], rows[i]["top5"]))
    return [row | {"chosen": number == best} for number, row in enumerate(rows)]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--root", type=Path, default=FURNITURE_FOLDER)
    options.add_argument("--split", default="train", help="must not be a test split")
    options.add_argument("--model", default="embedded")
    options.add_argument("--cache", type=Path, default=Path("build/embedded_head"), help="as of train_embedded_head.py")
    options.add_argument("--out", type=Path, default=BENCH / "templates_validation.csv")
    arguments = options.parse_args()
    features, truth, encoder = held_out_features(arguments.root, arguments.split, arguments.model, arguments.cache)
    furniture = sorted({row.label for row in read_rows()})
    names = read_labels(asset("labels/modelnet40.txt"))
    tried = sources()
    rows = table(features, truth, furniture, encoder, {name: tried[name] for name in template_names()})
    known = [SAME_CLASS.get(label, label) for label in truth]
    among = torch.tensor([label in names for label in known])
    rows += table(features[among], [label for label in known if label in names], names, encoder, tried)
    certificate = {
        "model": arguments.model,
        "dataset": f"sweethome3d, {arguments.split}, libraries {' and '.join(HELD_OUT)}",
        **birth_certificate(),
    }
    for row in rows:
        print(*row.values(), sep="\t")
    write_csv(arguments.out, [row | certificate for row in rows])


if __name__ == "__main__":
    main()
