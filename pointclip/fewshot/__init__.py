"""Few-shot fitting on a user's own classes.

Example:
    A head of one's own, learned from a torch dataset of one's own, used and judged:

    >>> import torch, tempfile
    >>> import pointclip as pc
    >>> from pointclip import weights
    >>> from pointclip.clip import FrozenClip
    >>> from pointclip.heads import Head
    >>> class Shapes(torch.utils.data.Dataset):
    ...     labels = ["pole", "plate"]
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, index):
    ...         points = torch.rand(200, 3, generator=torch.Generator().manual_seed(index))
    ...         return points * torch.tensor([[0.1, 2.0, 0.1], [1.0, 0.1, 1.0]])[index % 2], index % 2
    >>> class Means(Head):
    ...     def forward(self, features):
    ...         return self.scale * features.mean(1) @ self.text.T
    ...     @classmethod
    ...     def learn(cls, train, targets, text, scale):
    ...         means = [train[targets == number].mean((0, 1, 2)) for number in range(len(text))]
    ...         return cls(torch.stack(means), train.shape[2], scale)
    >>> clip = FrozenClip(weights.random("ViT-S-32-alt"), device="cpu", precision="fp32")
    >>> model = pc.PointCLIP(clip, views="ring-1", style="depth")
    >>> with tempfile.TemporaryDirectory() as cache:
    ...     result = pc.fit(model, Shapes(), shots=1, method=Means, cache=cache, progress=False)
    >>> own = pc.PointCLIP(clip, views="ring-1", style="depth", adapter=result.checkpoint)
    >>> own.classify(Shapes()[2][0]).label
    'pole'
    >>> pc.evaluate(own, Shapes()).metrics["accuracy"]
    1.0
"""

from pointclip.fewshot.conversion import convert_v1
from pointclip.fewshot.fitting import FewShotResult, fit
from pointclip.fewshot.resume import FitInterrupted

__all__ = ["FewShotResult", "FitInterrupted", "convert_v1", "fit"]
