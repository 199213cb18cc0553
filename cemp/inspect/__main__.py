"""``python -m cemp.inspect``: how far the inspection is, and its pages as a PDF.

Without ``--pdf`` the decisions are checked and counted. The PDF holds the same pages as the
widget, one a candidate, the surest first, with what was decided; equal files give an equal PDF.
"""

import argparse
import contextlib
import sys

import matplotlib as mpl
from matplotlib.backends.backend_pdf import PdfPages

from cemp.atomic import atomic_path
from cemp.candidates.catalogue import read_fits
from cemp.errors import BadInputError
from cemp.inspect.decisions import apply_decisions, decisions_path, read_decisions, tally
from cemp.paths import Paths


def verdict_text(star):
    """Write what was decided about a candidate.

    Parameters
    ----------
    star : pandas.Series
        A row of `cemp.inspect.apply_decisions`.

    Returns
    -------
    str
    """
    if not star["inspection"]:
        return "not inspected"
    who = f" by {star['n_inspectors']}" if star["n_inspectors"] > 1 else ""
    note = f" ({star['inspection_note']})" if star["inspection_note"] else ""
    text = f"inspected{who}: {star['inspection']}{note}"
    return text if len(text) <= 90 else text[:89] + "…"


def write_pdf(pages, path, decisions, first=None, report=None):
    """Draw the pages of candidates into one PDF.

    Parameters
    ----------
    pages : cemp.inspect.pages.Pages
    path : str or pathlib.Path
    decisions : pandas.DataFrame
        From `cemp.inspect.read_decisions`; empty for none.
    first : int, optional
        Pages drawn, from the first; all if left out.
    report : callable, optional
        Told the number drawn, after each.

    Returns
    -------
    int
        Pages drawn.
    """
    from cemp.plots.inspect import draw_page

    stars = apply_decisions(pages.table, decisions).head(first)
    quiet = {"CreationDate": None, "Title": f"Candidates: {pages.profile}"}
    with atomic_path(path) as temporary, mpl.rc_context({"pdf.fonttype": 42}), \
            PdfPages(temporary, metadata=quiet) as pdf:
        for k, (_, star) in enumerate(stars.iterrows()):
            pdf.savefig(draw_page(pages.page(k), verdict_text(star)))
            if report:
                report(k + 1)
    return len(stars)


def load_pages(paths):
    """Open the pages of a profile with the library's emulator.

    Parameters
    ----------
    paths : cemp.paths.Paths

    Returns
    -------
    cemp.inspect.pages.Pages
    """
    from cemp.inspect.pages import Pages
    from cemp.synthesis.emulator import load_emulator

    return Pages(paths, load_emulator("library", cache=paths.root / "build" / "emulator"))


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
    pages = load_pages(paths)
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
