"""A survey catalogue of the spectra on disk, from their own headers, where no catalogue is at hand.

``python -m cemp.catalogues.spectra FOLDER... --out build/rows/survey`` writes ``catalogue.csv`` in
the form of the LAMOST LRS stellar catalogue, and ``spectra/<obsid>.fits``, links to the files. Rows
of a real catalogue may be appended (``--rows``); their spectra are missing then, and counted so.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from cemp.atomic import atomic_path
from cemp.catalogues.lamost import read_lamost
from cemp.errors import BadInputError, NotLowResolutionError
from cemp.lamost import BANDS, find_spectra, read_spectrum

#: Columns of the catalogue, as the survey names them.
COLUMNS = ("obsid", "lmjd", "planid", "spid", "fiberid", "ra", "dec", "z", "class", "subclass",
           *(f"snr{band}" for band in BANDS))  # fmt: skip


def header_row(spectrum):
    """Give a spectrum's line in the catalogue.

    Parameters
    ----------
    spectrum : cemp.spectrum.Spectrum

    Returns
    -------
    dict of str to object
        `COLUMNS`.
    """
    where = {name: spectrum.meta[name] for name in ("lmjd", "planid", "spid", "fiberid")}
    snr = {f"snr{band}": spectrum.snr.get(band, np.nan) for band in BANDS}
    place = {"ra": spectrum.ra, "dec": spectrum.dec, "z": spectrum.z}
    kind = {"class": spectrum.cls, "subclass": spectrum.subclass}
    return {"obsid": spectrum.obsid, **where, **place, **kind, **snr}


def catalogue_of(folders):
    """Read the headers of all spectra under some folders.

    Parameters
    ----------
    folders : sequence of path_like

    Returns
    -------
    table : pandas.DataFrame
        `COLUMNS` and path, one row a spectrum, sorted by obsid; ``attrs["dropped"]`` counts
        medium-resolution files, unreadable ones, those without obsid (DR1, DR2) and repeated
        obsid, of which the file that sorts last is kept.

    Raises
    ------
    BadInputError
        If a folder is missing or there is no usable spectrum in any.
    """
    rows = []
    dropped = dict.fromkeys(("medium resolution", "unreadable", "no obsid", "obsid repeated"), 0)
    for path in (path for folder in folders for path in find_spectra(folder)):
        try:
            spectrum = read_spectrum(path)
        except NotLowResolutionError:
            dropped["medium resolution"] += 1
        except BadInputError as error:
            dropped["unreadable"] += 1
            print(error, file=sys.stderr)
        else:
            dropped["no obsid"] += spectrum.obsid is None
            if spectrum.obsid is not None:
                rows.append(header_row(spectrum) | {"path": str(path)})
    table = pd.DataFrame(rows, columns=[*COLUMNS, "path"])
    if table.empty:
        raise BadInputError(f"no usable spectrum under {', '.join(map(str, folders))} ({dropped})")
    repeated = table["obsid"].duplicated(keep="last")
    dropped["obsid repeated"] = int(repeated.sum())
    table = table[~repeated].sort_values("obsid").reset_index(drop=True)
    table.attrs["dropped"] = dropped
    return table


def append_rows(table, path):
    """Append rows of a real catalogue whose spectra are not here.

    Parameters
    ----------
    table : pandas.DataFrame
        From `catalogue_of`.
    path : path_like
        A LAMOST LRS stellar catalogue.

    Returns
    -------
    pandas.DataFrame
        Same columns; a spectrum that is in both keeps the line of its header.
    """
    rows = read_lamost(path).rename(columns={"cls": "class"})
    rows = rows[~rows["obsid"].isin(table["obsid"])]
    return pd.concat([table, rows.reindex(columns=table.columns).assign(path="")],
                     ignore_index=True)  # fmt: skip


def write_survey(table, folder):
    """Write the catalogue and the links to its spectra.

    Parameters
    ----------
    table : pandas.DataFrame
        From `catalogue_of` or `append_rows`.
    folder : path_like
        ``catalogue.csv`` and ``spectra/`` are written; links of an earlier run that the table no
        longer has are removed.
    """
    folder = Path(folder)
    have = table[table["path"].fillna("") != ""]
    want = {f"{obsid}.fits": Path(path).resolve()
            for obsid, path in zip(have["obsid"], have["path"], strict=True)}  # fmt: skip
    links = folder / "spectra"
    try:
        links.mkdir(parents=True, exist_ok=True)
        for path in links.iterdir():
            if path.is_symlink() and want.get(path.name) != path.resolve():
                path.unlink()
        for name, target in want.items():
            if not (links / name).is_symlink():
                (links / name).symlink_to(target)
    except OSError as error:
        raise BadInputError(f"cannot write {links}: {error.strerror or error}") from error
    with atomic_path(folder / "catalogue.csv") as path:
        table.drop(columns="path").to_csv(path, index=False)


def main(arguments=None):
    """Command line; see ``--help``.

    Returns
    -------
    int
        0, or 1 with one line on stderr.
    """
    parser = argparse.ArgumentParser(prog="python -m cemp.catalogues.spectra", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="folders of LAMOST spectra")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder to write")
    parser.add_argument("--rows", metavar="TABLE", help="catalogue whose rows are appended")
    args = parser.parse_args(arguments)
    try:
        table = catalogue_of(args.folders)
        dropped = {reason: n for reason, n in table.attrs["dropped"].items() if n}
        n_spectra = len(table)
        table = append_rows(table, args.rows) if args.rows else table
        write_survey(table, args.out)
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{n_spectra} spectra{f' (left out: {dropped})' if dropped else ''}, "
          f"{len(table) - n_spectra} further rows -> {args.out}/catalogue.csv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
