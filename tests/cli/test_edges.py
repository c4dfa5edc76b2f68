"""The command line around its commands: help, exit codes, interruptions, terminals, models and doctor."""

import errno
import gzip
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import typer
from support.command_line import run

import pointclip as pc
from pointclip import weights
from pointclip.cli import doctor
from pointclip.cli import options as _options
from pointclip.errors import InputError, WeightsError

LABELS = ("--labels", "ball,box")


def test_help_needs_nothing_heavy():
    code = """if True:
        import sys
        from pointclip.cli import main
        try:
            main()
        finally:
            heavy = {"torch", "numpy", "open_clip", "trimesh", "scipy", "PIL", "transformers"} & set(sys.modules)
            print("heavy:", sorted(heavy))
    """
    for arguments in (["--help"], ["classify", "--help"], ["--version"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        assert "heavy: []" in done.stdout


def test_help_lists_commands_and_true_defaults():
    assert all(command in run("--help").out for command in ("classify", "models", "doctor"))
    text = " ".join(run("classify", "--help", env={"COLUMNS": "200", "TERM": "dumb"}).out.split())
    from pointclip import model
    from pointclip.points.loading import DEFAULT_NUM_POINTS

    for default in (model.DEFAULT_VIEWS, model.DEFAULT_STYLE, model.DEFAULT_TEMPLATES):
        assert f"({default})" in text
    assert f"default: {DEFAULT_NUM_POINTS}" in text


@pytest.mark.parametrize(("command", "table"), [("eval", "datasets"), ("fit", "methods")])
def test_help_names_what_the_tables_hold(command, table, monkeypatch):
    from pointclip.cli import tables

    names = [*tables.TABLES[table](), "one-of-my-own"]
    monkeypatch.setitem(tables.TABLES, table, lambda: names)
    text = run(command, "--help", env={"COLUMNS": "400", "TERM": "dumb"}).out
    assert ", ".join(names) in " ".join(text.split()) and "{" + table not in text
    assert run("models", "--json").json[table] == names


def test_shared_options_are_the_same_everywhere():
    from typer.main import get_command

    from pointclip.cli import app

    commands = get_command(app).commands
    kept = {
        name: {option.name: option for option in commands[name].params} for name in ("classify", "show", "fit", "eval")
    }
    for option in ("model", "views", "style", "templates", "points", "keep_outliers", "skip_background", "precision"):
        told = {(each[option].help, each[option].default, *each[option].opts) for each in kept.values()}
        assert len(told) == 1, option
    for option in ("labels", "adapter", "pose", "up"):
        assert kept["classify"][option].help == kept["show"][option].help


def test_fixed_choices_are_those_of_the_library():
    from pointclip.clip.precision import DTYPES
    from pointclip.points.frames import _TO_Y_UP

    assert {choice.value for choice in _options.UpAxis} == set(_TO_Y_UP)
    assert {choice.value for choice in _options.Format} == {"auto", *DTYPES}


def test_version_and_usage():
    assert run("--version").out == f"pointclip {pc.__version__}\n"
    for arguments in (("clasify",), ("classify",), ("classify", "a.obj", "--modle", "x")):
        ran = run(*arguments)
        assert (ran.code, ran.out) == (2, "")


def stop_at(monkeypatch, path, error):
    real = pc.PointCLIP.classify

    def stop(self, cloud, *arguments):
        if cloud.name == path:
            raise error
        return real(self, cloud, *arguments)

    monkeypatch.setattr(pc.PointCLIP, "classify", stop)


def test_interruption_is_a_sentence_and_leaves_no_half_file(classify, shapes, monkeypatch):
    stop_at(monkeypatch, "ball", KeyboardInterrupt())
    ran = classify("box.obj", "sub", *LABELS, "--csv", "out.csv")
    assert ran.code == 130
    assert ran.out.startswith("box.obj\n"), "what was done was told"
    assert ran.err.splitlines()[-1].startswith("error: interrupted")
    assert "1 shape done, kept in out.csv.part: the same command goes on" in ran.err
    assert sorted(path.name for path in shapes.iterdir()) == [".cache", "box.obj", "out.csv.part", "sub"]


@pytest.mark.parametrize("where", ["pathlib.Path.write_bytes", "tempfile.TemporaryDirectory"])
def test_a_full_disk_is_bad_input_whatever_was_to_be_written(fixed, shapes, monkeypatch, where):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    arguments = ("embed", "box.obj", "--out", "i.safetensors", "--views", "ring-2", "--points", 300, *fixed)
    if where == "tempfile.TemporaryDirectory":
        (shapes / "box.obj.gz").write_bytes(gzip.compress((shapes / "box.obj").read_bytes()))
        arguments = ("show", "box.obj.gz", "--out", "sheet.png")
    monkeypatch.setattr(where, full)
    ran = run(*arguments)
    assert ran.code == 2
    assert "cannot be written (No space left on device): free some space" in ran.err.splitlines()[-1]
    assert "fault" not in ran.err and not (shapes / "i.safetensors").exists()


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "{}.obj"),
        ("show", "{}/*"),
        ("show", "box.obj", "--out", "{}"),
        ("classify", "no.obj", "--templates", "{}"),
        ("classify", "no.obj", "--views", "{}.json"),
        ("classify", "no.obj", "--labels-file", "{}"),
        ("classify", "no.obj", "--adapter", "{}"),
        ("classify", "no.obj", "--csv", "{}"),
        ("classify", "no.obj", "--save-views", "{}"),
        ("classify", "box.obj", "--model", "RN50@{}"),
        ("eval", "{}"),
        ("eval", "modelnet40:{}"),
        ("eval", "--compare", "{}", "{}"),
        ("fit", "{}", "--out", "x.safetensors"),
        ("embed", "box.obj", "--out", "{}"),
        ("search", "{}", "chair"),
    ],
)
def test_names_that_no_file_can_have_are_bad_input(shapes, arguments, name):
    ran = run(*(argument.replace("{}", name) for argument in arguments))
    assert ran.code == 2, ran.err
    assert "fault" not in ran.err and "Traceback" not in ran.err
    assert all(len(line) < 1500 for line in ran.err.splitlines())


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
@pytest.mark.parametrize("option", ["--views", "--templates", "--labels-file"])
def test_endless_brackets_are_bad_input(shapes, option, text):
    (shapes / "deep.json").write_text(text)
    ran = run("classify", "no.obj", option, "deep.json")
    assert ran.code == 2 and "deep.json" in ran.err.splitlines()[-1] and "fault" not in ran.err


