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
from _names_head import Sentences, Settings, image_features
from _training_shapes import rows as training_rows
from torch import Tensor
from train_embedded_head import Features, trained

from pointclip import PointCLIP
from pointclip._base.assets import asset
from pointclip._base.leaks import refuse_test_split
from pointclip.datasets import FURNITURE_FOLDER, SweetHome3D, read_rows
from pointclip.encoding import encode
from pointclip.prompts import (
    MEANING,
    SHIPPED,
    class_sentences,
    joined_meaning,
    mean_direction,
    read_labels,
    template_names,
)
from pointclip.weights import embedded
from pointclip.weights.embedded_names import LabelNames

HELD_OUT = ("BlendSwap-CC-BY.sh3f", "Scopia.sh3f")
Part = tuple[Tensor, list[str], Any]  # features (n, V, C), labels, text encoder

SAME_CLASS = {
    "bookcase": "bookshelf",
    "nightstand": "night stand",
    "potted plant": "plant",
    "computer monitor": "monitor",
    "computer keyboard": "keyboard",
    "staircase": "stairs",
    "fireplace": "mantel",
}  # furniture label: ModelNet40's name for it
SETS = (*template_names(), MEANING)
DESCRIBED_AS = ("{}", "{label}, {}", "a {label}: {}.")


def sources() -> dict[str, Any]:
    """Give what is compared: the template sets, then the shipped descriptions in each of their templates."""
    (shipped, path), *_ = SHIPPED.items()
    held = json.loads(asset(path).read_text(encoding="utf-8"))["descriptions"]
    described = {f"{shipped}: {form}": {"templates": [form], "descriptions": held} for form in DESCRIBED_AS}
    return {**{name: name for name in SETS}, **described}


def text_of(encoder: Any, labels: Sequence[str], source: Any) -> Tensor:
    """Embed labels (K, C): the mean over the sentences of each, made unit vectors."""
    sentences = class_sentences(labels, source)
    every = encoder([text for texts in sentences for text in texts]).split([len(texts) for texts in sentences])
    return torch.stack([joined_meaning(one) if source == MEANING else mean_direction(one[None])[0] for one in every])


def held_out_parts(asked: Any) -> list[Part]:
    """Encode the validation shapes, and give the text encoder that goes with them."""
    refuse_test_split(asked.split)
    if asked.model != "embedded":
        kept = [row for row in read_rows() if row.archive in HELD_OUT]
        data = SweetHome3D(asked.root, split=asked.split, only=kept)
        model = PointCLIP.from_pretrained(asked.model)
        return [(encode(model, data)[:, 0], [row.label for row in data.rows], model.clip.encode_sentences)]
    features, sentences = Features(asked.root, asked.packs, asked.cache), Sentences()
    sources = [features.source(name) for name in dict.fromkeys(row.source for row in training_rows())]
    settings = Settings(**json.loads(embedded.shipped_head().metadata["settings"]))
    return [_held_out(library, sources, settings, sentences) for library in HELD_OUT]


def _held_out(library: str, sources: list, settings: Settings, sentences: Sentences) -> Part:
    head = trained([source for source in sources if source.name != library], settings, sentences)
    (source,) = (source for source in sources if source.name == library)
    known = {(row.archive, row.model): row.label for row in read_rows()}
    label = [known.get((row.source, row.path)) for row in source.rows]
    which = [number for number, one in enumerate(label) if one is not None]
    encoder, told = LabelNames(head), image_features(head, source.features["ring"][which])
    return told, [label[number] for number in which], lambda texts: encoder(sentences(list(texts)))


@torch.inference_mode()
def table(parts: list[Part], labels: Sequence[str], tried: Mapping) -> list[dict]:
    """Score each source on the shapes of known labels: a row with top-1, top-5 and mean class accuracy in per cent."""
    chosen = [[k for k, label in enumerate(truth) if label in labels] for _, truth, _ in parts]
    pairs = list(zip(parts, chosen, strict=True))
    target = torch.tensor([list(labels).index(truth[k]) for (_, truth, _), some in pairs for k in some])
    rows = []
    for name, source in tried.items():
        told = [(features[some] @ text_of(encode, labels, source).T).mean(1) for (features, _, encode), some in pairs]
        scores = percentages(torch.cat(told), target)
        rows.append({"labels": len(labels), "shapes": len(target), "templates": name, **scores})
    best = max(range(len(rows)), key=lambda i: (rows[i]["top1"], rows[i]["top5"]))
    return [row | {"chosen": number == best} for number, row in enumerate(rows)]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--root", type=Path, default=FURNITURE_FOLDER)
    options.add_argument("--split", default="train", help="must not be a test split")
    options.add_argument("--model", default="embedded")
    options.add_argument("--packs", type=Path, help="folder with the packs of shapes, for the model embedded")
    options.add_argument("--cache", type=Path, default=Path("build/embedded_head"), help="as of train_embedded_head.py")
    options.add_argument("--out", type=Path, default=BENCH / "templates_validation.csv")
    arguments = options.parse_args()
    parts = held_out_parts(arguments)
    furniture = sorted({row.label for row in read_rows()})
    names = read_labels(asset("labels/modelnet40.txt"))
    tried = sources()
    rows = table(parts, furniture, {name: tried[name] for name in SETS})
    renamed = [(found, [SAME_CLASS.get(label, label) for label in truth], encoder) for found, truth, encoder in parts]
    rows += table(renamed, names, tried)
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
