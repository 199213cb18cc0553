"""Real stars: readers, the two halves, and the comparison with the literature."""

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from cemp.errors import BadInputError
from cemp.paths import ROOT
from cemp.transfer.miles import normalise_name, read_labels, read_miles, read_star, split

REAL = ROOT.parent / "shared" / "real"
needs_miles = pytest.mark.skipif(not (REAL / "miles" / "labels.csv").is_file(),
                                 reason="the MILES stars are not beside the checkout")


def write_star(path, flux, **header):
    hdu = fits.PrimaryHDU(np.asarray(flux, dtype=float))
    hdu.header.update({"CRVAL1": 3540.5, "CDELT1": 0.9, "CRPIX1": 1} | header)
    hdu.writeto(path)


# ---- reading ------------------------------------------------------------------------------------

def test_wavelengths_become_vacuum(tmp_path):
    write_star(tmp_path / "a.fits", np.ones(4300))
    star = read_star(tmp_path / "a.fits", 7)
    # H-beta: 4861.33 in air, 4862.68 in vacuum
    pixel = (4861.33 - 3540.5) / 0.9
    assert np.interp(pixel, np.arange(4300), star.wave) == pytest.approx(4862.68, abs=0.02)
    assert (star.obsid, star.z, star.cls) == (7, 0.0, "STAR")


def test_nominal_errors_are_photon_noise(tmp_path):
    flux = np.r_[np.ones(3000), np.full(1300, 4.0), 0.0, np.nan]
    write_star(tmp_path / "a.fits", flux)
    star = read_star(tmp_path / "a.fits")
    snr = star.flux * np.sqrt(star.ivar)
    assert snr[0] == pytest.approx(100) and snr[4000] == pytest.approx(200)
    assert not star.good[-2:].any() and (star.ivar[-2:] == 0).all()


def test_bad_input_says_what_to_do(tmp_path):
    with pytest.raises(BadInputError, match="real_dir"):
        read_labels(tmp_path / "nowhere")
    pd.DataFrame({"name": ["a"]}).to_csv(tmp_path / "labels.csv")
    with pytest.raises(BadInputError, match="no column miles_id"):
        read_labels(tmp_path)
    row = dict(name="HD1", miles_id=1, file="gone.fits", teff=5000, logg=4, feh=0, refs="1")
    pd.DataFrame([row]).to_csv(tmp_path / "labels.csv")
    with pytest.raises(BadInputError, match="gone.fits: no such file"):
        read_miles(tmp_path)
    fits.PrimaryHDU(np.ones((2, 5))).writeto(tmp_path / "image.fits")
    with pytest.raises(BadInputError, match="no MILES spectrum"):
        read_star(tmp_path / "image.fits")


# ---- the two halves -----------------------------------------------------------------------------

def test_names_of_one_star_agree():
    names = ["HD001326B", "HD 1326", "hd 001326 A", "HD 1326   Cl"]
    assert len({normalise_name(name) for name in names}) == 1
    assert normalise_name("BD+044551") == "BD+44551" != normalise_name("BD-044551")
    assert normalise_name("M71 1-64          Cl") != normalise_name("M71 1-65          Cl")


def test_halves_are_fixed_for_ever():
    names = ["HD122563", "HD140283", "HD010700", "BD+233130", "HD094028", "M92 IV 114        Cl"]
    assert split(names).tolist() == HALVES
    assert split(names[::-1]).tolist() == HALVES[::-1]


HALVES = [False, True, True, True, True, True]


@needs_miles
def test_halves_of_miles():
    labels = read_labels(REAL / "miles")
    assert len(labels) == 477 and labels["dev"].sum() == 244
    assert not labels["star"].duplicated().any()
