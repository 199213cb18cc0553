"""``python -m cemp.inspect``: how far the inspection is, and its pages as a PDF.

Without ``--pdf`` the decisions are checked and counted. The PDF holds the same pages as the
widget, one a candidate, the surest first, with what was decided; equal files give an equal PDF.
"""

import argparse
import contextlib
import sys

from cemp.candidates.catalogue import read_fits
from cemp.errors import BadInputError
from cemp.inspect.apply import tally
from cemp.inspect.decisions import decisions_path, read_decisions
from cemp.paths import Paths


def run(options):
    """Do what the command line asks for."""
    paths = Paths(options.profile)
    file = decisions_path(paths)
    decisions = read_decisions(file)
    if options.pdf is None:
        table = read_fits(paths.build / "05" / "candidates.fits")
        print(f"{file.relative_to(paths.root)}: {len(decisions)} decisions")
        print(tally(table, decisions).to_string())
        return
    from cemp.inspect.pages import open_pages  # a count needs neither models nor figures
    from cemp.inspect.pdf import write_pdf

    pages = open_pages(paths)
    total = len(pages.table.head(options.first))
    n = write_pdf(pages, options.pdf, decisions, options.first, lambda k: print(
        f"page {k} of {total}", flush=True) if k % 50 == 0 or k == total else None)
    print(f"{options.pdf}: {n} pages")


def main(words=None):
    """Run the command.

    Parameters
    ----------
    words : list of str, optional
        Of the command line, without the program's name.

    Returns
    -------
    int
        Exit status.
    """
    parser = argparse.ArgumentParser(prog="python -m cemp.inspect",
                                     description=__doc__.partition(": ")[2].partition("\n")[0])
    parser.add_argument("--profile", default="demo", help="folder under build/ (default: demo)")
    parser.add_argument("--pdf", metavar="FILE", help="draw the pages into this file")
    parser.add_argument("--first", type=int, metavar="N", help="only the N surest candidates")
    options = parser.parse_args(words)
    if options.first is not None and options.first < 1:
        parser.error("--first must be 1 or more")
    try:
        run(options)
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; no file was left behind", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
