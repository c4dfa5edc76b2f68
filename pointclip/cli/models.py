"""``pointclip models``: what can be named, and what is ready without network."""

from dataclasses import asdict

from rich.table import Table
from rich.text import Text

from pointclip.cli import console as _console
from pointclip.cli import options as _options
from pointclip.cli.boundary import bounded
from pointclip.cli.tables import TABLES


@bounded
def models(json: _options.Json = False) -> None:
    """List models, which are ready without network, and what else can be named: rigs, styles, datasets and more."""
    from pointclip import weights

    with _console.waiting("looking for models"):
        found = weights.available()
    named = {kind: list(table()) for kind, table in TABLES.items()}
    if json:
        _console.write_json({"models": [asdict(row) for row in found], **named})
        return
    show = _console.printer()
    table = Table.grid("", "", padding=(0, 2))
    for row in found:
        ready = Text("ready", "green") if row.ready else Text("-", "dim")
        table.add_row(Text(row.name), ready, Text(row.note, "" if row.ready else "dim"))
    show(table)
    for kind, names in named.items():
        show(Text.assemble((f"{kind}: ", "bold"), ", ".join(names)))
    _console.say_note("also: hf-hub:ORG/NAME, local-dir:PATH, ARCH@FILE; K in a rig's name is a number, as in ring-6")
