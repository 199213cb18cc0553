"""The candidate table: one row a star, with units, descriptions and where it came from."""

import hashlib

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.table import Table

from cemp import __version__
from cemp.atomic import atomic_path
from cemp.errors import BadInputError
from cemp.rows import parts_of

#: Column -> (unit, description), in the order of the table; units as CDS writes them.
COLUMNS = {
    "designation": ("", "LAMOST Jhhmmss.ss+ddmmss.s (ICRS, truncated)"),
    "star_id": ("", "identity of the star over its spectra"),
    "obsid": ("", "LAMOST spectrum of highest S/N"),
    "gaia_source_id": ("", "Gaia source, 0 if none"),
    "ra": ("deg", "right ascension (ICRS, input catalogue)"),
    "dec": ("deg", "declination (ICRS, input catalogue)"),
    "gmag": ("mag", "g magnitude"),
    "snrg": ("", "S/N in g of that spectrum"),
    "n_obs": ("", "spectra combined"),
    "teff": ("K", "effective temperature"),
    "e_teff": ("K", "its error"),
    "logg": ("dex", "log10 of surface gravity in cm/s2"),
    "e_logg": ("dex", "its error"),
    "fe_h": ("dex", "[Fe/H]"),
    "e_fe_h": ("dex", "its error"),
    "c_h": ("dex", "[C/H], A(C)sun = 8.43"),
    "e_c_h": ("dex", "its error"),
    "cov_fe_h_c_h": ("", "error covariance of [Fe/H] and [C/H], dex2"),
    "c_fe": ("dex", "[C/Fe] = [C/H] - [Fe/H]"),
    "e_c_fe": ("dex", "its error, covariance included"),
    "a_c": ("dex", "A(C) = [C/H] + 8.43"),
    "p_cemp": ("", "probability of [Fe/H] < -2.0 and [C/Fe] > 0.7"),
    "p_emp": ("", "probability of [Fe/H] < -3"),
    "p_vmp": ("", "probability of -2.5 <= [Fe/H] < -1.5"),
    "cemp": ("", "Table 1: [Fe/H] < -2.0 and [C/Fe] > 0.7"),
    "emp": ("", "Table 1: [Fe/H] < -3"),
    "vmp": ("", "Table 1: -2.5 <= [Fe/H] < -1.5"),
    "unclassified_mp": ("", "-3 <= [Fe/H] < -2.5 and [C/Fe] <= 0.7"),
    "bc05_mp": ("", "Beers & Christlieb 2005: [Fe/H] < -1"),
    "bc05_vmp": ("", "Beers & Christlieb 2005: [Fe/H] < -2"),
    "bc05_emp": ("", "Beers & Christlieb 2005: [Fe/H] < -3"),
    "bc05_ump": ("", "Beers & Christlieb 2005: [Fe/H] < -4"),
    "bc05_cemp": ("", "Beers & Christlieb 2005: [C/Fe] > 1.0, metal-poor"),
    "aoki07_cemp": ("", "Aoki+ 2007, luminosity from Teff and log g"),
    "missing": ("", "[Fe/H] or [C/Fe] missing"),
    "gband": ("Angstrom", "pseudo-equivalent width of the G band"),
    "e_gband": ("Angstrom", "its error from ivar"),
    "gband_normal": ("Angstrom", "expected of the star at [C/Fe] = 0"),
    "gband_excess": ("", "G-band excess in units of its error"),
    "gband_power": ("", "excess expected at [C/Fe] = 1, same units"),
    "gband_grade": ("", "confirmed, not confirmed, or untested"),
}


