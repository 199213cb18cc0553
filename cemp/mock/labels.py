"""How a source of labels sees stars: errors, zero points, carbon or a limit, wrong neighbours."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cemp.constants import SOLAR_A
from cemp.mock import astrometry
from cemp.mock.carbon import carbon_detected, carbon_limit


@dataclass(frozen=True)
class Errors:
    """Random errors (1 sigma) and zero points of one source of labels.

    Attributes
    ----------
    teff, logg, fe_h, c_h : float
        Total random error an entry [K, dex, dex, dex].
    zero : tuple of float
        Offsets from the truth, same order: no two real sources agree on their zero points.
    outliers : float
        Share of entries with an error three times as large (line lists, binaries, misprints).
    coupling : float
        Part of the [C/H] error that the error in Teff causes: too hot a star needs more carbon
        for the same band.
    """

    teff: float
    logg: float
    fe_h: float
    c_h: float
    zero: tuple = (0.0, 0.0, 0.0, 0.0)
    outliers: float = 0.05
    coupling: float = 0.6


def measure(stars, errors, generator):
    """Measure labels: truth, zero point and correlated random errors.

    Parameters
    ----------
    stars : pandas.DataFrame, n rows
        teff, logg, fe_h, c_h.
    errors : Errors
    generator : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, n rows
        teff, logg, fe_h, c_h as measured (Asplund 2009 scale), index of `stars` dropped.
    """
    n = len(stars)
    wide = np.where(generator.random(n) < errors.outliers, 3.0, 1.0)
    teff, logg, fe_h, c_h = generator.normal(0, 1, (4, n)) * wide
    fe_h = 0.5 * teff + np.sqrt(0.75) * fe_h
    c_h = errors.coupling * teff + np.sqrt(1 - errors.coupling**2) * c_h
    steps = {"teff": teff, "logg": logg, "fe_h": fe_h, "c_h": c_h}
    return pd.DataFrame({
        name: stars[name].to_numpy() + zero + getattr(errors, name) * step
        for (name, step), zero in zip(steps.items(), errors.zero, strict=True)
    })  # fmt: skip


def limit_carbon(stars, measured, snr, generator):
    """Replace carbon by an upper limit where the G band is too weak to be seen.

    Parameters
    ----------
    stars : pandas.DataFrame, n rows
        Truth: teff, c_h.
    measured : pandas.DataFrame, n rows
        From `measure`.
    snr : ndarray, shape (n,)
        Of the spectra that the labels come from.
    generator : numpy.random.Generator

    Returns
    -------
    c_h : ndarray, shape (n,)
        Measured value, or the limit (never below the truth by more than its error of 0.1).
    limit : ndarray of bool, shape (n,)
    """
    teff, a_c = stars["teff"].to_numpy(), stars["c_h"].to_numpy() + SOLAR_A["C"]
    limit = ~carbon_detected(teff, a_c, snr)
    bound = carbon_limit(teff, snr) + generator.normal(0, 0.1, len(teff)) - SOLAR_A["C"]
    return np.where(limit, bound, measured["c_h"].to_numpy()), limit


def add_neighbours(members, stars, share, generator):
    """Add to a catalogue's members other stars that stand within 3 arcsec of LAMOST targets.

    Parameters
    ----------
    members : pandas.DataFrame
        Stars of the catalogue.
    stars : pandas.DataFrame
        All stars of the mock; LAMOST targets among them are the places.
    share : float
        Neighbours as a share of the members.
    generator : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        Members and neighbours. Half of the neighbours stand near members (a nearest match
        finds the right one), half near targets that the catalogue does not hold (a match by
        position alone takes the wrong star). They have the labels of other stars, identifiers
        and motions of their own, and star_key "" because LAMOST never saw them.
    """
    n = max(2, round(share * len(members)))
    targets = stars[stars["in_lamost"]]
    inside = targets["star_key"].isin(members["star_key"])
    places = pd.concat([targets[inside].sample(n // 2, random_state=generator),
                        targets[~inside].sample(n - n // 2, random_state=generator)])  # fmt: skip
    others = members.sample(n, random_state=generator).reset_index(drop=True)
    ra, dec = astrometry.neighbour(places["ra"].to_numpy(), places["dec"].to_numpy(), generator)
    others = others.assign(
        ra=ra, dec=dec, star_key="", pmra=generator.normal(0, 5, n),
        pmdec=generator.normal(0, 5, n),
        gaia_source_id=generator.integers(2**60, 2**61, n))  # fmt: skip
    return pd.concat([members, others], ignore_index=True)
