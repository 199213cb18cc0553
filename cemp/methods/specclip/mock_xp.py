"""Mock Gaia XP spectra of the mock survey's own stars.

No method imports this module: as the LAMOST spectra, they are data. Flux comes from the mock's
half of the grid with the mock's nuisance physics (`cemp.mock.observatory`), so the two surveys
see the same star; dust and velocity are those of the LAMOST spectrum. What the instrument does:

- resolution: a Gaussian of `FWHM_PIXELS` photometer pixels. Pixels are 3-27 nm wide in BP (330 to
  680 nm) and 7-15 nm in RP (640 to 1050 nm; Gaia Collaboration, Prusti et al. 2016, A&A 595, A1),
  taken as geometric between: R falls from 59 to 20 in BP, from 61 to 54 in RP. They join at 640 nm;
- noise: electrons that the zero point of G gives (Riello et al. 2021, A&A 649, A3) for a grey
  response over the window, in 4.42 s and some 40 transits, above a background; white from one
  photometer pixel to the next and therefore correlated between samples;
- calibration: a smooth error of 0.5% that the quoted errors do not hold.
"""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from cemp.constants import SEED
from cemp.methods.specclip.xp import G_LIMIT, XP_WAVE, XpSpectra, read_xp, relative

#: FWHM of the line-spread function in photometer pixels: brings R to the 20-70 of XP spectra.
FWHM_PIXELS = 1.5
#: Where BP hands over to RP [Angstrom].
JOIN = 6400.0
#: Zero point of G: electrons a second = 10^(0.4 (ZERO_POINT - G)).
ZERO_POINT = 25.6874
#: Exposure of one transit [s]; least and most transits of a star.
EXPOSURE, TRANSITS = 4.42, (20, 60)
#: Background (sky, stray light, reading) in a photometer pixel and transit, as variance
#: [electrons]: an order of magnitude, which matters beyond G = 17 only.
BACKGROUND = 100.0
#: Rms of the smooth calibration error, and its length in photometer pixels.
CALIBRATION, CALIBRATION_PIXELS = 0.005, 2.0
#: Gaia's G of a star of the mock: its g less this, as in the mock's APOGEE table.
G_MINUS_SMALL_G = -0.4


def pixel_width(wave):
    """Width of a photometer pixel [Angstrom] at wavelengths [Angstrom]; same shape."""
    nm = np.asarray(wave, dtype=float) / 10
    blue = 3 * (27 / 3) ** ((nm - 330) / 350)
    red = 7 * (15 / 7) ** ((nm - 640) / 410)
    return 10 * np.where(np.asarray(wave) < JOIN, blue, red)


def resolving_power(wave):
    """Give the resolving power (FWHM) of XP spectra; shape of `wave` [Angstrom]."""
    return np.asarray(wave) / (FWHM_PIXELS * pixel_width(wave))


def blur_matrix(wave):
    """Matrix (n_xp, n_wave) from a spectrum at `wave` [Angstrom] to XP resolution and samples."""
    sigma = XP_WAVE / resolving_power(XP_WAVE) / 2.354820045
    kernel = np.exp(-0.5 * ((wave - XP_WAVE[:, None]) / sigma[:, None]) ** 2) * np.gradient(wave)
    return kernel / kernel.sum(axis=1, keepdims=True)


def linked_noise(random, pixels=1.0):
    """Noise of unit variance (n_xp,), independent `pixels` photometer pixels apart."""
    step = np.gradient(XP_WAVE) / pixel_width(XP_WAVE) / pixels
    position = np.cumsum(step) + random.random()
    left = position.astype(int)
    part = position - left
    node = random.standard_normal(left[-1] + 2)
    return (node[left] * (1 - part) + node[left + 1] * part) / np.hypot(part, 1 - part)


def expected_error(flux, gmag, transits):
    """Give the standard error of an XP spectrum.

    Parameters
    ----------
    flux : ndarray (n_xp,)
        Noiseless flux a wavelength unit, any scale.
    gmag : float
        Gaia's G [mag].
    transits : int

    Returns
    -------
    ndarray (n_xp,)
        In the unit of `flux`: photons of a photometer pixel and the background.
    """
    share = flux * XP_WAVE / np.sum(flux * XP_WAVE * np.gradient(XP_WAVE))
    time = EXPOSURE * transits
    photons = time * 10 ** (0.4 * (ZERO_POINT - gmag)) * share * pixel_width(XP_WAVE)
    return flux * np.sqrt(photons + transits * BACKGROUND) / photons


