"""The mock's stars: who they are, before anybody observes them."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cemp.constants import rng
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


@dataclass(frozen=True)
class PopulationSettings:
    """Sizes and mixtures of the groups of stars.

    Attributes
    ----------
    n_stars : int
        Stars that LAMOST observed; every other size scales with it.
    shares : dict of str to float
        Share of each group: where (first) a star has a label, or ``search``. APOGEE's is
        largest because most labelled LAMOST stars are APOGEE's and near solar.
    mixture : dict of str to dict
        Components of each group. SAGA's and the search group's CEMP shares are *enriched*:
        25-30% where an unselected halo sample has `carbon.natural_fraction`, and a sample of
        all LAMOST stars well under 0.1%. Else nobody could measure completeness.
    shared : dict of tuple to float
        Stars of one group that a second catalogue holds too, as a share of n_stars: without
        overlaps label sources cannot be compared.
    unseen : dict of str to float
        Stars of a label catalogue that LAMOST never observed, as a share of that group.
    """

    n_stars: int = 4000
    shares: dict = field(default_factory=lambda: {
        "apogee": 0.475, "subaru": 0.0425, "saga": 0.0825, "search": 0.400})  # fmt: skip
    mixture: dict = field(default_factory=lambda: {
        "apogee": {"disc": 0.61, "thick": 0.25, "halo": 0.125, "ch": 0.015},
        "subaru": {"metal_poor": 0.80, "cemp": 0.20},
        "saga": {"halo": 0.17, "metal_poor": 0.53, "cemp": 0.27, "ch": 0.03},
        "search": {"disc": 0.25, "thick": 0.13, "halo": 0.12, "metal_poor": 0.13,
                   "cemp": 0.34, "ch": 0.03}})  # fmt: skip
    shared: dict = field(default_factory=lambda: {
        ("subaru", "saga"): 0.010, ("saga", "apogee"): 0.012, ("subaru", "apogee"): 0.003})
    unseen: dict = field(default_factory=lambda: {"apogee": 0.12, "saga": 0.12})


def apportion(n, shares):
    """Split `n` into whole numbers by shares (largest remainders).

    Parameters
    ----------
    n : int
    shares : dict of str to float
        Their sum is one.

    Returns
    -------
    dict of str to int
        Adds up to `n`.

    Examples
    --------
    >>> apportion(10, {"a": 0.55, "b": 0.45})
    {'a': 6, 'b': 4}
    """
    exact = {key: n * share for key, share in shares.items()}
    whole = {key: int(value) for key, value in exact.items()}
    left = n - sum(whole.values())
    for key in sorted(exact, key=lambda k: whole[k] - exact[k])[:left]:
        whole[key] += 1
    return whole


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


def draw_group(name, n, mixture, generator):
    """Draw the stars of one group and note which catalogue holds them.

    Parameters
    ----------
    name : str
        ``"apogee"``, ``"subaru"``, ``"saga"`` or ``"search"``.
    n : int
    mixture : dict of str to float
    generator : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        `draw_component`'s columns, group, in_apogee, in_subaru, in_saga.
    """
    parts = [draw_component(c, k, generator) for c, k in apportion(n, mixture).items() if k]
    stars = pd.concat(parts, ignore_index=True).assign(group=name)
    for source in ("apogee", "subaru", "saga"):
        stars[f"in_{source}"] = name == source
    return stars


def add_overlaps(stars, settings, generator):
    """Enter some stars of one label catalogue into a second one.

    Parameters
    ----------
    stars : pandas.DataFrame
        With group and in_* columns; in_* is changed in place.
    settings : PopulationSettings
    generator : numpy.random.Generator
    """
    for (first, second), share in settings.shared.items():
        members = stars.index[stars["group"] == first]
        chosen = generator.choice(members, round(share * settings.n_stars), replace=False)
        stars.loc[chosen, f"in_{second}"] = True


def draw_population(settings=None, seed=0):
    """Draw all stars of the mock.

    Parameters
    ----------
    settings : PopulationSettings, optional
    seed : int

    Returns
    -------
    pandas.DataFrame
        One row a star in random order: star_key (random), labels, group, component, is_cemp
        (Table 1: [Fe/H] < -2.0 and [C/Fe] > 0.7), in_lamost and in_<source>, rv [km/s],
        pmra, pmdec [mas/yr], ebv [mag], gaia_source_id. No two stars share a label.
    """
    settings = settings or PopulationSettings()
    generator = rng("population", seed)
    sizes = apportion(settings.n_stars, settings.shares)
    groups = [draw_group(g, n, settings.mixture[g], generator) for g, n in sizes.items()]
    stars = pd.concat(groups, ignore_index=True)
    add_overlaps(stars, settings, generator)
    extra = [draw_group(g, round(share * sizes[g]), settings.mixture[g], generator)
             for g, share in settings.unseen.items()]  # fmt: skip
    stars = pd.concat([stars.assign(in_lamost=True), *(e.assign(in_lamost=False) for e in extra)])
    stars = stars.sample(frac=1.0, random_state=generator).reset_index(drop=True)
    stars["is_cemp"] = (stars["fe_h"] < -2.0) & (stars["c_fe"] > 0.7)
    stars["ebv"] = np.clip(generator.exponential(0.05, len(stars)), 0.0, 0.5)
    return add_names(stars, generator)


def add_names(stars, generator):
    """Give stars names that say nothing about them.

    Parameters
    ----------
    stars : pandas.DataFrame, n rows
    generator : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        With star_key and gaia_source_id in front and behind.
    """
    numbers = 16**6 + generator.choice(15 * 16**6, len(stars), replace=False)
    stars.insert(0, "star_key", [f"m{number:07x}" for number in numbers])
    stars["gaia_source_id"] = generator.choice(2**40, len(stars), replace=False) * 2**20 + 2**59
    return stars
