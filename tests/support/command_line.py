"""The command line run in this process, and what a run left."""

import json

from typer.testing import CliRunner

from pointclip.cli import app


class Ran:
    """What a run of the command line left: exit code, both streams, and stdout read as JSON."""

    def __init__(self, result):
        self.code, self.out, self.err = result.exit_code, result.stdout, result.stderr

    @property
    def json(self):
        """Stdout as one JSON document."""
        return json.loads(self.out)


def run(*arguments, env=None, input=None):
    """Run ``pointclip`` in this process, with bytes in its standard input."""
    return Ran(CliRunner().invoke(app, [str(argument) for argument in arguments], input=input, env=env))
