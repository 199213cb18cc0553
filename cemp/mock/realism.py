"""How far the mock's spectra are from real LAMOST spectra: one number a property, real and mock.

Every measure takes a `cemp.spectrum.Spectrum`, so that real spectra and twins
(`cemp.mock.twins`) go through the same code. Nothing here trains or tunes a network.
"""

import numpy as np
import pandas as pd

from cemp.constants import C_KMS, air_to_vacuum
from cemp.mock.instrument import in_band
from cemp.mock.sky import SKY_LINES
from cemp.preprocess.continuum import fit_arms, join_step

#: Windows [Angstrom, observed] in which noise is measured.
NOISE_WINDOWS = ((3750, 4000), (4000, 4500), (4500, 5200), (5200, 5650), (5950, 6250),
                 (6400, 6800), (7000, 7150), (7380, 7580), (8000, 8250), (8550, 8750))  # fmt: skip
#: Telluric bands and their neighbours, vacuum [Angstrom] in the observatory's frame.
TELLURIC_BANDS = {"O2 B": ((6870, 6900), (6830, 6860), (6990, 7040)),
                  "H2O 7250": ((7170, 7330), (7100, 7150), (7400, 7450)),
                  "O2 A": ((7596, 7680), (7500, 7570), (7720, 7770)),
                  "H2O 8230": ((8140, 8330), (8060, 8110), (8370, 8420))}  # fmt: skip
#: Distances [pixel] at which pixels are compared.
LAGS = (1, 2, 3, 4, 6)


def second_difference(spectrum):
    """Second differences of the flux over their error if neighbours were independent.

    Parameters
    ----------
    spectrum : cemp.spectrum.Spectrum

    Returns
    -------
    wave, ratio : ndarray, shape (m,)
        Where three neighbours are good; ratio has unit variance for white noise of size ivar.
    """
    flux, good = spectrum.flux, spectrum.good
    variance = 1 / np.where(good, spectrum.ivar, 1)
    use = good[2:] & good[1:-1] & good[:-2]
    size = np.sqrt(variance[1:-1] + 0.25 * (variance[2:] + variance[:-2]))
    ratio = (flux[1:-1] - 0.5 * (flux[2:] + flux[:-2])) / size
    return spectrum.wave[1:-1][use], ratio[use]


def robust(values):
    """Give the standard deviation of a Gaussian with the same median absolute deviation."""
    return 1.4826 * np.median(np.abs(values - np.median(values))) if len(values) else np.nan


def structure(spectrum, lags=LAGS, low=7380, high=7580):
    """Mean square difference of pixels at given distances, over twice the variance.

    Parameters
    ----------
    spectrum : cemp.spectrum.Spectrum
    lags : sequence of int
    low, high : float
        Range without strong stellar or sky lines [Angstrom].

    Returns
    -------
    ndarray, shape (n_lag,)
        1 at all lags for white noise of the size that ivar says; smaller at small lags where
        neighbours are correlated.
    """
    use = (spectrum.wave > low) & (spectrum.wave < high)
    flux, good = spectrum.flux[use], spectrum.good[use]
    variance = 1 / np.where(good, spectrum.ivar[use], 1)
    trend = np.polyval(np.polyfit(np.arange(flux.size), flux, 3), np.arange(flux.size))
    out = []
    for lag in lags:
        both = good[lag:] & good[:-lag]
        d2 = (flux - trend)[lag:] - (flux - trend)[:-lag]
        out.append(robust((d2 / np.sqrt(variance[lag:] + variance[:-lag]))[both]) ** 2)
    return np.array(out)


def runs(bad):
    """Lengths of the runs of True; shape (n_run,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], bad.astype(int), [0]])))
    return edges[1::2] - edges[::2]


def sky_excess(spectrum):
    """Scatter at bright OH lines over that between them, and at 5577.

    Parameters
    ----------
    spectrum : cemp.spectrum.Spectrum

    Returns
    -------
    oh, green : float
        Rms of `second_difference` within 3 Angstrom of OH lines of 7700-8900 Angstrom over the
        rms beyond 8 Angstrom of any; largest absolute value at 5577.
    """
    wave, ratio = second_difference(spectrum)
    wave = wave / (1 + _helio(spectrum) / C_KMS)
    centre = air_to_vacuum(SKY_LINES[:, 0])
    bright = centre[(SKY_LINES[:, 1] > 15) & (SKY_LINES[:, 0] > 7000)]
    region = (wave > 7700) & (wave < 8900)
    at, away = (np.abs(wave[:, None] - c).min(1) for c in (bright, centre))
    green = np.abs(ratio[np.abs(wave - air_to_vacuum(np.array([5577.3]))) < 6])
    clip = np.clip(ratio, -30, 30)
    oh = np.std(clip[region & (at < 3)]) / np.std(clip[region & (away > 8)])
    return oh, green.max() if green.size else np.nan


def telluric_residual(spectrum):
    """Depth left of the atmosphere's bands against a line through their neighbours; dict."""
    wave, out = spectrum.wave / (1 + _helio(spectrum) / C_KMS), {}
    for name, (band, left, right) in TELLURIC_BANDS.items():
        level = []
        for low, high in (band, left, right):
            use = (wave > low) & (wave < high) & spectrum.good
            level.append(np.mean(spectrum.flux[use]) if use.sum() > 5 else np.nan)
        share = (np.mean(band) - np.mean(left)) / (np.mean(right) - np.mean(left))
        out[name] = 1 - level[0] / (level[1] + share * (level[2] - level[1]))
    return out


def _helio(spectrum):
    value = spectrum.meta.get("helio_rv", 0.0)
    return value if np.isfinite(value) else 0.0


def snr_ratio(spectrum, band):
    """Divide the header's S/N by the median of flux * sqrt(ivar) in its band (NaN: all lost)."""
    use = in_band(spectrum.wave, band) & spectrum.good
    if not use.any():
        return np.nan
    return spectrum.snr[band] / np.median(spectrum.flux[use] * np.sqrt(spectrum.ivar[use]))


def measure(spectrum):
    """All single-number measures of one spectrum.

    Parameters
    ----------
    spectrum : cemp.spectrum.Spectrum

    Returns
    -------
    dict of str to float
    """
    wave, ratio = second_difference(spectrum)
    out = {"snrg": spectrum.snr["g"]}
    for low, high in NOISE_WINDOWS:
        out[f"noise {low}-{high}"] = robust(ratio[(wave > low) & (wave < high)])
    out |= {f"structure lag {k}": v for k, v in zip(LAGS, structure(spectrum), strict=True)}
    out |= {f"snr header {b}": snr_ratio(spectrum, b) for b in "gri"}
    in_g = spectrum.snr["g"] if spectrum.snr["g"] > 0 else np.nan
    out |= {f"S/N {b} over g": spectrum.snr[b] / in_g for b in "iu"}
    bad = ~spectrum.good
    out |= {"masked share": bad.mean(), "masked runs": runs(bad).size}
    out["masked median run"] = np.median(runs(bad)) if bad.any() else np.nan
    out["masked at join"] = bad[(spectrum.wave > 5600) & (spectrum.wave < 6000)].mean()
    out["OH excess"], out["5577 peak"] = sky_excess(spectrum)
    out |= {f"telluric {k}": v for k, v in telluric_residual(spectrum).items()}
    rest = spectrum.wave / (1 + spectrum.z)
    out["join step"] = join_step(rest, *fit_arms(rest, spectrum.flux, spectrum.good))
    return out


def table(spectra):
    """Measure many spectra; one row each."""
    return pd.DataFrame([measure(s) for s in spectra])