def test_a_fault_is_exit_code_1_and_says_how_to_get_the_traceback(classify, monkeypatch):
    stop_at(monkeypatch, "box", ZeroDivisionError("division by [zero]"))
    ran = classify("box.obj", *LABELS, "--csv", "out.csv")
    assert ran.code == 1
    assert re.search(
        r"^error: .*ZeroDivisionError: division by \[zero\] .*POINTCLIP_TRACEBACK=1", ran.err, re.MULTILINE
    )
    assert "Traceback" not in ran.err
    assert "Traceback" in classify("box.obj", *LABELS, env={"POINTCLIP_TRACEBACK": "1"}).err


def test_a_fault_in_reading_one_file_is_its_row(classify, monkeypatch):
    from pointclip import points

    real = points.load

    def load(path, **options):
        if path == "box.obj":
            raise ZeroDivisionError("oops")
        return real(path, **options)

    monkeypatch.setattr(points, "load", load)
    ran = classify("box.obj", "sub", "none.obj", *LABELS, "--json")
    assert ran.code == 1, "a fault weighs more than bad input"
    assert re.match("box.obj: .*ZeroDivisionError: oops", ran.json["shapes"][0]["error"])
    assert ran.json["counts"] == {"files": 4, "classified": 2, "failed": 2}


def test_note_names_model_device_and_precision_outside_of_json(classify, tiny_file):
    assert classify("box.obj", *LABELS).err == f"{tiny_file} on cpu, fp32\n"
    assert classify("box.obj", *LABELS, "--json").err == ""


def test_progress_is_for_terminals(classify):
    terminal = classify("box.obj", "sub", *LABELS, env={"FORCE_COLOR": "1", "COLUMNS": "100", "TERM": "xterm"})
    pipe = classify("box.obj", "sub", *LABELS)
    assert "3/3" in terminal.err
    assert "3/3" not in terminal.out + pipe.out + pipe.err
    assert "\x1b" not in pipe.out + pipe.err
    assert "box.obj" in terminal.out
    assert terminal.err.count("\x1b[?25l") == terminal.err.count("\x1b[?25h"), "the cursor comes back"


