"""An adapter of one's own, learned from a torch Dataset of one's own and judged with intervals: a start to change.

    python scripts/own_adapter.py train.npz test.npz --shots 4

Each file holds ``points`` (N, P, 3), +y up, ``targets`` (N,), the numbers of the classes, and ``names`` (K,).
"""

import numpy as np
import torch
from _common import parser

import pointclip as pc
from pointclip.heads import Head


class Clouds(torch.utils.data.Dataset):
    def __init__(self, path: str) -> None:
        with np.load(path) as held:
            self.points, self.targets = torch.from_numpy(held["points"]).float(), held["targets"].tolist()
            self.labels = held["names"].tolist()

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int):
        return self.points[index], self.targets[index]


class Linear(Head):
    settings = ({"epochs": 0}, {"epochs": 20}, {"epochs": 200})  # chosen on validation; 0 is zero-shot

    def __init__(self, text, num_views, scale):
        super().__init__(text, num_views, scale)
        self.change = torch.nn.Parameter(torch.eye(text.shape[1]))

    def forward(self, features):  # (B,V,C) to (B,K)
        return self.scale * torch.nn.functional.normalize(features @ self.change, dim=-1).mean(1) @ self.text.T

    @classmethod
    def learn(cls, train, targets, text, scale, epochs):  # train is (N,A,V,C): A copies of each shot
        head = cls(text, train.shape[2], scale)
        optimizer = torch.optim.AdamW(head.parameters(), 1e-2)
        for epoch in range(epochs):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(head(train[:, epoch % train.shape[1]]), targets).backward()
            optimizer.step()
        return head


if __name__ == "__main__":
    options = parser(__doc__)
    for name, how in {"train": {}, "test": {}, "--shots": {"type": int, "default": 4}, "--model": {}}.items():
        options.add_argument(name, **how)
    asked = options.parse_args()
    model = pc.PointCLIP.from_pretrained(asked.model or "embedded")
    result = pc.fit(model, Clouds(asked.train), shots=asked.shots, method=Linear)
    own = pc.PointCLIP.from_pretrained(asked.model or "embedded", adapter=result.checkpoint)
    for name, judged in (("zero-shot", model), ("own adapter", own)):
        told = pc.evaluate(judged, Clouds(asked.test)).metrics
        print(name, *(f"{100 * share:.1f} %" for share in (told["accuracy"], *told["accuracy_interval"])))
