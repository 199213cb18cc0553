"""Who was observed when and how deep, and what the survey writes about it."""

import numpy as np
import pandas as pd

from cemp.constants import rng
from cemp.mock import astrometry
from cemp.mock.plates import (
    ObservationSettings,
    draw_fibres,
    draw_fields,
    draw_visits,
    place_stars,
)


def draw_snr(depth, settings, generator):
    """Draw signal-to-noise ratios: half of the variance is the star's, half the visit's.

    Parameters
    ----------
    depth : ndarray, shape (n,)
        The star's part of ln S/N.
    settings : ObservationSettings
    generator : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n,)
    """
    snr, todo = np.zeros(len(depth)), np.arange(len(depth))
    low, high = settings.snr_range
    while todo.size:
        weather = generator.normal(0.0, settings.snr_scatter * np.sqrt(0.5), todo.size)
        snr[todo] = settings.snr_median * np.exp(depth[todo] + weather)
        todo = todo[(snr[todo] < low) | (snr[todo] > high)]
    return snr


def spectral_type(teff, generator):
    """Give the pipeline's spectral subclass, good to two tenths of a class.

    Parameters
    ----------
    teff : ndarray, shape (n,)
        [K].
    generator : numpy.random.Generator

    Returns
    -------
    list of str
        ``"F0"`` ... ``"M2"``.
    """
    types = np.interp(-teff, [-7400, -7220, -5930, -5270, -3850, -3400], [9, 10, 20, 30, 40, 44])
    steps = np.round(types + generator.normal(0, 1.5, len(teff))).astype(int)
    return [f"{'AFGKM'[min(s // 10, 4)]}{s % 10}" for s in np.clip(steps, 10, 42)]


def add_headers(observed, stars, rows, generator):
    """Add the columns that name, date and classify an observation.

    Parameters
    ----------
    observed : pandas.DataFrame
        star_key, lmjd, ra, dec and obsid.
    stars : pandas.DataFrame
    rows : ndarray of int
        Row of `stars` of each observation.
    generator : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        With cls, subclass, desig, uid, gp_id, obsdate, mjd, fibertype. One repeat in twenty is
        not recognised by the survey as the same source: it has its own uid and gp_id.
    """
    lost = (generator.random(len(observed)) < 0.05) & observed.duplicated("star_key")
    key = observed["star_key"].where(~lost, observed["star_key"] + "x")
    first = observed.groupby(key)["obsid"].transform("min")
    names = {k: f"G{v:014d}" for k, v in zip(key.unique(), generator.choice(
        10**14, key.nunique(), replace=False), strict=True)}  # fmt: skip
    desig = [astrometry.sexagesimal(r, d, "LAMOST ")
             for r, d in zip(observed["ra"], observed["dec"], strict=True)]  # fmt: skip
    day = pd.to_datetime(observed["lmjd"] - 1 - 40587, unit="D")
    classes = stars["cls"].to_numpy()[rows]
    types = np.array(spectral_type(stars["teff"].to_numpy()[rows], generator))
    kind = stars["kind"].to_numpy()[rows]
    types = np.where(kind == "hot", "A1", np.where(classes == "STAR", types, "Non"))
    return observed.assign(
        cls=classes, subclass=types, desig=desig,
        uid=key.map(names), gp_id=first, obsdate=day.dt.strftime("%Y-%m-%d"),
        mjd=observed["lmjd"] - 1, fibertype="Obj")  # fmt: skip


def observe(stars, settings=None, seed=0):
    """Observe the stars that LAMOST sees.

    Parameters
    ----------
    stars : pandas.DataFrame
        From `add_contaminants` of the population; all of its rows get a position, those with
        in_lamost one to four observations.
    settings : ObservationSettings, optional
    seed : int

    Returns
    -------
    stars : pandas.DataFrame
        With ra, dec [degree, epoch 2016], gmag.
    observations : pandas.DataFrame
        Sorted by obsid: obsid, star_key, lmjd, planid, spid, fiberid, ra, dec (input
        catalogue, epoch 2000), rv [km/s], snr_g, z_bad and the columns of `add_headers`.
    """
    settings = settings or ObservationSettings()
    generator = rng("observations", seed)
    n_fields = max(3, round(len(stars) / settings.stars_per_field))
    plates = draw_fields(n_fields, settings, generator)
    stars = place_stars(stars, plates, settings, generator)
    seen = stars[stars["in_lamost"]].reset_index(drop=True)
    rows, visits = draw_visits(seen, settings, generator)
    star = seen.iloc[rows].reset_index(drop=True)
    at = plates.set_index(["field", "visit"]).loc[list(zip(star["field"], visits, strict=True))]
    spid, fiberid = draw_fibres(at["plate"].to_numpy(), generator)
    ra, dec = input_positions(seen, generator)
    observed = pd.DataFrame({
        "obsid": at["plate"].to_numpy() * 100000 + spid * 1000 + fiberid,
        "star_key": star["star_key"], "lmjd": at["lmjd"].to_numpy(),
        "planid": at["planid"].to_numpy(), "spid": spid, "fiberid": fiberid,
        "ra": ra[rows], "dec": dec[rows], "rv": star["rv"] + generator.normal(0, 1, len(rows)),
        "snr_g": draw_snr(star["depth"].to_numpy(), settings, generator),
        "z_bad": generator.random(len(rows)) < settings.no_redshift,
    })  # fmt: skip
    observed = add_headers(observed, seen, rows, generator)
    return stars, observed.sort_values("obsid", ignore_index=True)


def input_positions(stars, generator):
    """Give positions as LAMOST's input catalogue has them: epoch 2000, 0.1 arcsec, 6 digits.

    Parameters
    ----------
    stars : pandas.DataFrame
    generator : numpy.random.Generator

    Returns
    -------
    ra, dec : ndarray, shape (n,)
    """
    ra, dec = astrometry.at_epoch(stars, astrometry.SURVEY_EPOCH)
    return tuple(np.round(x, 6) for x in astrometry.scatter(ra, dec, 0.08, generator))
