"""The towers of ``embedded`` without its trained head: a model that has seen no furniture, for clean few-shot curves.

The head of ``embedded`` was trained on the 287 train meshes of the sweethome3d benchmark, so tests that hold any of
them are no tests of it. Here image features are the trunk's own 1280 numbers, and sentences are mapped to them by ridge
regression from the names of ImageNet's 1000 classes to the rows of ImageNet's classifier: no mesh takes part.
"""

import hashlib

import torch
from torch.nn.functional import normalize

import pointclip as pc
from pointclip.clip import FrozenClip
from pointclip.weights import LoadedModel, embedded

NAME = "embedded-untrained"
RIDGE = 1.0


def sentence_map(model, tokenizer) -> torch.Tensor:
    """Solve for the map (1280, 384) from sentence embeddings of class names to rows of the classifier."""
    from open_clip import IMAGENET_CLASSNAMES

    rows = normalize(embedded.imagenet_classifier()[0], dim=1)
    with torch.inference_mode():
        batches = [model.encode_text(tokenizer(IMAGENET_CLASSNAMES[k : k + 100])) for k in range(0, 1000, 100)]
    names = normalize(torch.cat(batches).clone().float(), dim=1)
    return torch.linalg.solve(names.T @ names + RIDGE * torch.eye(names.shape[1]), names.T @ rows).T


def load(views: str = "ring-6", style: str = "auto", device: str = "auto") -> pc.PointCLIP:
    """Build the model."""
    model, tokenizer = embedded.headless()
    linear = sentence_map(model, tokenizer)
    model.visual.head = torch.nn.Identity()
    model.text.proj = torch.nn.Linear(linear.shape[1], linear.shape[0], bias=False)
    with torch.no_grad():
        model.text.proj.weight.copy_(linear)
    loaded = LoadedModel(
        name=NAME,
        model=model.eval().requires_grad_(False),
        tokenizer=tokenizer,
        image_size=embedded.IMAGE_SIZE,
        mean=embedded.MEAN,
        std=embedded.STD,
        logit_scale=None,
        identity=hashlib.sha256(f"{NAME} {RIDGE} 1".encode()).hexdigest(),
        source=embedded.SOURCE,
        licence=embedded.LICENCE,
    )
    return pc.PointCLIP(FrozenClip(loaded, device=device), views, style, ["{}"])
