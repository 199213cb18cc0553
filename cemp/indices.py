"""Line indices of normalised spectra: how strong a band is, without any model.

An index compares the mean flux of a band with that of its side bands. Band edges are quoted in
air, as published, and converted to vacuum here. Errors follow from ivar alone; a spectrum whose
band or side band has too few good pixels gets NaN.
"""

from dataclasses import dataclass

import numpy as np

from cemp.constants import air_to_vacuum

#: Share of a band's pixels that must be good.
MIN_GOOD = 0.8


@dataclass(frozen=True)
class Band:
    """Definition of an index.

    Parameters
    ----------
    centre : tuple of float
        Edges of the band, air [Angstrom].
    sides : tuple of tuple of float
        Edges of the side bands, air [Angstrom]: two for an equivalent width, one or two for a
        magnitude.
    source : str
        Where the definition comes from.
    magnitude : bool
        True for -2.5 log10 of a flux ratio [mag], False for an equivalent width [Angstrom].
    """

    centre: tuple
    sides: tuple
    source: str
    magnitude: bool = False


LICK = "Worthey et al. 1994, ApJS 94, 687"
BANDS = {
    "gband_lick": Band((4281.375, 4316.375), ((4266.375, 4282.625), (4318.875, 4335.125)), LICK),
    "gp": Band((4297.5, 4312.5), ((4247, 4267), (4362, 4372)), "Beers et al. 1999, AJ 117, 981"),
    "egp": Band((4200, 4400), ((4425, 4520),), "after Placco et al. 2011, AJ 142, 188", True),
    "ch4324": Band((4318, 4330), ((4247, 4267), (4362, 4372)), "this paper: CH beside the G band"),
    "c2_4737": Band((4680, 4740), ((4560, 4600), (4745, 4775)), "this paper: Swan (1,0) band"),
    "c2_5165": Band((5085, 5165), ((4940, 4960), (5215, 5225)), "this paper: Swan (0,0) band"),
    "cn_3883": Band((3846, 3883), ((3883, 3916),), "Norris et al. 1981, ApJ 244, 205", True),
    "cn_4215": Band((4120, 4216), ((4216, 4290),), "Norris & Freeman 1979, ApJ 230, L179", True),
    "ca_k": Band((3927.7, 3939.7), ((3903, 3923), (4000, 4020)), "Beers et al. 1999, AJ 117, 981"),
    "ca_t": Band((8522, 8562), ((8474, 8484), (8563, 8577)), "Cenarro et al. 2001: Ca2, 8542 A"),
    "mgb": Band((5160.125, 5192.625), ((5142.625, 5161.375), (5191.375, 5206.375)), LICK),
    "hdelta": Band((4091, 4112.25), ((4057.25, 4088.5), (4114.75, 4137.25)),
                   "H delta F: Worthey & Ottaviani 1997, ApJS 111, 377"),
    "hbeta": Band((4847.875, 4876.625), ((4827.875, 4847.875), (4876.625, 4891.625)), LICK),
    "halpha": Band((6554, 6575), ((6515, 6540), (6585, 6610)), "this paper"),
}  # fmt: skip


def band_mean(wave, flux, ivar, good, edges):
    """Mean flux of good pixels between two wavelengths.

    Parameters
    ----------
    wave : ndarray, shape (n_pix,)
        Evenly spaced, vacuum [Angstrom].
    flux, ivar : ndarray, shape (n, n_pix)
    good : ndarray of bool, shape (n, n_pix)
    edges : tuple of float
        Vacuum [Angstrom]; a pixel that an edge cuts counts with the part inside.

    Returns
    -------
    mean, variance : ndarray, shape (n,)
        NaN where less than `MIN_GOOD` of the band is good.
    """
    step = wave[1] - wave[0]
    overlap = np.minimum(wave + step / 2, edges[1]) - np.maximum(wave - step / 2, edges[0])
    inside = overlap > 0
    weight = overlap[inside] * good[:, inside]
    total = weight.sum(axis=1)
    enough = total >= MIN_GOOD * (edges[1] - edges[0])
    total = np.where(enough, total, np.nan)
    mean = (weight * np.where(good[:, inside], flux[:, inside], 0)).sum(axis=1) / total
    noise = 1 / np.where(good[:, inside] & (ivar[:, inside] > 0), ivar[:, inside], np.inf)
    return mean, (weight**2 * noise).sum(axis=1) / total**2


