"""``python -m cemp``: what the package does from a command line."""

import argparse
import contextlib
import sys

from cemp import __version__
from cemp.inject import command as inject
from cemp.predict import command as predict


def main(words=None):
    """Run a command.

    Parameters
    ----------
    words : list of str, optional
        Of the command line, without the program's name.

    Returns
    -------
    int
        Exit status.
    """
    words = sys.argv[1:] if words is None else list(words)
    parser = argparse.ArgumentParser(prog="python -m cemp", description=__doc__.split(": ")[1])
    parser.add_argument("--version", action="version", version=f"cemp {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (predict, inject):
        command.add_parser(commands)
    options = parser.parse_args(words)
    options.words = words
    return options.run(options)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
