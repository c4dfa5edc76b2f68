"""``pointclip embed`` and ``pointclip search``: shapes to one file, words or a shape to the likes of it."""

import shutil
from pathlib import Path

import pytest
import torch
import trimesh
from PIL import Image
from support.command_line import run
from torch.nn.functional import normalize

from pointclip.points import load
from pointclip.search import retrieval
from pointclip.search.index import ShapeIndex
from pointclip.search.retrieval import encode_query
from pointclip.weights import loading as weights

ALL = ["box.obj", "sub/ball.ply", "sub/cloud.xyz"]


@pytest.fixture
def few(tiny_file):
    return ("--model", tiny_file, "--views", "ring-2", "--points", 300, "--precision", "fp32", "--device", "cpu")


@pytest.fixture
def index(few, shapes):
    """Embed the three shapes; give the index's name."""
    ran = run("embed", ".", "--out", "i.safetensors", *few)
    assert ran.code == 0, ran.err
    assert "3 shapes, 16 channels" in ran.out
    return "i.safetensors"


def search(*arguments):
    return run("search", *arguments, "--precision", "fp32", "--device", "cpu")


def test_an_index_holds_the_fused_features_of_the_model(index, model):
    found = ShapeIndex(index)
    assert [found.name(place) for place in range(len(found))] == ALL
    for place, name in enumerate(ALL):
        cloud = load(name, 300)
        fused = normalize(model.encode_views(cloud)[0].mean(0), dim=-1)
        torch.testing.assert_close(found._features[place], fused, atol=2e-5, rtol=0)


def test_words_find_what_their_cosine_says(index, model):
    ran = search("a round  wooden table", "--in", index, "-k", 2, "--json")
    assert ran.code == 0, ran.err
    text = model.clip.encode_sentences(["a round wooden table"])[0]
    cosines = (ShapeIndex(index)._features[:] @ text).sort(descending=True)
    assert [hit["path"] for hit in ran.json["hits"]] == [ALL[place] for place in cosines.indices[:2]]
    assert [hit["similarity"] for hit in ran.json["hits"]] == pytest.approx(cosines.values[:2].tolist(), abs=1e-6)
    assert (ran.json["kind"], ran.json["searched"]) == ("text", 3)
    table = search("a round  wooden table", "--in", index, "-k", 2).out.splitlines()
    assert len(table) == 2 and table[0].startswith("1") and table[0].endswith(ran.json["hits"][0]["path"])


def test_a_word_is_a_class_name_and_a_sentence_stays_as_it_is(model):
    assert torch.equal(encode_query(model, "night_stand"), model.encode_labels(["night stand"])[0])
    assert torch.equal(encode_query(model, "a chair"), model.clip.encode_sentences(["a chair"])[0])
    forced = model.clip.encode_labels(["night stand"], "pointclip")[0]
    assert torch.equal(encode_query(model, "night stand", "pointclip"), forced)
    assert not torch.equal(encode_query(model, "night stand"), encode_query(model, "night_stand"))


@pytest.mark.parametrize("query", [("sub/ball.ply",), ("--shape", "sub/ball.ply")])
def test_a_shape_finds_itself_first(index, query):
    ran = search(*query, "--in", index, "--json")
    assert ran.code == 0, ran.err
    first = ran.json["hits"][0]
    assert first["path"] == "sub/ball.ply" and first["similarity"] == pytest.approx(1, abs=1e-4)
    assert ran.json["kind"] == "shape" and ran.json["query"] == "sub/ball.ply"


def test_a_sheet_shows_the_shapes_found_wherever_one_stands(index, shapes, monkeypatch):
    (shapes / "elsewhere").mkdir()
    monkeypatch.chdir(shapes / "elsewhere")
    (shapes / "box.obj").unlink()
    ran = search("something", "--in", "../i.safetensors", "--sheet", "s.png", "--json")
    assert ran.code == 2 and "box.obj does not exist" in ran.err
    assert len(ran.json["hits"]) == 3 and ran.json["sheet"] == "s.png"
    sheet = Image.open("s.png").convert("L")
    order = [hit["path"] for hit in ran.json["hits"]]
    tiles = [sheet.crop((16 + 210 * column + 5, 70, 16 + 210 * column + 195, 250)) for column in range(3)]
    dark = {name: tile.getextrema()[0] < 200 for name, tile in zip(order, tiles, strict=True)}
    assert dark == {"box.obj": False, "sub/ball.ply": True, "sub/cloud.xyz": True}


