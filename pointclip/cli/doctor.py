"""``pointclip doctor``: what works on this machine, and why not."""

from dataclasses import asdict

from rich.text import Text

from pointclip.cli import console as _console
from pointclip.cli import options as _options
from pointclip.cli.boundary import bounded

_MARKS = {True: ("yes", "green"), False: ("no ", "yellow")}


@bounded
def doctor(json: _options.Json = False) -> None:
    """Say what works on this machine, and of what does not, why and what to do about it."""
    from pointclip.cli.diagnosis import CHECKS, examine

    show = _console.printer()
    done = []
    for name in CHECKS:
        with _console.waiting(f"checking {name}"):
            check = examine(name)
        done.append(asdict(check))
        if not json:
            remedy = f" -> {check.remedy}" if check.remedy else ""
            show(Text.assemble(_MARKS[check.ok], "  ", (f"{check.name}: ", "bold"), check.note, remedy))
    if json:
        _console.write_json({"checks": done})