def pseudo_equivalent_width(wave, flux, ivar, good, band):
    """Equivalent width of a band against its side bands.

    Parameters
    ----------
    wave : ndarray, shape (n_pix,)
        At rest, vacuum [Angstrom], evenly spaced.
    flux, ivar : ndarray, shape (n, n_pix) or (n_pix,)
        Spectra.
    good : ndarray of bool, same shape
        True where measured.
    band : Band or str
        Definition, or its name in `BANDS`.

    Returns
    -------
    width, error : ndarray, shape (n,), or float for one spectrum
        [Angstrom]; NaN where a band is not covered.

    Notes
    -----
    The pseudo-continuum at the band's centre lies on the line through the means of the side
    bands; the width is (1 - mean / pseudo-continuum) times the band's length, which for a linear
    pseudo-continuum is the Lick definition to first order in its slope.
    """
    band = BANDS[band] if isinstance(band, str) else band
    spectra = [np.atleast_2d(np.asarray(values)) for values in (flux, ivar, good)]
    centre = air_to_vacuum(band.centre)
    mean, variance = band_mean(wave, *spectra, centre)
    level, level_variance = _pseudo_continuum(band, centre, spectra, wave)
    length = centre[1] - centre[0]
    ratio = mean / level
    error = np.sqrt(variance + ratio**2 * level_variance) / np.abs(level)
    return _as_given(flux, length * (1 - ratio)), _as_given(flux, length * error)


def _as_given(flux, values):
    """Return a float if the question was about one spectrum."""
    return float(values[0]) if np.ndim(flux) == 1 else values


def _pseudo_continuum(band, centre, spectra, wave):
    """Read the line through two side bands (or the level of one) at the band's centre."""
    sides = [air_to_vacuum(edges) for edges in band.sides]
    levels = [band_mean(wave, *spectra, edges) for edges in sides]
    if len(sides) == 1:
        return levels[0]
    blue, red = (edges.mean() for edges in sides)
    share = (centre.mean() - blue) / (red - blue)
    level = (1 - share) * levels[0][0] + share * levels[1][0]
    return level, (1 - share) ** 2 * levels[0][1] + share**2 * levels[1][1]


def magnitude(wave, flux, ivar, good, band):
    """Index -2.5 log10(mean of the band / mean of the side band).

    Parameters
    ----------
    wave : ndarray, shape (n_pix,)
    flux, ivar : ndarray, shape (n, n_pix) or (n_pix,)
    good : ndarray of bool, same shape
    band : Band or str

    Returns
    -------
    value, error : ndarray, shape (n,), or float for one spectrum
        [mag]; NaN where a band is not covered or its mean is not positive. Means stand for the
        integrals of some definitions: the zero point differs by the ratio of the lengths.
    """
    band = BANDS[band] if isinstance(band, str) else band
    spectra = [np.atleast_2d(np.asarray(values)) for values in (flux, ivar, good)]
    centre = air_to_vacuum(band.centre)
    mean, variance = band_mean(wave, *spectra, centre)
    level, level_variance = _pseudo_continuum(band, centre, spectra, wave)
    positive = (mean > 0) & (level > 0)
    mean, level = np.where(positive, mean, np.nan), np.where(positive, level, np.nan)
    error = 2.5 / np.log(10) * np.sqrt(variance / mean**2 + level_variance / level**2)
    return _as_given(flux, -2.5 * np.log10(mean / level)), _as_given(flux, error)


def measure(wave, flux, ivar, good, names=tuple(BANDS)):
    """Measure several indices.

    Parameters
    ----------
    wave : ndarray, shape (n_pix,)
    flux, ivar : ndarray, shape (n, n_pix) or (n_pix,)
    good : ndarray of bool, same shape
    names : sequence of str
        Keys of `BANDS`.

    Returns
    -------
    dict of str to ndarray, shape (n,), or float for one spectrum
        Each index and its error (``e_`` and the name).
    """
    values = {}
    for name in names:
        index = magnitude if BANDS[name].magnitude else pseudo_equivalent_width
        values[name], values[f"e_{name}"] = index(wave, flux, ivar, good, name)
    return values
