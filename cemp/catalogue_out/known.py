"""Crossmatch any list of candidates with literature catalogues of metal-poor stars.

``python -m cemp.catalogue_out.known LIST --real FILE... --out TABLE.csv``: LIST is a FITS, CSV,
VOTable or other table with positions; each FILE a catalogue that `cemp.catalogues` can read
(JINAbase, SAGA, Placco et al. 2014, the list of CEMP stars with groups, APOGEE, LAMOST-Subaru).
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.table import Table

from cemp.atomic import atomic_path
from cemp.candidates.classes import table1
from cemp.catalogues.common import gaia_ids
from cemp.catalogues.recognise import read
from cemp.crossmatch import MatchSettings
from cemp.errors import BadInputError
from cemp.sources import combine_entries, match_labels
from cemp.textfile import comment_lines

#: Names under which tables give positions, identifiers.
_ALIASES = {
    "ra": ("ra", "ra_obs", "radeg", "ra_icrs"), "dec": ("dec", "dec_obs", "dedeg", "de_icrs"),
    "gaia_source_id": ("gaia_source_id", "source_id", "gaia"), "obsid": ("obsid",),
    "designation": ("designation", "name"),
}  # fmt: skip


def read_list(path):
    """Read a list of candidates.

    Parameters
    ----------
    path : str or pathlib.Path
        Any table that astropy reads, csv with ``#`` comments included.

    Returns
    -------
    pandas.DataFrame
        As in the file, with ra and dec [deg], gaia_source_id (0 where unknown) and star_id (row
        number) added.

    Raises
    ------
    BadInputError
        If it cannot be read, or has no positions.
    """
    path = Path(path)
    try:
        table = _read_csv(path) if path.suffix in (".csv", ".txt") else _read_other(path)
    except Exception as error:  # astropy raises what its many readers raise
        raise BadInputError(f"{path} cannot be read as a table ({error})") from error
    names = {str(name).lower(): name for name in table}
    for ours, theirs in _ALIASES.items():
        found = next((names[name] for name in theirs if name in names), None)
        if found is not None:
            table[ours] = table[found]
    if not {"ra", "dec"} <= set(table):
        raise BadInputError(f"{path}: every row needs ra and dec in degrees")
    for name, low, high in (("ra", 0, 360), ("dec", -90, 90)):
        table[name] = pd.to_numeric(table[name], errors="coerce")
        wrong = np.flatnonzero(~table[name].between(low, high))
        if wrong.size:
            raise BadInputError(f"{path}, row {wrong[0] + 1}: every row needs ra and dec in "
                                f"degrees, {name} from {low} to {high}")
    if "gaia_source_id" not in table:
        table["gaia_source_id"] = 0
    try:
        ids = gaia_ids(table["gaia_source_id"]).fillna(0).to_numpy(dtype=np.int64)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from error
    return table.assign(gaia_source_id=ids, star_id=[str(n) for n in range(len(table))])


def _read_csv(path):
    """Read a csv with comments before its head; identifiers stay text, as floats lose digits."""
    skip = comment_lines(path)
    ids = {name: str for name in pd.read_csv(path, skiprows=skip, nrows=0)
           if str(name).lower() in _ALIASES["gaia_source_id"]}  # fmt: skip
    return pd.read_csv(path, skiprows=skip, dtype=ids)


def _read_other(path):
    """Read what astropy reads; texts as text, masked identifiers as 0."""
    how = {".fits": {"unit_parse_strict": "silent"}, ".gz": {"unit_parse_strict": "silent"},
           ".mrt": {"format": "ascii.mrt"}}  # fmt: skip
    table = Table.read(path, **how.get(path.suffix, {}))
    table.convert_bytestring_to_unicode()
    for name in table.colnames:
        if name.lower() in _ALIASES["gaia_source_id"] and hasattr(table[name], "filled"):
            table[name] = table[name].filled(0)
    return table.to_pandas()


def crossmatch_list(candidates, catalogues, radius_arcsec=3.0, epoch=2000.0):
    """Find what the literature knows of a list of stars.

    Parameters
    ----------
    candidates : pandas.DataFrame
        Columns star_id, ra, dec, and gaia_source_id if known.
    catalogues : dict of str to pandas.DataFrame
        Label tables of `cemp.catalogues`, by name; entries without a position are left out.
    radius_arcsec : float
        Largest separation where position decides; catalogues with coordinates coarser than
        this match by Gaia identifier alone, unless it is widened.
    epoch : float
        Of the list's positions [yr]; proper motions carry the catalogue there.

    Returns
    -------
    pandas.DataFrame
        One row a star and catalogue: star_id, source, sep_arcsec, the literature's lit_teff, ...,
        lit_c_h, c_h_limit, lit_c_fe, lit_cemp (Table 1, False where unknown), n_entries, reference.
        Empty if nothing is known.
    """
    stars = candidates[["star_id", "ra", "dec", "gaia_source_id"]].assign(
        coord_arcsec=0.1, epoch=epoch)
    settings = MatchSettings(radius_arcsec=radius_arcsec)
    placed = {name: table[table[["ra", "dec"]].notna().all(axis=1)]
              for name, table in catalogues.items()}
    found = [match_labels(stars, table, settings, epoch).assign(source=name)
             for name, table in placed.items() if len(table)]
    found, names = [part for part in found if len(part)], ["teff", "logg", "fe_h", "c_h"]
    if not found:
        return pd.DataFrame(columns=["star_id", "source", "sep_arcsec",
                                     *(f"lit_{n}" for n in names), "c_h_limit", "lit_c_fe",
                                     "lit_cemp", "n_entries", "reference"])
    out = combine_entries(pd.concat(found, ignore_index=True))
    out = out.rename(columns={name: f"lit_{name}" for name in names})
    carbon = out["lit_c_h"].mask(out["c_h_limit"])
    out["lit_c_fe"] = carbon - out["lit_fe_h"]
    out["lit_cemp"] = table1(out["lit_fe_h"], out["lit_c_fe"])["cemp"]
    return out[["star_id", "source", "sep_arcsec", *(f"lit_{n}" for n in names), "c_h_limit",
                "lit_c_fe", "lit_cemp", "n_entries", "reference"]]


def _read_catalogues(paths):
    """Read literature catalogues; files of one kind become one table."""
    parts = {}
    for path in paths:
        kind, table = read(path)
        parts.setdefault(kind, []).append(table)
    return {kind: pd.concat(tables, ignore_index=True) for kind, tables in parts.items()}


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("list", help="table of candidates with positions")
    parser.add_argument("--real", nargs="+", required=True, metavar="FILE",
                        help="literature catalogues")
    parser.add_argument("--radius", type=float, default=3.0, help="arcsec, where position decides")
    parser.add_argument("--epoch", type=float, default=2000.0, help="of the list's positions [yr]")
    parser.add_argument("--out", help="csv to write; without it the table is printed")
    args = parser.parse_args(arguments)
    try:
        if not args.radius > 0:
            raise BadInputError(f"--radius {args.radius}: give arcseconds above 0")
        stars = read_list(args.list)
        catalogues = _read_catalogues(args.real)
        found = crossmatch_list(stars, catalogues, args.radius, args.epoch)
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 1
    keep = [name for name in ("star_id", "designation", "obsid", "fe_h", "c_fe", "p_cemp")
            if name in stars]
    table = stars[keep].merge(found, on="star_id")
    if args.out:
        with atomic_path(args.out) as path:
            table.to_csv(path, index=False, float_format="%.6g")
    else:
        print(table.drop(columns="reference").to_string(index=False))
    print(f"{found['star_id'].nunique()} of {len(stars)} stars are in the literature, "
          f"{found.loc[found['lit_cemp'].astype(bool), 'star_id'].nunique()} as CEMP")
    return 0


if __name__ == "__main__":
    sys.exit(main())
