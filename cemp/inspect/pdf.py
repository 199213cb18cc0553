"""The pages on paper: one PDF with a page a candidate."""

import matplotlib as mpl
from matplotlib.backends.backend_pdf import PdfPages

from cemp.atomic import atomic_path
from cemp.inspect.apply import apply_decisions
from cemp.plots.inspect import draw_page


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
    stars = apply_decisions(pages.table, decisions).head(first)
    quiet = {"CreationDate": None, "Title": f"Candidates: {pages.profile}"}
    with atomic_path(path) as temporary, mpl.rc_context({"pdf.fonttype": 42}), \
            PdfPages(temporary, metadata=quiet) as pdf:
        for k, (_, star) in enumerate(stars.iterrows()):
            pdf.savefig(draw_page(pages.page(k), verdict_text(star)))
            if report:
                report(k + 1)
    return len(stars)
