"""Mock spectra made to be like given real ones: same kind of star, same S/N, the mock's instrument.

A mock and a real sample differ first of all in who is in them. A twin has the labels that the
real spectrum seems to have and its S/N, so that what still differs is the mock's doing: physics,
instrument, noise. The labels are rough, the nearest of a few thousand synthetic spectra; they
come from the library emulator, while twins are emulated from the mock's half of the grid.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cemp.constants import C_KMS, SEED, WAVE, rng
from cemp.errors import BadInputError
from cemp.lamost import find_spectra, read_spectrum
from cemp.mock.components import draw_component
from cemp.mock.exposure import expose
from cemp.mock.instrument import COEFF0, COEFF1, MAX_PIXELS, resolution
from cemp.mock.observatory import Observatory
from cemp.mock.physics import BALMER, CA_HK, NA_D
from cemp.preprocess.pipeline import preprocess
from cemp.spectrum import Spectrum
from cemp.synthesis.emulator import load_emulator
from cemp.synthesis.grid import GRID_LABELS
from cemp.synthesis.resolution import broaden, sample


@dataclass(frozen=True)
class TwinSettings:
    """How twins are made.

    Attributes
    ----------
    folders : tuple of str
        Subfolders of the real spectra that are read: later releases, one reduction.
    subclasses : str, tuple of str
        LAMOST subclasses compared. F0 and hotter and K7 and cooler lie outside the synthetic
        grid or at its edge (no TiO).
    snr_min : float
        Below it a spectrum says little about its star.
    n_library : int
        Synthetic spectra among which the nearest is sought: some 150 K and 0.25 dex apart.
    floor : float
        Error of the synthetic spectra, added to the noise: at high S/N they differ from a real
        star by their physics.
    n_twins : int
        Twins of each real spectrum: the instrument's draws differ.
    """

    folders: tuple = ("dr7_spectrograph", "dr10", "mixed_releases")
    subclasses: tuple = tuple(f"{letter}{k}" for letter, low, high in
                              (("F", 2, 10), ("G", 0, 10), ("K", 0, 6)) for k in range(low, high))
    snr_min: float = 8.0
    n_library: int = 600
    floor: float = 0.03
    n_twins: int = 3


def read_real(folder, settings=TwinSettings()):  # noqa: B008  (frozen)
    """Read the real spectra that are compared.

    Parameters
    ----------
    folder : str or pathlib.Path
        ``lamost`` folder with the subfolders of the settings.
    settings : TwinSettings

    Returns
    -------
    list of cemp.spectrum.Spectrum
        Stars of the wanted subclasses with a velocity and enough S/N, each exposure once.
    """
    found = {}
    for name in settings.folders:
        for path in find_spectra(folder / name):
            try:
                spectrum = read_spectrum(path)
            except BadInputError:
                continue
            wanted = spectrum.cls == "STAR" and spectrum.subclass in settings.subclasses
            if wanted and np.isfinite(spectrum.z) and spectrum.snr["g"] >= settings.snr_min:
                meta = spectrum.meta
                key = tuple(meta[k] for k in ("lmjd", "planid", "spid", "fiberid"))
                found.setdefault(key, spectrum)
    return list(found.values())


def vectors(spectra):
    """Preprocess spectra; flux, ivar (n, n_pix), good (n, n_pix)."""
    return stack([preprocess(s) for s in spectra])


def stack(made):
    """Stack vectors: flux, ivar and good, each (n, n_pix)."""
    return tuple(np.array([getattr(v, name) for v in made]) for name in ("flux", "ivar", "good"))


def fit_pixels(wave=WAVE):
    """Tell which pixels labels may be read from: not where LTE or the atmosphere decides."""
    use = ((wave > 4000) & (wave < 6860)) | ((wave > 8400) & (wave < 8750))
    for centre, half in (*((b, 8) for b in BALMER), *((w, 12) for w in CA_HK),
                         *((w, 8) for w in NA_D), (6290, 20)):  # fmt: skip
        use &= np.abs(wave - centre) > half
    return use


def library(settings=TwinSettings(), seed=SEED, cache=None):  # noqa: B008  (frozen)
    """Make the synthetic spectra among which a real one seeks its like.

    Parameters
    ----------
    settings : TwinSettings
    seed : int
    cache : str or pathlib.Path, optional
        Of the emulator.

    Returns
    -------
    labels : ndarray, shape (n, 6)
    flux : ndarray, shape (n, n_pix)
        Preprocessed as an observed spectrum would be, at the mean resolution of the mock.
    """
    emulator, random = load_emulator("library", cache=cache), rng("twins", seed)
    shares = {"disc": 0.5, "thick": 0.3, "halo": 0.15, "metal_poor": 0.05}
    stars = pd.concat([draw_component(name, round(share * settings.n_library), random)
                       for name, share in shares.items()])  # fmt: skip
    labels = stars[list(GRID_LABELS)].to_numpy()
    out = 10 ** (COEFF0 + COEFF1 * np.arange(MAX_PIXELS))
    step = np.log(emulator.wave[-1] / emulator.wave[0]) / (emulator.wave.size - 1)
    power = resolution(emulator.wave, 1800.0)
    made = []
    for one in labels:
        norm, cont = emulator.emulate(one[None])
        flux = sample(emulator.wave, broaden(norm[0] * cont[0], step, power), out, 0.0)
        whole = np.ones(out.size)
        made.append(Spectrum(None, out, flux, whole, whole > 0, 0.0))
    return labels, vectors(made)[0]


def nearest(real, labels, flux, settings=TwinSettings()):  # noqa: B008  (frozen)
    """Find the synthetic spectrum most like each real one.

    Parameters
    ----------
    real : tuple of ndarray
        `vectors` of the real spectra.
    labels, flux : ndarray
        From `library`.
    settings : TwinSettings

    Returns
    -------
    pandas.DataFrame
        Grid labels, row (in the library), chi2 (a pixel, with the floor).
    """
    use, rows = fit_pixels(), []
    for observed, ivar, good in zip(*real, strict=True):
        weight = np.where(good & use, 1 / (settings.floor**2 + 1 / np.maximum(ivar, 1e-9)), 0)
        chi2 = ((flux - observed) ** 2 @ weight) / (weight > 0).sum()
        rows.append((*labels[np.argmin(chi2)], np.argmin(chi2), chi2.min()))
    return pd.DataFrame(rows, columns=[*GRID_LABELS, "row", "chi2"]).astype({"row": int})


def make_twins(real, table, settings=TwinSettings(), seed=SEED, cache=None, observatory=None):  # noqa: B008
    """Observe stars with the labels and the S/N of real spectra as the mock survey would.

    Parameters
    ----------
    real : list of cemp.spectrum.Spectrum, length n
    table : pandas.DataFrame
        From `nearest`.
    settings : TwinSettings
    seed : int
    cache : str or pathlib.Path, optional
    observatory : Observatory, optional
        With other settings than the mock's.

    Returns
    -------
    spectra : list of cemp.spectrum.Spectrum, length n * n_twins at most
        Without those that preprocessing refuses (an arm lost).
    vectors : tuple of ndarray
        Of these spectra, as of `vectors`.
    parent : ndarray of int
        Row in `real` of each.
    """
    mock = observatory or Observatory(seed, cache)
    spectra, made, parent = [], [], []
    for row, (one, star) in enumerate(zip(real, table.to_dict("records"), strict=True)):
        for k in range(settings.n_twins):
            key = f"twin {row} {k}"
            ebv = min(mock.star_generator(key, "ebv").exponential(0.05), 0.5)
            star |= {"star_key": key, "ebv": ebv}
            spectrum = _observe(mock, star, one, key)
            try:
                made.append(preprocess(spectrum))
            except BadInputError:
                continue
            spectra.append(spectrum)
            parent.append(row)
    return spectra, stack(made), np.array(parent)


def _observe(mock, star, real, key):
    """Expose one twin; return it as the reader would give it."""
    helio = real.meta.get("helio_rv", 0.0)
    target = {"rv": real.z * C_KMS, "ebv": star["ebv"], "gmag": 15.0, "snr_g": real.snr["g"],
              "helio_rv": helio if np.isfinite(helio) else 0.0, "spid": real.meta["spid"]}
    e = expose(mock.emulator.wave, mock.surface_flux(star), target,
               mock.star_generator(key, "exposure"), mock.star_generator(key, "sight line"),
               mock.instrument)  # fmt: skip
    good = (e.ivar > 0) & (e.andmask == 0)
    return Spectrum(None, e.wave, e.flux, np.where(good, e.ivar, 0), good, e.z, snr=e.snr,
                    meta={"helio_rv": target["helio_rv"]})  # fmt: skip
