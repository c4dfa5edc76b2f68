"""COLLADA and 3MF files, with and without the packages they need."""

import sys

import numpy as np
import pytest
import trimesh

from pointclip.errors import InputError
from pointclip.meshes import load_geometry

BOX = trimesh.creation.box((1, 2, 3))


def red_box() -> trimesh.Trimesh:
    box = BOX.copy()
    box.visual.vertex_colors = [255, 0, 0, 255]
    return box


@pytest.mark.parametrize(("up", "size"), [("Y", (1, 2, 3)), ("Z", (1, 3, 2)), ("X", (2, 1, 3))])
def test_dae_stands_as_the_file_says(tmp_path, up, size):
    text = red_box().export(file_type="dae").decode()
    assert "Y_UP" in text
    (tmp_path / "a.dae").write_text(text.replace("Y_UP", f"{up}_UP"))
    mesh = load_geometry(tmp_path / "a.dae")
    assert np.allclose(np.ptp(mesh.vertices, axis=0), size) and np.allclose(mesh.corner_colors, [1, 0, 0])
    assert mesh.notes == (() if up == "Y" else (f"turned upright, for the file says that {up.lower()} is up",))
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    assert (np.einsum("nk,nk->n", np.cross(b - a, c - a), a) > 0).all(), "still no mirror image"


def test_3mf_parts_stand_where_they_are_to_be_built(tmp_path):
    trimesh.Scene([BOX, BOX.copy().apply_translation([5, 0, 0])]).export(tmp_path / "a.3mf")
    mesh = load_geometry(tmp_path / "a.3mf")
    assert len(mesh.faces) == 24 and np.allclose(np.ptp(mesh.vertices, axis=0), (6, 2, 3))


@pytest.mark.parametrize(("name", "package"), [("a.dae", "collada"), ("a.3mf", "networkx")])
def test_a_missing_package_is_a_sentence(tmp_path, monkeypatch, name, package):
    (BOX if name == "a.dae" else trimesh.Scene(BOX)).export(tmp_path / name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"{name} cannot be read yet: .*pip install 'pointclip\[formats\]'"):
        load_geometry(tmp_path / name)


ENTITIES = "".join(f'<!ENTITY e{k + 1} "{f"&e{k};" * 10}">' for k in range(9))
EVIL = {
    "bomb": f'<!DOCTYPE l [<!ENTITY e0 "xxxxxxxxxx">{ENTITIES}]><COLLADA><asset>&e9;</asset></COLLADA>',
    "outside": '<!DOCTYPE l [<!ENTITY e SYSTEM "file:///etc/hostname">]><COLLADA><asset>&e;</asset></COLLADA>',
}


@pytest.mark.parametrize("name", EVIL)
def test_entities_of_xml_are_not_followed(tmp_path, name):
    (tmp_path / "a.dae").write_text('<?xml version="1.0"?>' + EVIL[name])
    with pytest.raises(InputError, match="is damaged, cut short or no .dae file"):
        load_geometry(tmp_path / "a.dae")
