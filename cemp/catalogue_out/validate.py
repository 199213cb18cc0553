"""Write the catalogue in every format, read each file back, and ask validators."""

import re
import shutil
import subprocess
import warnings

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.io.votable import validate as validate_votable
from astropy.io.votable.ucd import check_ucd

from cemp.catalogue_out.formats import FORMATS, differences, read_back
from cemp.errors import BadInputError

#: Formats that hold ASCII only.
ASCII = (".fits", ".mrt")
#: Validators outside Python: program, arguments before the file, suffix that it judges.
PROGRAMS = (("stilts", ["votlint"], ".vot"), ("fitsverify", ["-q"], ".fits"))


def provenance_of(path):
    """Read where candidates came from, from the header of their table.

    Parameters
    ----------
    path : pathlib.Path
        ``05/candidates.fits``.

    Returns
    -------
    dict of str to (value, comment)
        The keywords after the version of the package, in their order.

    Raises
    ------
    BadInputError
        If there are none.
    """
    try:
        header = fits.getheader(path, "CANDIDATES")
        keys = list(header)
        first = keys.index("CEMPVERS") + 1
    except (OSError, KeyError, ValueError) as error:
        raise BadInputError(f"{path} is not a candidate table: rerun notebook 05") from error
    return {key: (header[key], header.comments[key]) for key in keys[first:]}


def write_all(table, columns, stem, provenance, title="", authors=""):
    """Write the catalogue in every format.

    Parameters
    ----------
    table, columns
        From `cemp.catalogue_out.build.final_catalogue`.
    stem : pathlib.Path
        File without suffix.
    provenance : dict of str to (value, comment)
    title, authors : str
        For the machine-readable table.

    Returns
    -------
    list of pathlib.Path
        One file a format of `cemp.catalogue_out.formats.FORMATS`, less the machine-readable table
        where there is no row: its file only says so.
    """
    files = []
    for suffix, (write, _) in FORMATS.items():
        about = {"title": title, "authors": authors} if suffix == ".mrt" else {}
        write(table, columns, stem.with_suffix(suffix), provenance, **about)
        if suffix != ".mrt" or len(table):
            files.append(stem.with_suffix(suffix))
    return files


def standard(path):
    """Ask astropy whether a file keeps its format's standard.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    str
        ``"no violation"``, or what is wrong; what astropy has no validator for was read by its
        reader and is ``"readable"``.
    """
    if path.suffix == ".vot":
        with open("/dev/null", "w") as nowhere:
            return "no violation" if validate_votable(str(path), nowhere) else "violations"
    if path.suffix == ".fits":
        with warnings.catch_warnings(record=True) as caught, fits.open(path) as hdus:
            warnings.simplefilter("always")
            hdus.verify("warn")
        return "; ".join(str(w.message) for w in caught) or "no violation"
    return "readable"


def check_files(files, table, columns):
    """Compare every file with what was to be written.

    Parameters
    ----------
    files : list of pathlib.Path
    table, columns
        As written.

    Returns
    -------
    pandas.DataFrame
        One row a format: rows, columns, different (columns that came back otherwise), standard.
    """
    rows = {}
    for path in files:
        back = read_back(path, columns)
        wrong = differences(table, back, path.suffix in ASCII)
        rows[path.suffix[1:]] = {"rows": len(back), "columns": len(columns),
                                 "different": ", ".join(wrong) or "none",
                                 "standard": standard(path)}
    return pd.DataFrame(rows).T


def other_validators(files):
    """Ask validators of other hands, where they are installed.

    Parameters
    ----------
    files : list of pathlib.Path

    Returns
    -------
    pandas.DataFrame
        One row a program of `PROGRAMS`: whether it is there, and what it says (``"no violation"``
        if it says nothing that matters).
    """
    rows = {}
    for program, before, suffix in PROGRAMS:
        if shutil.which(program) is None:
            rows[program] = {"installed": "no", "says": ""}
            continue
        path = next(file for file in files if file.suffix == suffix)
        done = subprocess.run([program, *before, str(path)], capture_output=True, text=True,
                              check=False)
        said = [line for line in (done.stdout + done.stderr).splitlines()
                if re.search(r"warning|error|illegal", line, re.IGNORECASE)
                and not re.search(r"\b0 warnings?.*\b0 errors?|verification OK", line)]
        rows[program] = {"installed": "yes", "says": " | ".join(said)[:300] or "no violation"}
    return pd.DataFrame(rows).T


def wrong_ucds(columns):
    """List the UCDs that the controlled vocabulary does not know.

    Parameters
    ----------
    columns : list of cemp.catalogue_out.columns.Column

    Returns
    -------
    list of str
    """
    return [c.ucd for c in columns if not check_ucd(c.ucd, check_controlled_vocabulary=True)]


def paper_heading(paths):
    """Read title and authors of the paper.

    Parameters
    ----------
    paths : cemp.paths.Paths

    Returns
    -------
    title, authors : str
        One line each, without TeX commands; empty where the paper has none.
    """
    path = paths.root / "paper" / "ms.tex"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    title = re.search(r"\\title\{([^}]*)\}", text)
    authors = re.findall(r"\\author(?:\[[^\]]*\])?\{([^}]*)\}", text)
    clean = [re.sub(r"\\[A-Za-z]+|[${}~]", " ", part) for part in
             (title[1] if title else "", "; ".join(authors))]
    return tuple(" ".join(part.split()) for part in clean)


def month_counts(hours, gmag, edges, least_hours):
    """Count observable candidates a month in bins of brightness.

    Parameters
    ----------
    hours : array_like, shape (n, 12)
        From `cemp.catalogue_out.finder.dark_hours`.
    gmag : array_like, shape (n,)
    edges : sequence of float, length m + 1
    least_hours : float

    Returns
    -------
    count : ndarray of int, shape (m, 12)
    name : list of str
        Bins in words.
    """
    good, gmag = np.asarray(hours) >= least_hours, np.asarray(gmag, float)
    pairs = list(zip(edges[:-1], edges[1:], strict=True))
    count = [good[(gmag >= low) & (gmag < high)].sum(axis=0) for low, high in pairs]
    name = [f"g < {high:g}" if np.isneginf(low) else f"g > {low:g}" if np.isposinf(high)
            else f"{low:g} to {high:g}" for low, high in pairs]
    return np.array(count), name
