"""Stellar populations: metallicity, evolution, carbon and motion of one component."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cemp.mock import carbon
from cemp.mock.tracks import draw_atmosphere


@dataclass(frozen=True)
class Component:
    """One stellar population.

    Attributes
    ----------
    mean, sigma : float
        Gaussian of [Fe/H] [dex], truncated to `low` ... `high`.
    low, high : float
        Limits of [Fe/H], inside the synthetic grid.
    phases : tuple of float
        Fractions of giants, turn-off stars and dwarfs.
    young : float
        Spread of ages as a spread of turn-off temperatures [K].
    speed : float
        Dispersion of radial velocities [km/s].
    motion : float
        Scale of proper motions [mas/yr].
    carbon : str
        ``"normal"``, ``"enhanced"`` (bimodal A(C)) or ``"ch"`` (CH stars).
    """

    mean: float
    sigma: float
    low: float
    high: float
    phases: tuple
    young: float
    speed: float
    motion: float
    carbon: str = "normal"


#: What the groups are made of. Halo-like components hold few dwarfs because a
#: magnitude-limited survey sees few.
COMPONENTS = {
    "disc": Component(-0.12, 0.22, -0.8, 0.48, (0.45, 0.20, 0.35), 250.0, 35.0, 8.0),
    "thick": Component(-0.55, 0.28, -1.4, 0.2, (0.50, 0.22, 0.28), 60.0, 60.0, 12.0),
    "halo": Component(-1.50, 0.40, -2.4, -0.7, (0.60, 0.30, 0.10), 0.0, 140.0, 20.0),
    "metal_poor": Component(-2.45, 0.50, -3.98, -1.8, (0.60, 0.34, 0.06), 0.0, 150.0, 20.0),
    "cemp": Component(-2.55, 0.55, -3.98, -1.9, (0.60, 0.34, 0.06), 0.0, 150.0, 20.0, "enhanced"),
    "ch": Component(-1.2, 0.5, -2.0, -0.3, (0.70, 0.20, 0.10), 0.0, 110.0, 15.0, "ch"),
}


def draw_metallicity(component, n, generator):
    """Draw [Fe/H] of a component: a truncated Gaussian.

    Parameters
    ----------
    component : Component
    n : int
    generator : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n,)
    """
    fe_h, todo = np.zeros(n), np.arange(n)
    while todo.size:
        fe_h[todo] = generator.normal(component.mean, component.sigma, todo.size)
        todo = todo[(fe_h[todo] < component.low) | (fe_h[todo] > component.high)]
    return fe_h


def draw_carbon(kind, fe_h, logg, generator):
    """Draw [C/Fe] of a component's stars.

    Parameters
    ----------
    kind : str
        ``"normal"``, ``"enhanced"`` or ``"ch"``: CH stars are metal-poor disc and halo stars
        enriched by a companion, A(C) near Group I's, above the metallicities of CEMP stars.
    fe_h, logg : ndarray, shape (n,)
    generator : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n,)
    """
    if kind == "enhanced":
        return carbon.draw_enhanced(fe_h, generator)
    if kind == "normal":
        return carbon.draw_normal(fe_h, logg, generator)
    a_c = generator.normal(8.1, 0.25, fe_h.size)
    highest = carbon.carbon_ceiling(fe_h) - generator.uniform(0.01, 0.2, fe_h.size)
    return np.clip(a_c - 8.43 - fe_h, generator.uniform(0.3, 0.5, fe_h.size), highest)


def draw_companions(fe_h, c_fe, generator):
    """Draw [alpha/Fe] and [N/Fe], inside the grid.

    Parameters
    ----------
    fe_h, c_fe : ndarray, shape (n,)
    generator : numpy.random.Generator

    Returns
    -------
    alpha_fe, n_fe : ndarray, shape (n,)
        Alpha follows the Galactic trend; nitrogen rises with carbon, with a wide scatter.
    """
    trend = np.interp(fe_h, [-4.0, -1.0, 0.0, 0.5], [0.4, 0.4, 0.05, 0.0])
    alpha_fe = trend + np.clip(generator.normal(-0.03, 0.07, fe_h.size), -0.19, 0.19)
    n_fe = 0.1 + 0.3 * c_fe + generator.normal(0.0, 0.2, fe_h.size)
    margin = generator.uniform(0.0, 0.2, fe_h.size)
    return np.clip(alpha_fe, -0.2, 0.6), np.clip(n_fe, -0.3 + margin, 1.2 - margin)


def draw_component(name, n, generator):
    """Draw stars of one component.

    Parameters
    ----------
    name : str
        Key of `COMPONENTS`.
    n : int
    generator : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        teff, logg, fe_h, c_fe, c_h, alpha_fe, n_fe, rv, pmra, pmdec, component.
    """
    part = COMPONENTS[name]
    fe_h = draw_metallicity(part, n, generator)
    teff, logg = draw_atmosphere(fe_h, part.young, part.phases, generator)
    c_fe = draw_carbon(part.carbon, fe_h, logg, generator)
    alpha_fe, n_fe = draw_companions(fe_h, c_fe, generator)
    fast = np.where(generator.random(n) < 0.05, generator.uniform(5, 20, n), 1.0)
    motion = generator.exponential(part.motion, n) * fast
    angle = generator.uniform(0, 2 * np.pi, n)
    return pd.DataFrame({
        "teff": teff, "logg": logg, "fe_h": fe_h, "c_fe": c_fe, "c_h": fe_h + c_fe,
        "alpha_fe": alpha_fe, "n_fe": n_fe, "rv": generator.normal(-10, part.speed, n),
        "pmra": motion * np.cos(angle), "pmdec": motion * np.sin(angle), "component": name,
    })  # fmt: skip
