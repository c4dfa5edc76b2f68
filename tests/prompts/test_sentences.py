"""Labels and templates to sentences."""

import pytest

from pointclip._base.assets import asset
from pointclip.errors import InputError
from pointclip.prompts import sentences as prompts


def test_sentences_are_label_major():
    assert prompts.sentences(["a", "b"], ["{} x", "{} y"]) == ["a x", "a y", "b x", "b y"]


def test_braces_in_a_label_are_plain_text():
    assert prompts.sentences(["{0}"], ["a {}."]) == ["a {0}."]


@pytest.mark.parametrize("name", prompts.template_names())
def test_every_set_has_distinct_templates_with_one_place(name):
    found = prompts.templates(name)
    assert len(found) == len(set(found)) >= 1
    assert all(template.count("{}") == 1 for template in found)


def test_imagenet_80_is_open_clips_own():
    import open_clip

    found = prompts.templates("imagenet-80")
    assert len(found) == 80
    assert [template.replace("{}", "cat") for template in found] == [
        t("cat") for t in open_clip.OPENAI_IMAGENET_TEMPLATES
    ]


def test_own_file(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("# clay\na clay {}.\n\n  a wooden {}.  \n")
    assert prompts.templates(path) == prompts.templates(str(path)) == ("a clay {}.", "a wooden {}.")


@pytest.mark.parametrize("text", ["a chair\n", "{} and {}\n", "\n"])
def test_bad_template_file_names_the_file(tmp_path, text):
    path = tmp_path / "mine.txt"
    path.write_text(text)
    with pytest.raises(InputError, match="mine.txt"):
        prompts.templates(path)


def test_unknown_set_suggests_the_nearest():
    with pytest.raises(InputError, match="did you mean 'shape'"):
        prompts.templates("shapes")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([], "at least one"),
        (["chair", " "], "empty"),
        (["night_stand", "Night  stand"], "'night_stand' and 'Night  stand'"),
        ("chair", "list of class names"),
        (["chair", 3], "must be strings"),
    ],
)
def test_bad_labels(labels, words):
    with pytest.raises(InputError, match=words):
        prompts.clean_labels(labels)


def test_labels_of_modelnet40():
    labels = prompts.read_labels(asset("labels/modelnet40.txt"))
    assert len(labels) == 40
    assert {"night stand", "tv stand", "range hood", "glass box", "flower pot", "xbox"} <= set(labels)
    assert list(labels) == sorted(labels)


def test_labels_file_errors_name_the_file(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("chair\nchair\n")
    with pytest.raises(InputError, match=r"labels\.txt.*must differ"):
        prompts.read_labels(path)
    with pytest.raises(InputError, match="does not exist"):
        prompts.read_labels(tmp_path / "none.txt")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        prompts.read_labels(path)
