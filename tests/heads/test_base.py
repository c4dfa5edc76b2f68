"""A head of one's own: how it learns, what is chosen, and how it is read again."""

from typing import ClassVar

import pytest
import torch

import pointclip as pc
from pointclip.errors import InputError, WeightsError
from pointclip.heads import Head, Method, build_head, fit_head, load_checkpoint, method_named


class Trained(Head):
    """A linear layer, trained by gradient descent from random weights."""

    settings = ({"steps": 0}, {"steps": 60})
    asked: ClassVar[list[int]] = []

    def __init__(self, text, num_views, scale, bias=True):
        super().__init__(text, num_views, scale)
        self.bias = bias
        self.layer = torch.nn.Linear(text.shape[1], len(text), bias=bias)

    def own_config(self):
        return {"bias": self.bias}

    def forward(self, features):
        return self.layer(features.mean(1))

    @classmethod
    def learn(cls, train, targets, text, scale, steps):
        cls.asked.append(steps)
        head = cls(text, train.shape[2], scale, bias=False)
        optimizer = torch.optim.SGD(head.parameters(), lr=5.0)
        for _ in range(steps):
            loss = torch.nn.functional.cross_entropy(head(train[:, 0]), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return head


class Silent(Head):
    """A head that cannot learn."""


def task():
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(6).repeat(5)
    means = torch.randn(6, 12, generator=generator)
    features = means[targets][:, None] + 0.3 * torch.randn(30, 3, 12, generator=generator)
    text = torch.nn.functional.normalize(torch.randn(6, 12, generator=generator), dim=1)
    return torch.nn.functional.normalize(features, dim=2), targets, text


def test_a_head_is_trained_and_its_settings_are_chosen_on_validation():
    features, targets, text = task()
    fitted = Method.of(Trained).fit(features, targets, text, features, targets)
    assert fitted.chosen == {"steps": 60} and fitted.val_accuracy == 1.0
    assert [record["steps"] for record in fitted.history] == [0, 60]
    Trained.asked.clear()
    assert Method.of(Trained).fit(features, targets, text, only={"steps": 0}).chosen == {"steps": 0}
    assert Trained.asked == [0]  # nothing is learned only to be left
    assert Trained.settings == ({"steps": 0}, {"steps": 60})


def test_the_seed_decides_and_the_global_state_stays():
    features, targets, text = task()
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one, again, other = (
        Method.of(Trained).fit(features, targets, text, seed=seed).head.layer.weight for seed in (1, 1, 2)
    )
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_rows_names_and_classes_are_methods():
    row = Method.of(Trained)
    assert method_named(row) is row
    assert (method_named(Trained).name, row.about) == (
        "Trained",
        "A linear layer, trained by gradient descent from random weights.",
    )
    features, targets, text = task()
    assert fit_head(Trained, features, targets, text).chosen == {"steps": 0}
    with pytest.raises(InputError, match="Silent has no learn"):
        fit_head(Silent, features, targets, text)


def test_a_file_is_read_where_the_class_is_known(tmp_path):
    features, targets, text = task()
    head = fit_head(Trained, features, targets, text).head
    assert head.config["bias"] is False
    again = build_head(head.config)
    again.load_state_dict(head.state_dict())
    assert torch.equal(again(features), head(features))
    with pytest.raises(InputError, match="'Nowhere' is unknown: .* one of your own must be imported first"):
        build_head({**head.config, "kind": "Nowhere"})


class Solids(torch.utils.data.Dataset):
    """Poles and plates, as torch gives them."""

    labels = ("pole", "plate")

    def __init__(self, seeds):
        self.seeds = list(seeds)

    def __len__(self):
        return len(self.seeds)

    def __getitem__(self, index):
        number = self.seeds[index] % 2
        points = torch.rand(150, 3, generator=torch.Generator().manual_seed(self.seeds[index]))
        return points * torch.tensor([[0.1, 2.0, 0.1], [1.0, 0.1, 1.0]])[number], torch.tensor(number)


@pytest.mark.parametrize("shots", [1, 3])
def test_from_torch_datasets_to_a_file_and_back(model, tmp_path, shots):
    how = {"cache": tmp_path / "cache", "progress": False, "out": tmp_path / "own.safetensors"}
    result = pc.fit(model, Solids(range(6)), shots=shots, method=Trained, **how)
    assert result.checkpoint.about["method"] == "Trained"
    assert result.chosen in Trained.settings
    assert (result.num_train, result.num_val) == (2 * shots, 4 if shots == 1 else 6)
    looks = {"views": model.views, "style": model.style}
    own = pc.PointCLIP(model.clip, **looks, adapter=load_checkpoint(how["out"]))
    same = pc.PointCLIP(model.clip, **looks, adapter=result.checkpoint)
    clouds = [Solids(range(20, 24))[k][0] for k in range(4)]
    for cloud in clouds:
        assert torch.equal(own.classify(cloud).logits, same.classify(cloud).logits)
    found = pc.evaluate(same, Solids(range(20, 30)))
    assert found.test.ids[3] == "000003" and len(found.test) == 10
    answers = [same.classify(Solids(range(20, 30))[k][0]).label for k in range(10)]
    right = sum(label == ("pole", "plate")[k % 2] for k, label in enumerate(answers))
    assert found.metrics["accuracy"] == pytest.approx(right / 10)


def test_a_trained_head_of_another_rig_is_refused(model, tmp_path):
    result = pc.fit(model, Solids(range(4)), shots=1, method=Trained, cache=tmp_path, progress=False)
    with pytest.raises((InputError, WeightsError), match="ring-2"):
        pc.PointCLIP(model.clip, views="ring-3", adapter=result.checkpoint)
