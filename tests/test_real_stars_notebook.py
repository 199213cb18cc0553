"""Notebook 07 runs from end to end on made-up real stars, and keeps the house rules."""

import ast
import gzip
import shutil

import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest
import torch
from astropy.io import fits
from made_spectra import star, table_bytes

from cemp.constants import air_to_vacuum
from cemp.models.io import save_model
from cemp.models.macrn import Macrn, MacrnConfig
from cemp.paths import ROOT
from cemp.synthesis.emulator import load_emulator
from cemp.synthesis.resolution import broaden, sample

NOTEBOOK = ROOT / "notebooks" / "07_real_stars.ipynb"
#: Name, Teff, log g, [Fe/H]; the first three are of the development half.
STARS = (("HD140283", 5700, 3.6, -2.4), ("BD+233130", 5050, 2.4, -2.5),
         ("HD094028", 5950, 4.2, -1.5), ("HD122563", 4600, 1.2, -2.6))  # fmt: skip


def write_miles(folder):
    """Write emulated stars in MILES' form: air, 0.9 A, FWHM 2.5 A."""
    emulator = load_emulator(None, cache=ROOT / "build" / "emulator")
    step = np.log(emulator.wave[1] / emulator.wave[0])
    wave, rows = 3700 + 0.9 * np.arange(4120), []
    for k, (name, teff, logg, fe_h) in enumerate(STARS):
        norm, cont = emulator.emulate([(teff, logg, fe_h, 0.0, 0.3, 0.0)])
        flux = broaden(norm[0] * cont[0] / cont[0].mean(), step, emulator.wave / 2.5)
        hdu = fits.PrimaryHDU(sample(emulator.wave, flux, air_to_vacuum(wave), 0.0).astype(float))
        hdu.header.update({"CRVAL1": 3700.0, "CDELT1": 0.9, "CRPIX1": 1})
        hdu.writeto(folder / f"{k}.fits")
        rows.append({"name": name, "miles_id": k, "file": f"{k}.fits", "teff": teff, "logg": logg,
                     "feh": fe_h, "refs": "1"})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Return a folder with made-up MILES, LAMOST and JINAbase, and untrained weights."""
    folder = tmp_path_factory.mktemp("real")
    for name in ("miles", "lamost", "catalogues"):
        (folder / name).mkdir()
    write_miles(folder / "miles")
    for obsid in (1, 2):
        content = table_bytes(star(teff=5000 + 500 * obsid, snr=50, obsid=obsid))
        (folder / "lamost" / f"{obsid}.fits.gz").write_bytes(gzip.compress(content))
    pd.DataFrame([{"Name": "HD_94028", "Simbad_Identifier": "", "C-H": "6.9", "Teff": "5900"}]
                 ).to_csv(folder / "catalogues" / "JINAbase-yelland25.csv")
    pd.DataFrame({"obsid": range(25), "ra": 10.0, "dec": 10.0, "z": 0.0, "snrg": 50.0,
                  "class": "STAR", "subclass": "G5", "teff": 5700.0, "logg": 4.4,
                  "feh": 0.0}).to_csv(
        folder / "catalogues" / "lamost_dr10_lrs_stellar_3000rows.csv", index=False)
    torch.manual_seed(0)
    model = Macrn(MacrnConfig(covariance=True)).eval()
    for place in ("weights", "ablation/control", "ablation/no-balmer"):
        save_model(model, folder / place / "member-0")
    return folder


@pytest.fixture
def profile():
    """Return a profile of its own, gone after the test."""
    build = ROOT / "build" / "test-07"
    build.mkdir(parents=True, exist_ok=True)
    (build / "profile.yaml").write_text("{}\n")
    yield "test-07"
    shutil.rmtree(build)


def test_it_runs_and_keeps_the_test_half_closed(real, profile, tmp_path):
    values = {"profile": profile, "real_dir": str(real), "weights": str(real / "weights"),
              "ablation": str(real / "ablation"), "domain_dir": str(real), "n_fit": 2, "n_boot": 50,
              "open_test": False}
    papermill.execute_notebook(str(NOTEBOOK), str(tmp_path / "ran.ipynb"), values, cwd=str(ROOT),
                               kernel_name="python3", progress_bar=False)
    made = pd.read_csv(ROOT / "build" / profile / "07" / "stars.csv")
    assert made["name"].tolist() == [name for name, *_ in STARS[:3]]
    fitted = pd.read_csv(ROOT / "build" / profile / "07" / "fits.csv")
    assert fitted["teff"].to_numpy() == pytest.approx([5700, 5050], abs=60)
    names = (ROOT / "build" / profile / "paper" / "values" / "07_real_stars.json").read_text()
    assert "RealDevAllTeffBias" in names and "RealTest" not in names


def test_it_is_thin_and_argues():
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert all(len(cell.source.splitlines()) <= 25 for cell in code)
    kinds = (ast.FunctionDef, ast.ClassDef)
    assert not [n for c in code for n in ast.walk(ast.parse(c.source)) if isinstance(n, kinds)]
    assert len(cells) - len(code) >= 0.3 * len(cells)
    assert "write_values(" in code[-1].source
