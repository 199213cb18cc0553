"""What the pages show: figures, tables, numbers and files, each with the cell it came from."""

import json
import re
import shutil
from html import escape, unescape

from PIL import Image

from cemp.results import Value
from cemp.workflow.origins import origins, plot_functions
from cemp.workflow.receipt import sha256

#: Width of the pictures on the first page [pixel]: twice what a phone shows, for sharp screens.
THUMB = 480

#: What a reader may want to take home: title, folder (of a run, if it begins with a digit), files.
DOWNLOADS = (
    ("The paper", "paper", {"ms.pdf": "the paper as the run typeset it"}),
    ("The catalogue of candidates (mock stars)", "13", {
        "candidates.fits": "all candidates, FITS", "candidates.vot": "the same, VOTable",
        "candidates.mrt": "the same, machine-readable table of the AAS",
        "candidates.csv": "the same, comma-separated",
        "finding.csv": "for observers: positions, magnitudes, months",
        "counterparts.csv": "counterparts in label catalogues, star by star",
        "known_cemp.csv": "known CEMP stars of the mock, found and missed"}),
    ("The network of the mock survey", "03", {
        "macrn.pt": "weights (PyTorch)", "macrn.json": "configuration and scales of the labels"}),
    ("The network for real spectra", "cemp/data/sky", {
        "MODEL_CARD.md": "what it was trained on, reaches and cannot do",
        "member-0/macrn.pt": "weights of the first member",
        "member-0/macrn.json": "its configuration",
        "member-1/macrn.pt": "weights of the second member",
        "member-1/macrn.json": "its configuration"}),
)  # fmt: skip


def size_text(n_bytes):
    """Say how large a file is.

    Examples
    --------
    >>> size_text(812), size_text(49_800), size_text(1_970_000)
    ('1 kB', '50 kB', '2.0 MB')
    """
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{max(n_bytes / 1e3, 1):.0f} kB"


def copy(source, site, place):
    """Put a file into the site.

    Parameters
    ----------
    source, site : pathlib.Path
    place : str
        Where in the site.

    Returns
    -------
    dict
        ``href`` and ``size``; empty if there is no such file.
    """
    if not source.is_file():
        return {}
    target = site / place
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return {"href": place, "size": size_text(source.stat().st_size)}


def bare(html):
    """Text of a piece of HTML, for attributes.

    Examples
    --------
    >>> bare("<i>P</i>(CEMP) &lt; 1")
    'P(CEMP) < 1'
    """
    return unescape(re.sub(r"<[^>]+>", "", html)).replace("\xa0", " ")


def short(html):
    """First sentence of a caption, without links."""
    html = re.sub(r"</?a\b[^>]*>", "", html)
    found = re.match(r".*?[.:](?= [A-Z(]|$)", html)
    return (found[0] if found else html).rstrip(".: ")


def cell_link(origin):
    """Address of a cell; empty if no notebook wrote the thing."""
    return f"notebooks/{origin.notebook}.html#cell-{origin.cell}" if origin else ""


def figures(paths, paper, site):
    """Copy the figures, and tell what is known of each.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.
    paper : cemp.site.paper.Paper
    site : pathlib.Path

    Returns
    -------
    list of dict
        In the order of the notebooks.
    """
    folder, from_cell = paths.published("figures"), origins(paths.root)
    drawn = plot_functions(paths.root)
    found = []
    for png in folder.glob("*.png"):
        name, printed = png.stem, paper.by_name.get(("Figure", png.stem))
        origin = from_cell.get(("figure", name))
        if origin is None:
            continue
        caption = paper.tex.html(printed.caption) if printed else _said(drawn.get(name))
        found.append({
            "name": name, "number": printed.number if printed else "", "caption": caption,
            "short": short(caption), "alt": escape(bare(caption), quote=True),
            "notebook": origin.notebook, "order": (origin.notebook, origin.number, name),
            "cell": cell_link(origin), "id": origin.cell, **_picture(png, site),
            "pdf": copy(png.with_suffix(".pdf"), site, f"figures/{name}.pdf"),
            "data": copy(folder / "data" / f"{name}.npz", site, f"figures/data/{name}.npz"),
        })  # fmt: skip
    return sorted(found, key=lambda one: one["order"])


def _said(function):
    """Turn the docstring of a drawing function into a caption."""
    said = escape(function[3].removeprefix("Draw ") if function else "", quote=False)
    return said[:1].upper() + said[1:]


def _picture(png, site):
    """Copy a picture, and make a small one of it."""
    place, thumb = f"figures/{png.name}", f"thumbs/{png.stem}.webp"
    copy(png, site, place)
    (site / "thumbs").mkdir(exist_ok=True)
    with Image.open(png) as image:
        full = image.size
        small = image.convert("RGB")
        small.thumbnail((THUMB, THUMB))
        small.save(site / thumb, quality=80)
    return {"png": place, "thumb": thumb, "width": small.width, "height": small.height,
            "full_width": full[0], "full_height": full[1]}


def tables(paths, paper):
    """Set the tables of the paper.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.
    paper : cemp.site.paper.Paper

    Returns
    -------
    list of dict
    """
    from_cell, tex = origins(paths.root), paper.tex
    found = []
    for one in paper.floats:
        if one.kind == "Table":
            origin = from_cell.get(("table", one.name))
            found.append({
                "name": one.name, "number": one.number, "caption": tex.html(one.caption).strip(),
                "head": tex.table(one.head), "body": tex.table(one.body),
                "comments": tex.html(one.comments), "cell": cell_link(origin),
                "notebook": origin.notebook if origin else "",
            })  # fmt: skip
    return found


def numbers(paths, tex):
    """Set every number that the notebooks have written for the paper.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.
    tex : cemp.site.tex.Tex

    Returns
    -------
    list of dict
        ``stage``, ``cell`` and ``rows``, one dictionary a file of values.
    """
    from_cell, groups = origins(paths.root), []
    for path in sorted(paths.published("values").glob("*.json")):
        origin = from_cell.get(("values", path.stem))
        kept = {name: Value(**one) for name, one in json.loads(path.read_text()).items()}
        values = [{"name": name, "broken": re.sub("(?<=[a-z])(?=[A-Z])", "<wbr>", name),
                   "text": tex.html(value.text), "what": escape(value.what),
                   "headline": value.headline} for name, value in kept.items()]
        groups.append({"stage": path.stem, "cell": cell_link(origin), "rows": values})
    return groups


def downloads(paths, site):
    """Copy what readers take home.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.
    site : pathlib.Path

    Returns
    -------
    list of dict
        ``title``, ``files`` and, where a run has yet to make them, ``missing``.
    """
    groups = []
    for title, place, wanted in DOWNLOADS:
        folder = paths.build / place if place[0].isdigit() else paths.root / place
        files = []
        for name, what in wanted.items():
            to = f"files/{place.rpartition('/')[2]}/{name}"
            done = copy(folder / name, site, to)
            if done:
                files.append({"name": name, "what": what, **done, "sha": sha256(site / to)})
        groups.append({"title": title, "files": files, "missing":
                       "Not in this copy: make all computes it, and make html adds it here."})
    return groups