def test_a_long_path_is_one_line_in_a_pipe(classify, shapes):
    folder = shapes / ("long" * 30)
    folder.mkdir()
    path = (shapes / "box.obj").rename(folder / "box.obj")
    assert classify(path, *LABELS).out.splitlines()[0] == str(path)


COMMAND = """if True:
    import sys, time
    from pointclip import cli
    from pointclip.cli.boundary import bounded

    @cli.app.command()
    @bounded
    def work():
        for number in range(100_000):
            sys.stdout.write(f"{number}\\n")
            sys.stdout.flush()
            if "slow" in sys.argv[0]:
                time.sleep(0.1)

    sys.argv = [sys.argv[1], "work"]
    cli.main()
"""


def test_a_reader_that_has_enough_is_no_error():
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "quick"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as job:
        assert job.stdout.readline() == b"0\n"
        job.stdout.close()
        assert job.wait(20) == 1
        assert job.stderr.read() == b""


def test_ctrl_c_ends_the_program_at_once():
    command = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{COMMAND}"  # as in a terminal
    with subprocess.Popen(
        [sys.executable, "-c", command, "slow"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as job:
        assert job.stdout.readline() == b"0\n"
        start = time.perf_counter()
        job.send_signal(signal.SIGINT)
        assert job.wait(20) == 130
        assert time.perf_counter() - start < 5
        assert job.stderr.read() == b"error: interrupted: no file was left half-written\n"


def test_models_tells_what_is_ready(monkeypatch):
    rows = [weights.Available("embedded", True, "small"), weights.Available("A/[b]", False, "needs a download")]
    monkeypatch.setattr(weights, "available", lambda: rows)
    document = run("models", "--json").json
    assert document["models"][1] == {"name": "A/[b]", "ready": False, "note": "needs a download"}
    assert "ring-K" in document["rigs"]
    assert {"auto", "shaded"} <= set(document["styles"])
    assert {"auto", "shape"} <= set(document["templates"])
    lines = [line.split() for line in run("models").out.splitlines()]
    assert lines[:2] == [["embedded", "ready", "small"], ["A/[b]", "-", "needs", "a", "download"]]


def test_doctor_examines_everything_and_stops_at_nothing(monkeypatch):
    def broken():
        raise OSError("libGL.so.1:\n cannot open [file]")

    def refused():
        raise WeightsError("no head")

    checks = {"python": doctor.CHECKS["python"], "open3d": broken, "embedded": refused}
    monkeypatch.setattr(doctor, "CHECKS", checks)
    ran = run("doctor", "--json")
    assert ran.code == 1
    assert ran.err == "error: needed, and not working: embedded\n"
    assert [(check["name"], check["ok"], check["needed"]) for check in ran.json["checks"]] == [
        ("python", True, True),
        ("open3d", False, False),
        ("embedded", False, True),
    ]
    assert ran.json["checks"][1]["note"] == "OSError: libGL.so.1: cannot open [file]"
    assert ran.json["checks"][1]["remedy"]
    text = run("doctor").out
    assert re.search(r"^yes +python: 3", text, re.MULTILINE)
    assert re.search(r"^no +open3d: OSError: libGL.so.1: cannot open \[file\] -> ", text, re.MULTILINE)
    assert re.search(r"^NO +embedded: no head$", text, re.MULTILINE)


@pytest.mark.parametrize("name", [name for name in doctor.CHECKS if name not in ("embedded", "open3d")])
def test_each_check_finds_something_to_say(name, monkeypatch, tmp_path):
    monkeypatch.setenv("POINTCLIP_CACHE", str(tmp_path / "cache"))
    check = doctor.examine(name)
    assert check.note
    assert check.ok or check.remedy or name == "precision"
    assert "Error:" not in check.note


def test_doctor_says_why_a_cache_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("POINTCLIP_CACHE", str(tmp_path / "file" / "cache"))
    check = doctor.examine("cache folder")
    assert not check.ok
    assert "POINTCLIP_CACHE" in check.remedy


def test_errors_of_the_boundary_keep_their_exit_codes(monkeypatch):
    from pointclip.cli.boundary import bounded

    def raising(error):
        @bounded
        def command():
            raise error

        with pytest.raises(typer.Exit) as caught:
            command()
        return caught.value.exit_code

    assert raising(InputError("x")) == raising(WeightsError("x")) == 2
    assert raising(ValueError("x")) == raising(OSError("x")) == 1
    assert raising(typer.Exit(0)) == 0
