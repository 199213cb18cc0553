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
from cemp.catalogues.recognise import read
from cemp.crossmatch import MatchSettings
from cemp.errors import BadInputError
from cemp.sources import combine_entries, match_labels

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
        if path.suffix in (".csv", ".txt"):
            table = pd.read_csv(path, comment="#")
        else:
            table = Table.read(path, unit_parse_strict="silent").to_pandas()
    except Exception as error:  # astropy raises what its many readers raise
        raise BadInputError(f"{path} cannot be read as a table ({error})") from error
    names = {str(name).lower(): name for name in table}
    for ours, theirs in _ALIASES.items():
        found = next((names[name] for name in theirs if name in names), None)
        if found is not None:
            table[ours] = table[found]
    if not {"ra", "dec"} <= set(table) or table[["ra", "dec"]].isna().any(axis=None):
        raise BadInputError(f"{path}: every row needs ra and dec in degrees")
    if "gaia_source_id" not in table:
        table["gaia_source_id"] = np.int64(0)
    return table.assign(star_id=[str(n) for n in range(len(table))])


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
        stars = read_list(args.list)
        catalogues = dict(read(path) for path in args.real)
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