def designation(ra, dec):
    """Name stars after their position, as LAMOST does.

    Parameters
    ----------
    ra, dec : array_like, shape (n,)
        ICRS [deg].

    Returns
    -------
    list of str
        ``LAMOST Jhhmmss.ss+ddmmss.s``, truncated and not rounded (IAU rule).

    Examples
    --------
    >>> designation([10.0], [-0.5])
    ['LAMOST J004000.00-003000.0']
    """
    names = []
    for alpha, delta in zip(np.asarray(ra, float) % 360.0, np.asarray(dec, float), strict=True):
        # A microsecond of slack: 10 deg must not become 23h59m59.99s by a rounding error.
        time = int(np.floor(np.round(alpha * 24_000.0, 4)))
        arc = int(np.floor(np.round(abs(delta) * 36_000.0, 4)))
        sign = "-" if delta < 0 else "+"
        h, m, s = time // 360_000, time // 6_000 % 60, time % 6_000
        d, p, q = arc // 36_000, arc // 600 % 60, arc % 600
        names.append(
            f"LAMOST J{h:02d}{m:02d}{s // 100:02d}.{s % 100:02d}"
            f"{sign}{d:02d}{p:02d}{q // 10:02d}.{q % 10}"
        )
    return names


def add_designation(table):
    """Add the names of `designation`, which are written some rows at a time.

    Parameters
    ----------
    table : pandas.DataFrame
        ra, dec.

    Returns
    -------
    pandas.DataFrame
        A copy with designation.
    """
    parts = [pd.Series(designation(part["ra"], part["dec"]), dtype="str")
             for part in parts_of(table, ["ra", "dec"])]
    return table.assign(designation=pd.concat(parts, ignore_index=True).array)


def file_hash(path):
    """Hash a file, so that a catalogue tells which network made it.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    str
        First 16 hexadecimal digits of SHA-256.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _ordered(table):
    """Keep the table's columns in their order; refuse a table that lacks one."""
    absent = [name for name in COLUMNS if name not in table]
    if absent:
        raise BadInputError(f"candidate table lacks {', '.join(absent)}: rerun notebook 05")
    return table[list(COLUMNS)]


def write_fits(table, path, provenance):
    """Write candidates as a FITS table with units and descriptions.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `COLUMNS` (others are left out).
    path : str or pathlib.Path
    provenance : dict of str to (value, comment)
        FITS keywords of the table's header; no dates, so that equal runs give equal files.
    """
    table = _ordered(table)
    columns = {name: table[name].to_numpy() for name in table}
    columns = {k: v.astype(str) if v.dtype.kind == "O" else v for k, v in columns.items()}
    hdu = fits.table_to_hdu(Table(columns))
    for number, (unit, what) in enumerate(COLUMNS.values(), start=1):
        hdu.header[f"TCOMM{number}"] = what
        if unit:
            hdu.header[f"TUNIT{number}"] = unit
    hdu.header["EXTNAME"] = "CANDIDATES"
    hdu.header["CEMPVERS"] = (__version__, "version of the package cemp")
    for key, (value, comment) in provenance.items():
        hdu.header[key] = (value, comment)
    with atomic_path(path) as temporary:
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(temporary, overwrite=True, checksum=False)


def write_csv(table, path, provenance):
    """Write candidates as CSV; lines that begin with # tell columns, units and provenance.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `COLUMNS`.
    path : str or pathlib.Path
        Read it back with ``pandas.read_csv(path, comment="#")``.
    provenance : dict of str to (value, comment)
        As for `write_fits`.
    """
    lines = [f"# {key} = {value} ({comment})" for key, (value, comment) in provenance.items()]
    lines += [f"# {name} [{unit or '-'}]: {what}" for name, (unit, what) in COLUMNS.items()]
    body = _ordered(table).to_csv(index=False, float_format="%.9g", lineterminator="\n")
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n" + body)


def read_fits(path):
    """Read a candidate table.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    pandas.DataFrame
        Text as str, everything else as it was written.

    Raises
    ------
    BadInputError
        If the file holds no candidate table.
    """
    try:
        table = Table.read(path, hdu="CANDIDATES", unit_parse_strict="silent")
    except (OSError, KeyError) as error:
        raise BadInputError(f"{path} is not a candidate table: rerun notebook 05") from error
    table.convert_bytestring_to_unicode()
    return pd.DataFrame({name: np.asarray(table[name]).astype(
        table[name].dtype.newbyteorder("=")) for name in table.colnames})