def measure(flux, gmag, random):
    """Observe a noiseless XP spectrum (n_xp,); flux and quoted error, or NaN beyond the limit."""
    transits = random.integers(TRANSITS[0], TRANSITS[1] + 1)
    error = expected_error(flux, gmag, transits)
    smooth = 1 + CALIBRATION * linked_noise(random, CALIBRATION_PIXELS)
    noisy = flux * smooth + error * linked_noise(random)
    seen = 1.0 if gmag < G_LIMIT else np.nan
    return noisy * seen, error * seen


class XpObservatory:
    """What every mock XP spectrum shares.

    Parameters
    ----------
    seed : int
        Of the mock survey.
    cache : str or pathlib.Path, optional
        Folder of the fitted emulator.
    """

    def __init__(self, seed=SEED, cache=None):
        from cemp.mock.observatory import Observatory

        self.mock = Observatory(seed, cache)
        self.blur = blur_matrix(self.mock.emulator.wave)

    def flux(self, star, rv):
        """Noiseless XP spectrum (n_xp,) of a row of the truth; `rv` [km/s] of its first epoch."""
        from cemp.mock import nonstellar
        from cemp.mock.exposure import redden

        kind, wave = str(star["kind"]).lower(), self.mock.emulator.wave
        sight_line = self.mock.star_generator(star["star_key"], "sight line")
        z = nonstellar.redshift(kind, rv, sight_line)
        flux = self.mock.rest_flux(star, kind, z)
        if kind not in ("galaxy", "qso"):  # those come at observed wavelengths
            flux = np.interp(wave / (1 + z), wave, flux)
        return self.blur @ redden(wave, flux, star["ebv"])

    def observe(self, star, rv):
        """XP flux and quoted error of a star, both (n_xp,)."""
        random = self.mock.star_generator(star["star_key"], "xp")
        return measure(self.flux(star, rv), star["gmag"] + G_MINUS_SMALL_G, random)


def make_xp(stars, observations, seed=SEED, cache=None):
    """Make XP spectra of the mock's stars.

    Parameters
    ----------
    stars : pandas.DataFrame
        The truth: star_key, kind, grid labels, ebv, gmag.
    observations : pandas.DataFrame
        The truth: obsid, star_key, rv.
    seed : int
        Of the mock survey.
    cache : str or pathlib.Path, optional

    Returns
    -------
    XpSpectra
        A row for each observation; all of a star have the same spectrum.
    """
    xp = XpObservatory(seed, cache)
    rv = observations.groupby("star_key")["rv"].first()
    stars = stars[stars["star_key"].isin(rv.index)]
    made = [xp.observe(star, rv[star["star_key"]]) for star in stars.to_dict("records")]
    flux, error = relative(*(np.array(arrays) for arrays in zip(*made, strict=True)))
    row = pd.Series(np.arange(len(stars)), index=stars["star_key"])
    star = row[observations["star_key"]].to_numpy()
    return XpSpectra(observations["obsid"].to_numpy(), star, flux[star], error[star])


def load_mock_xp(paths, seed=SEED):
    """Make the XP spectra of a profile's mock survey, or read them if they are there.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile; the file is kept under ``08/``, named after what it was made from.
    seed : int
        Of the mock survey.

    Returns
    -------
    XpSpectra
    """
    tables = [paths.truth / f"{name}.parquet" for name in ("stars", "observations")]
    code = [Path(__file__), Path(__file__).with_name("xp.py"), paths.truth / "made_from.json"]
    parts = [path.read_bytes() for path in (*tables, *code)] + [str(seed).encode()]
    key = hashlib.sha256(b"".join(parts)).hexdigest()[:16]
    path = paths.stage("08") / f"xp-{key}.npz"
    if not path.is_file():
        make_xp(*map(pd.read_parquet, tables), seed, paths.root / "build" / "emulator").write(path)
        for other in set(path.parent.glob("xp-*.npz")) - {path}:
            other.unlink()
    return read_xp(path)
