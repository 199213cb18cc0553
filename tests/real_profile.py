"""A checkout with a profile of real files, all of which an archive on this machine has."""

import gzip
import io
import shutil

import numpy as np
import pandas as pd
import yaml
from astropy.io import fits

from cemp.paths import ROOT, Paths

LAMOST = ("obsid", "ra", "dec", "z", "snrg", "class")
APOGEE = ("APOGEE_ID", "ASPCAPFLAG", "FE_H", "C_FE")
SAGA = "object\tra\tdec\tteff\t[fe/h]\n"
PROFILE = {
    "01_crossmatch": {"lamost_catalogue": "data/stars.fits.gz", "apogee_catalogue":
                      "data/apogee.fits", "subaru_folder": "data/subaru",
                      "saga_table": "data/saga.tsv"},
    "02_preprocessing": {"spectra_dir": "data/spectra"},
}  # fmt: skip


def table_of(names, n=100):
    """A FITS table of n rows of numbers that do not compress."""
    values, buffer = np.random.default_rng(1).normal(size=n), io.BytesIO()
    columns = [fits.Column(name, "D", array=values) for name in names]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(buffer)
    return buffer.getvalue()


def write_profile(paths_root, profile):
    """Write the profile 'real' of a checkout."""
    folder = paths_root / "notebooks" / "profiles"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "real.yaml").write_text(yaml.safe_dump(profile))


def make_checkout(root, archive):
    """Give its paths and its list of archives; the archive's files are put there."""
    write_profile(root, PROFILE)
    for path in (ROOT / "notebooks").glob("0[1-6]_*.ipynb"):
        shutil.copy(path, root / "notebooks")
    archive.files |= {
        "/cat": gzip.compress(table_of(LAMOST, 300)), "/apogee": table_of(APOGEE),
        "/J/ReadMe": b"ReadMe 80 . This file\ntable1.dat  4   2  Stars\n", "/J/table1.dat": b"1\n",
    }  # fmt: skip
    url = archive.url
    registry = {"files": [
        {"name": "stars.fits.gz", "parameter": "lamost_catalogue", "url": url + "/cat?name=stars",
         "token": True, "rows": 300, "about_mb": 1},
        {"name": "apogee.fits", "parameter": "apogee_catalogue", "url": url + "/apogee"},
        {"name": "subaru", "parameter": "subaru_folder", "url": url + "/J/", "content": "cds"},
        {"name": "saga.tsv", "parameter": "saga_table", "by_hand": "save the search as text"},
    ], "spectra": {"url": url + "/spectrum/{obsid}", "token": True, "bytes": 50000}}  # fmt: skip
    (root / "archives.yaml").write_text(yaml.safe_dump(registry))
    return Paths("real", root), root / "archives.yaml"


def observe(paths, obsid, fold, /, **columns):
    """Write the observations that notebook 01 would; `columns` replace what is in them."""
    table = pd.DataFrame({"obsid": obsid, "fold": fold, "snrg": 60.0})
    table["path"] = [f"plan/spec-{n}.fits.gz" for n in obsid]
    table.assign(**columns).to_parquet(paths.stage("01") / "observations.parquet")
