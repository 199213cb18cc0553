"""Carbon from its bands: what a star shows, what it would show at [C/Fe] = 0, and the difference.

The bands of a star with normal carbon depend on Teff, log g and [Fe/H], so that a strong G band is
no news in a cool star and a weak one no excuse in a hot one. A `BandTable` holds the indices of the
synthetic library over those labels and [C/Fe]; a star's bands are compared with it at the labels
that the network gives, whose errors move all bands together and are carried as a covariance.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.interpolate import RegularGridInterpolator

from cemp.candidates.gband import CH_BAND, degrade, normalise, strip
from cemp.candidates.gcheck import zero_point
from cemp.constants import WAVE
from cemp.indices import BANDS as INDICES
from cemp.indices import Band, magnitude, pseudo_equivalent_width
from cemp.rows import row_slices
from cemp.synthesis.design import ALPHA_TREND, C_FE_LOW, C_H_HIGH

#: Bands of carbon. The head of Swan (0,1) is at 5635.5 A (Pearse & Gaydon 1976, The Identification
#: of Molecular Spectra); GP is the band of Beers et al. (1999), EGP after Placco et al. (2011):
#: their side bands were not confirmed against the papers.
BANDS = {
    "gband": CH_BAND,
    **{name: INDICES[name] for name in ("gband_lick", "gp", "egp", "ch4324", "c2_4737", "c2_5165")},
    "c2_5636": Band((5590, 5636), ((5535, 5555), (5640, 5660)), "this paper: Swan (0,1) band"),
    **{name: INDICES[name] for name in ("cn_3883", "cn_4215")},
}
#: Those that decide together. They share next to no pixels, so that their noise is independent;
#: the other G-band indices measure the same pixels again, and CN needs to know nitrogen.
JOINT = ("gband", "ch4324", "c2_4737", "c2_5165", "c2_5636")
#: Ba II and Sr II.
NEUTRON = {
    "ba4554": Band((4550.5, 4557.5), ((4538, 4546), (4561, 4569)), "this paper: Ba II"),
    "ba4934": Band((4930.5, 4937.5), ((4894, 4902), (4940, 4946)), "this paper: Ba II"),
    "sr4077": Band((4074.5, 4081), ((4054, 4061), (4083, 4090)), "this paper: Sr II"),
    "sr4215": Band((4212, 4219), ((4206, 4211), (4219.5, 4224.5)), "this paper: Sr II"),
}
#: What tells other objects; TiO5 of Reid, Hawley & Gizis (1995, AJ 110, 1838), as a magnitude.
OTHER = {
    **{name: INDICES[name] for name in ("ca_k", "hdelta", "hbeta", "halpha")},
    "tio5": Band((7126, 7135), ((7042, 7046),), "Reid et al. 1995, AJ 110, 1838", True),
}
ALL = {**BANDS, **NEUTRON, **OTHER}
#: Steps in Teff [K], log g, [Fe/H] over which slopes are taken.
STEPS = np.array([50.0, 0.1, 0.05])
#: Variance of a band that was not measured.
NOTHING = 1e12
#: Lowest flux of the table's spectra.
BLACK = 0.01


@dataclass(frozen=True)
class CarbonSettings:
    """Nodes of the table and what confirms.

    Parameters
    ----------
    teff, height, fe_h, c_fe : tuple of (first, last, number)
        Nodes [K], [share of the library's range of log g], [dex], [dex].
    resolution : float
        Resolving power of the survey at 5500 Angstrom.
    n_sigma : float
        Significance that confirms carbon, and that [C/Fe] = 1 must reach where its absence counts.
    c_fe_strong : float
        The [C/Fe] of that question.
    c_fe_normal : float
        [C/Fe] up to which carbon is called normal: a star of high S/N can show, beyond any
        doubt, the 0.2 dex by which it differs from the Sun's mix.
    step : float
        Step of the fit in [C/Fe] [dex].
    share : float
        Error of the model in a band as a share of what carbon adds to it: stars of normal carbon,
        which set the model error else, cannot tell how wrong a strong band is. A choice.
    """

    teff: tuple = (4000.0, 6900.0, 9)
    height: tuple = (0.0, 1.0, 4)
    fe_h: tuple = (-4.0, 0.0, 7)
    c_fe: tuple = (-0.6, 3.0, 13)
    resolution: float = 1800.0
    n_sigma: float = 3.0
    c_fe_strong: float = 1.0
    c_fe_normal: float = 0.3
    step: float = 0.05
    share: float = 0.1


def measure(flux, ivar, good, bands=None):
    """Measure bands in normalised spectra.

    Parameters
    ----------
    flux, ivar : ndarray, shape (n, n_pix)
        On `cemp.constants.WAVE`, at rest.
    good : ndarray of bool, shape (n, n_pix)
    bands : dict of str to cemp.indices.Band, optional
        `ALL` if left out.

    Returns
    -------
    values, errors : ndarray, shape (n, n_band)
        Equivalent widths [Angstrom] or magnitudes; NaN where too few pixels are good.
    """
    columns = []
    for band in (ALL if bands is None else bands).values():
        index = magnitude if band.magnitude else pseudo_equivalent_width
        columns.append(index(WAVE, flux, ivar, good, band))
    values, errors = np.moveaxis(np.array(columns), 0, -1)
    return values, errors


def measure_stored(store, obsids, size=500):
    """Measure all bands of stored spectra.

    Parameters
    ----------
    store : cemp.vectors.VectorStore
    obsids : array_like of int, shape (n,)
    size : int
        Spectra in memory at a time.

    Returns
    -------
    pandas.DataFrame
        Bands and their errors ``e_...`` by obsid, shape (n, 2 n_band), in the order asked for.
    """
    obsids, columns = np.asarray(obsids), [*ALL, *(f"e_{name}" for name in ALL)]
    if not len(obsids):
        return pd.DataFrame(columns=columns, dtype=float).rename_axis("obsid")
    table = np.empty((len(columns), len(obsids)))
    for rows in row_slices(len(obsids), size):
        vectors = store.read(obsids[rows])
        table[:, rows] = np.hstack(measure(vectors.flux, vectors.ivar, vectors.good)).T
    return pd.DataFrame(dict(zip(columns, table, strict=True)), pd.Index(obsids, name="obsid"),
                        copy=False)


class BandTable:
    """Indices of the synthetic library as a smooth function of Teff, log g, [Fe/H], [C/Fe].

    Parameters
    ----------
    settings : CarbonSettings, optional

    Attributes
    ----------
    table_ : scipy.interpolate.RegularGridInterpolator
        Cubic; values of `ALL`.
    """

    def __init__(self, settings=None):
        self.settings = settings or CarbonSettings()

    def fit(self, emulate, wave, native, size=252):
        """Compute the nodes: some 3,300 spectra, 15 s.

        Parameters
        ----------
        emulate : callable
            ``emulate(labels)`` with labels (n, 6): Teff, log g, [Fe/H], [C/Fe], [alpha/Fe],
            [N/Fe]; returns normalised fluxes (n, n_wave).
        wave : ndarray, shape (n_wave,)
            Vacuum [Angstrom], even in ln.
        native : float
            Their resolving power.
        size : int
            Spectra in memory at a time.

        Returns
        -------
        BandTable
            Itself.
        """
        s = self.settings
        axes = [np.linspace(*nodes[:2], int(nodes[2])) for nodes in
                (s.teff, s.height, s.fe_h, s.c_fe)]
        nodes = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1)
        values = []
        for start in range(0, len(nodes), size):
            part = _labels(nodes[start : start + size])
            flux = degrade(wave, emulate(part), s.resolution, native)
            # The carbon-richest nodes go black in their bands, where a magnitude has no value.
            flux = np.clip(np.nan_to_num(normalise(wave, flux), nan=BLACK), BLACK, 2.0)
            values.append(measure(flux, np.ones(flux.shape), np.ones(flux.shape, bool))[0])
        values = np.concatenate(values).reshape(*(len(a) for a in axes), len(ALL))
        self.table_ = RegularGridInterpolator(axes, values, method="cubic")
        return self

    def predict(self, labels, c_fe):
        """Give the indices of a star.

        Parameters
        ----------
        labels : array_like, shape (n, 3 or more)
            Teff [K], log g, [Fe/H].
        c_fe : array_like, shape (n,) or float
            [C/Fe] [dex].

        Returns
        -------
        ndarray, shape (n, n_band)
            In the order of `ALL`. log g is held inside the library's strip and [Fe/H] at the
            library's lowest; NaN for other labels outside, or [C/H] beyond the library's.
        """
        teff, logg, fe_h = np.asarray(labels, dtype=float)[:, :3].T
        c_fe = np.broadcast_to(np.asarray(c_fe, dtype=float), teff.shape)
        s = self.settings
        with np.errstate(invalid="ignore"):
            inside = ((teff >= s.teff[0]) & (teff <= s.teff[1]) & (fe_h <= s.fe_h[1])
                      & (c_fe >= s.c_fe[0]) & (c_fe <= highest(fe_h, s)) & np.isfinite(logg))
        low, high = strip(teff)
        height = np.clip((logg - low) / (high - low), 0.0, 1.0)
        points = np.column_stack([teff, height, np.maximum(fe_h, s.fe_h[0]), c_fe])
        out = np.full((len(teff), len(ALL)), np.nan)
        if inside.any():
            out[inside] = self.table_(points[inside])
        return out

    def slopes(self, labels, c_fe):
        """Change of the indices with Teff, log g, [Fe/H], shape (n, 3, n_band).

        Steps go backwards, so that stars at the hot or metal-rich end stay inside, and forwards at
        the low ends: a label that is held at the table's edge has its error all the same.
        """
        s, labels = self.settings, np.array(labels, dtype=float)[:, :3]
        low, high = strip(labels[:, 0])
        edge = np.stack(np.broadcast_arrays(s.teff[0], low, s.fe_h[0]), axis=1)
        labels[:, 1:] = np.maximum(labels[:, 1:], edge[:, 1:])
        labels[:, 1] = np.minimum(labels[:, 1], high)
        here, slope = self.predict(labels, c_fe), []
        for i, size in enumerate(STEPS):
            step = np.where(labels[:, i] - size < edge[:, i], size, -size)[:, None]
            slope.append((self.predict(labels + step * np.eye(3)[i], c_fe) - here) / step)
        return np.nan_to_num(np.stack(slope, axis=1))


def highest(fe_h, settings):
    """Give the largest [C/Fe] of the table at an [Fe/H]: [C/H] = 0.3, but always 0 at least."""
    return np.clip(C_H_HIGH - np.asarray(fe_h), 0.0, settings.c_fe[1])


def _labels(nodes):
    """Turn nodes into the emulator's labels; [alpha/Fe] follows the Galaxy's trend."""
    teff, height, fe_h, c_fe = nodes.T
    low, high = strip(teff)
    # Beyond the highest [C/H] the nodes only hold the spline: a smooth function is all they need.
    c_fe = np.maximum(c_fe, C_FE_LOW)
    return np.column_stack([teff, low + height * (high - low), fe_h, c_fe,
                            np.interp(fe_h, *ALPHA_TREND), np.zeros(len(nodes))])


@dataclass(frozen=True)
class Zero:
    """Zero points and model errors of the bands, arrays of shape (n_band,)."""

    offset: np.ndarray
    floor: np.ndarray


def _variance(table, labels, label_errors, c_fe, spread):
    """Variance of the expected indices from labels and from a spread in [C/Fe], (n, n_band)."""
    slopes = table.slopes(labels, c_fe)
    variance = np.einsum("nlb,nl->nb", slopes**2, np.asarray(label_errors)[:, :3] ** 2)
    step = np.where(np.asarray(c_fe) - 0.1 < table.settings.c_fe[0], 0.1, -0.1)
    change = table.predict(labels, c_fe) - table.predict(labels, c_fe + step)
    return variance + (spread * np.nan_to_num(change) / 0.1) ** 2


def fit_zero(measured, errors, table, labels, label_errors, c_fe=0.0, spread=0.0):
    """Find zero points and model errors on stars whose carbon is known to be normal.

    Parameters
    ----------
    measured, errors : ndarray, shape (n, n_band)
        Indices and noise errors.
    table : BandTable
    labels, label_errors : ndarray, shape (n, 3 or more)
    c_fe : array_like, shape (n,) or float
        Their [C/Fe].
    spread : float
        How much the [C/Fe] of such stars scatters [dex]: no error of the model.

    Returns
    -------
    Zero
        Median residual, and the larger of two missing errors: the one that
        `cemp.candidates.gcheck.zero_point` finds from the core of the residuals, and the one
        with which 95% of them lie within 1.96 of their errors. The tails are heavier than
        Gaussian, and it is in the tails that a false confirmation is made.
    """
    expected = table.predict(labels, c_fe)
    sigma = np.sqrt(errors**2 + _variance(table, labels, label_errors, c_fe, spread))
    residual, rows = measured - expected, []
    for off, own in zip(residual.T, sigma.T, strict=True):
        offset, floor = zero_point(off, own)
        rows.append((offset, max(floor, _tail(off - offset, own))))
    return Zero(*np.array(rows).T)


def _tail(off, sigma):
    """Error to be added in quadrature so that 95% of the residuals lie within 1.96 sigma."""
    known = np.isfinite(off) & np.isfinite(sigma)
    if known.sum() < 10:
        return 0.0
    # Each residual asks for an error of its own, and the 95th percentile of these is wanted.
    asked = (off[known] / 1.96) ** 2 - sigma[known] ** 2
    return float(np.sqrt(max(np.quantile(asked, 0.95), 0.0)))


def excess(measured, errors, table, zero, labels, label_errors, c_fe=0.0, spread=0.0):
    """Compare bands with those expected at a [C/Fe].

    Parameters
    ----------
    measured, errors : ndarray, shape (n, n_band)
    table : BandTable
    zero : Zero
    labels, label_errors : ndarray, shape (n, 3 or more)
    c_fe : array_like, shape (n,) or float
    spread : float
        As for `fit_zero`; 0 asks for carbon beyond exactly `c_fe`.

    Returns
    -------
    expected, sigmas : ndarray, shape (n, n_band)
        Expected index, and how far beyond it the measured one lies in units of its error.
    """
    expected = table.predict(labels, c_fe) + zero.offset
    variance = errors**2 + _variance(table, labels, label_errors, c_fe, spread) + zero.floor**2
    return expected, (measured - expected) / np.sqrt(variance)
