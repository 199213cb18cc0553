"""The LAMOST LRS stellar catalogue, FITS(.gz) or csv, whole or in chunks."""

import gzip
import zlib

import numpy as np
import pandas as pd
from astropy.io import fits

from cemp.catalogues.common import bad_position, blank_missing, drop_rows, gaia_ids, need_columns
from cemp.catalogues.sanity import (
    check_file,
    check_positions,
    comment_lines,
    is_fits,
    is_gzip,
    text_head,
)
from cemp.errors import BadInputError

#: Column of the survey -> column here. DR10 documents the left names; sets differ by release.
NUMBERS = {
    "ra": "ra", "dec": "dec", "ra_obs": "ra_obs", "dec_obs": "dec_obs", "z": "z",
    "snru": "snru", "snrg": "snrg", "snrr": "snrr", "snri": "snri", "snrz": "snrz",
    "mag_ps_g": "gmag", "gaia_g_mean_mag": "gaia_gmag",
    "teff": "lasp_teff", "logg": "lasp_logg", "feh": "lasp_feh",
}  # fmt: skip
INTEGERS = {"obsid": "obsid", "lmjd": "lmjd", "spid": "spid", "fiberid": "fiberid"}
TEXTS = {"class": "cls", "subclass": "subclass", "planid": "planid", "uid": "uid"}
WANTED = {*NUMBERS, *INTEGERS, *TEXTS, "gaia_source_id"}
NEEDED = ("obsid", "ra", "dec", "z", "snrg", "class")

#: Columns here that no stage needs: where the fibre stood, and LASP's own parameters.
SPARE = ("ra_obs", "dec_obs", "gaia_gmag", "lasp_teff", "lasp_logg", "lasp_feh")

#: A signal-to-noise ratio of 999 marks a failed estimate, not a superb spectrum.
SNR_FAILED = 999.0


def _text(values):
    """Text without padding, and without the bytes that FITS gives."""
    values = np.asarray(values)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    return np.char.strip(values.astype(str))