def test_bad_files_are_told_and_left_out(few, shapes):
    (shapes / "bad.obj").write_text("this is no mesh")
    ran = run("embed", ".", "nope.ply", "--out", "i.safetensors", *few, "--json")
    assert ran.code == 2
    assert "nope.ply does not exist" in ran.err and "bad.obj" in ran.err
    assert sorted(row["path"] for row in ran.json["left_out"]) == ["bad.obj", "nope.ply"]
    found = ShapeIndex("i.safetensors")
    assert [found.name(place) for place in range(len(found))] == ALL and ran.json["shapes"] == 3


@pytest.mark.parametrize("content", [None, "this is no mesh"])
def test_with_no_good_shape_nothing_is_written(few, shapes, content):
    if content:
        (shapes / "bad.obj").write_text(content)
    ran = run("embed", "bad.obj", "--out", "i.safetensors", *few)
    assert ran.code == 2 and "i.safetensors was not written" in ran.err
    assert not list(shapes.glob("i.safetensors*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a chair", "--in", "gone.safetensors"), "gone.safetensors does not exist"),
        (("a chair", "--in", "sub"), "sub is a folder: name a file that pointclip embed wrote"),
        (("a chair", "--in", "box.obj"), "no safetensors file"),
        (("--in", "i.safetensors"), "say what to look for"),
        (("a chair", "--shape", "box.obj", "--in", "i.safetensors"), "one of the two"),
        (("  ", "--in", "i.safetensors"), "the query is empty"),
        (("./sub", "--in", "i.safetensors"), "is a folder: name one shape file"),
        (("gone.obj", "--in", "i.safetensors"), "gone.obj does not exist"),
        (("box.obj", "--templates", "shape", "--in", "i.safetensors"), "leave them out"),
        (("a chair", "--templates", "shapes", "--in", "i.safetensors"), "shapes"),
        (("a chair", "--sheet", "no/s.png", "--in", "i.safetensors"), "no folder"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(index, arguments, message):
    ran = search(*arguments)
    assert ran.code == 2
    assert message in ran.err and "Traceback" not in ran.err and ran.out == ""


def test_a_file_that_cannot_be_replaced_is_refused_before_any_work(few, shapes, monkeypatch):
    monkeypatch.setattr("pointclip._base.files.os.access", lambda *_: False)  # the tests may run as root
    Path("old").write_text("old")
    ran = run("embed", ".", "--out", "old", *few)
    assert ran.code == 2 and "old is read-only: name another file" in ran.err


def test_another_model_is_refused(index, tiny_file, shapes):
    torch.save(weights.random("tiny-vit", seed=8).model.state_dict(), "other.pt")
    ran = search("a chair", "--in", index, "--model", f"tiny-vit@{shapes}/other.pt")
    assert ran.code == 2 and "was made with" in ran.err and "other.pt" in ran.err
    arch, _, path = tiny_file.partition("@")
    shutil.copy(path, "moved.pt")
    assert search("a chair", "--in", index, "--model", f"{arch}@{shapes}/moved.pt").code == 0


def test_an_interrupted_embed_ends_with_the_same_bytes(few, shapes, monkeypatch, encoded):
    usual, stop = retrieval.encode_dataset, [4]

    def stopping(*arguments, watch, **settings):
        def count(done, _):
            if stop and done >= stop[0]:
                raise KeyboardInterrupt

        return usual(*arguments, watch=count, **settings)

    for number in range(12):
        trimesh.creation.box((1, 2, 1 + number)).export(f"sub/{number}.stl")
    assert run("embed", ".", "--out", "whole", *few).code == 0
    monkeypatch.setenv("POINTCLIP_CACHE", "another")
    monkeypatch.setattr(retrieval, "encode_dataset", stopping)
    stopped = run("embed", ".", "--out", "torn", *few)
    assert stopped.code == 130 and "what was done is kept: the same command goes on" in stopped.err
    assert not (shapes / "torn").exists()
    stop.clear()
    encoded.clear()
    assert run("embed", ".", "--out", "torn", *few).code == 0
    assert len(encoded) == 11
    assert (shapes / "torn").read_bytes() == (shapes / "whole").read_bytes()
