"""What features were made with: one key, and one sentence for what differs."""

import json
from dataclasses import asdict, fields, replace

import pytest

from pointclip import images
from pointclip.cameras import rigs
from pointclip.errors import InputError, WeightsError
from pointclip.feature_spec import FeatureSpec

KNOWN = {"image_size": 224, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2], "precision": "fp32"}


def spec(rig="ring-2", style="auto", **others):
    return FeatureSpec.of("tiny", "abc", rigs.views(rig), style, **KNOWN | others)


CHANGES = {
    "identity": "0",
    "image_size": 32,
    "mean": [0.4, 0.5, 0.5],
    "std": [0.3, 0.2, 0.2],
    "precision": "bf16",
    "drop_outliers": False,
    "skip_background": True,
    "pose": "search",
    "surface": "triangles",
    "features": "raw",
}
OF_ITS_OWN = {"model", "rig", "cameras", "style", "settings"}  # names, and what has a test of its own below


def test_no_field_is_left_out():
    assert set(CHANGES) | OF_ITS_OWN == {field.name for field in fields(FeatureSpec)}


@pytest.mark.parametrize(("name", "value"), CHANGES.items())
def test_all_that_decides_features_is_in_the_key_and_refused(name, value):
    other = replace(spec(), **{name: value})
    assert other.key != spec().key
    if name == "precision":
        assert not spec().differences(other)
        return
    with pytest.raises(InputError, match="^cups was made with .*, not with .*: take the former, or make it anew$"):
        spec().refuse_another(other, "cups")


def test_rig_and_style_are_in_the_key_by_their_numbers():
    kinds = [spec(), spec("ring-3"), spec(style=images.style("depth")), spec(style=images.style("depth", near=0.2))]
    assert len({kind.key for kind in kinds}) == 4
    assert spec(style=images.style("depth", near=0.2)).key == kinds[3].key
    assert replace(spec(), model="another name", rig="another rig").key == spec().key
    assert list(kinds[2].differences(kinds[3])) == ["style"]
    assert list(kinds[0].differences(replace(kinds[1], identity="0"))) == ["model", "views"]


def test_it_outlives_json():
    made = spec(style=images.style("shaded", light=(0.5, 0.0, -1.0)), pose="search")
    again = FeatureSpec(**json.loads(json.dumps(asdict(made))))
    assert again.key == made.key and not again.differences(made)
    assert again.drawn == images.style("shaded", light=(0.5, 0.0, -1.0))
    assert again.views.names == rigs.views("ring-2").names


def test_what_an_old_file_does_not_know_does_not_differ():
    old = FeatureSpec.of("tiny", "abc", rigs.views("ring-2"), "auto")
    assert not old.differences(spec()) and not spec().differences(old)


def test_a_style_that_is_not_known_any_more_is_refused():
    with pytest.raises(WeightsError, match="no style like"):
        _ = replace(spec(), settings={"kind": "Etching"}).drawn