def _fits_chunks(path, rows):
    """Yield column dictionaries of a FITS table, reading (un)compressed bytes as they come."""
    with fits.open(path, memmap=False, lazy_load_hdus=True) as hdus:
        hdu = hdus[1]
        dtype, header, start = hdu.columns.dtype, hdu.header.copy(), hdu.fileinfo()["datLoc"]
    dtype = dtype.newbyteorder(">")
    if dtype.itemsize != header["NAXIS1"]:
        raise BadInputError(f"{path}: cannot make sense of its columns; fetch the file again")
    names = [n for n in dtype.names if n.lower() in WANTED]
    left = header["NAXIS2"]
    gzipped = is_gzip(path)
    with gzip.open(path) if gzipped else open(path, "rb") as stream:
        stream.seek(start)
        while left > 0:
            block = stream.read(min(rows, left) * dtype.itemsize)
            data = np.frombuffer(block[: len(block) // dtype.itemsize * dtype.itemsize], dtype)
            if data.size < min(rows, left):
                raise BadInputError(f"{path} ends early ({left} rows missing): fetch it again")
            left -= data.size
            yield {n.lower(): data[n].astype(data[n].dtype.newbyteorder("=")) for n in names}


def _csv_chunks(path, rows):
    """Yield column dictionaries of a csv, separated by a bar or a comma, with or without BOM."""
    names, separator = text_head(path)
    need_columns({n.lower() for n in names}, NEEDED, path, "a LAMOST LRS stellar catalogue")
    as_text = {n: str for n in names if n.lower() in {"gaia_source_id", *TEXTS}}
    reader = pd.read_csv(
        path, sep=separator, encoding="utf-8-sig", chunksize=rows, dtype=as_text,
        usecols=lambda n: n.strip().lower() in WANTED, skipinitialspace=True,
        keep_default_na=False, na_values=["", "null", "NULL", "nan"], skiprows=comment_lines(path),
        compression="gzip" if is_gzip(path) else None,
    )  # fmt: skip
    for chunk in reader:
        yield {n.strip().lower(): chunk[n].to_numpy() for n in chunk}


def _columns(raw, path):
    """Rename, type and clean one chunk."""
    need_columns(raw, NEEDED, path, "a LAMOST LRS stellar catalogue")
    n = len(raw["obsid"])
    out = {new: np.asarray(raw.get(old, np.full(n, -1)), float) for old, new in INTEGERS.items()}
    out = {new: np.where(np.isfinite(v), v, -1).astype(np.int64) for new, v in out.items()}
    obsid = np.asarray(raw["obsid"])
    known = np.isfinite(obsid) if obsid.dtype.kind == "f" else np.ones(n, dtype=bool)
    out["obsid"] = np.where(known, obsid, -1).astype(np.int64)
    for old, new in NUMBERS.items():
        values = pd.to_numeric(pd.Series(raw.get(old, np.full(n, np.nan))), errors="coerce")
        out[new] = blank_missing(values)
    for old, new in TEXTS.items():
        text = pd.Series(_text(raw.get(old, np.full(n, "")))).replace(
            ["-9999", "nan", "null", "None"], ""
        )
        out[new] = text.astype("str")
    frame = pd.DataFrame(out)
    frame["gaia_source_id"] = gaia_ids(raw.get("gaia_source_id", np.zeros(n, np.int64)))
    return frame


def _clean(frame, counts, noted):
    """Drop what cannot be used, blank failed signal-to-noise ratios."""
    if (frame["obsid"] < 0).any():  # no release has such rows: edited files do
        frame = drop_rows(frame, frame["obsid"] < 0, "no obsid", counts)
    frame = drop_rows(frame, bad_position(frame["ra"], frame["dec"]), "no position", counts)
    for band in "ugriz":
        failed = frame[f"snr{band}"] >= SNR_FAILED
        noted[f"S/N({band}) failed (999)"] = noted.get(f"S/N({band}) failed (999)", 0) + int(
            failed.sum()
        )
        frame.loc[failed, f"snr{band}"] = np.nan
    noted["redshift missing"] = noted.get("redshift missing", 0) + int(frame["z"].isna().sum())
    not_star = frame["cls"] != "STAR"
    noted["class is not STAR"] = noted.get("class is not STAR", 0) + int(not_star.sum())
    return frame


def iter_lamost(path, rows=500_000):
    """Read the catalogue in chunks, for tables that do not fit in memory.

    Parameters
    ----------
    path : path_like
        ``.fits``, ``.fits.gz``, or csv separated by ``|`` or ``,`` (BOM allowed, gzip allowed).
    rows : int
        Rows a chunk.

    Yields
    ------
    pandas.DataFrame
        As `read_lamost`, with counts of this chunk only; repeated obsid are not looked for.

    Raises
    ------
    BadInputError
        If the file is missing, cut short, or another table.
    """
    path = check_file(path, "lamost_catalogue")
    try:
        for raw in (_fits_chunks if is_fits(path) else _csv_chunks)(path, rows):
            dropped, noted = {}, {}
            n_read = len(raw.get("obsid", ()))
            frame = _columns(raw, path)
            check_positions(frame["ra"], frame["dec"], path)
            frame = _clean(frame, dropped, noted)
            frame.attrs = {"n_read": n_read, "dropped": dropped, "noted": noted}
            yield frame
    except (OSError, EOFError, IndexError, ValueError, KeyError, zlib.error) as error:
        raise BadInputError(f"{path} cannot be read ({error}): fetch the file again") from error


def _join(parts, keep):
    """Join the columns of all chunks one by one, so that the table is in memory only once."""
    columns = {}
    for name in list(parts[0]):
        column = pd.concat([part.pop(name) for part in parts], ignore_index=True)
        columns[name] = column if keep.all() else column[keep].reset_index(drop=True)
    return pd.DataFrame(columns, copy=False)


def read_lamost(path, lean=False):
    """Read the LAMOST LRS stellar catalogue.

    Parameters
    ----------
    path : path_like
        As for `iter_lamost`.
    lean : bool
        Whether to leave out `SPARE`, what no stage needs. A row then takes 184 bytes in place of
        232, and 350 while it is read: 2.2 and 4.2 GB for the twelve million rows of DR11.

    Returns
    -------
    pandas.DataFrame
        One row a spectrum: obsid, lmjd, planid, spid, fiberid (-1 or "" if the table lacks
        them), ra, dec [deg] of the input catalogue, ra_obs, dec_obs, z, snru ... snrz, cls,
        subclass, uid, gaia_source_id (Int64), gmag, gaia_gmag and LASP's own lasp_teff [K],
        lasp_logg, lasp_feh, which are never used as labels. ``attrs`` holds ``n_read``,
        ``dropped`` and ``noted`` by reason.

    Raises
    ------
    BadInputError
        If the file is missing, empty, cut short, or another table.
    """
    total, parts = {"n_read": 0, "dropped": {}, "noted": {}}, []
    for chunk in iter_lamost(path):
        total["n_read"] += chunk.attrs["n_read"]
        for kind in ("dropped", "noted"):
            for reason, n in chunk.attrs[kind].items():
                total[kind][reason] = total[kind].get(reason, 0) + n
        chunk.attrs = {}
        parts.append({n: chunk[n].copy() for n in chunk if not (lean and n in SPARE)})
    if not sum(len(part["obsid"]) for part in parts):
        raise BadInputError(f"{path} has no usable row: check that it is the right file")
    repeated = pd.concat([part["obsid"] for part in parts]).duplicated().to_numpy()
    total["dropped"]["obsid repeated"] = int(repeated.sum())
    frame = _join(parts, ~repeated)
    frame.attrs = total
    return frame
