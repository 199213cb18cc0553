"""The mock's stars: who they are, before anybody observes them."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cemp.constants import rng
from cemp.mock.components import draw_component


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
        `cemp.mock.components.COMPONENTS` of each group. SAGA's and the search group's CEMP
        shares are *enriched*: 25-35%, where an unselected halo sample has
        `cemp.mock.carbon.natural_fraction` and a sample of all LAMOST stars well under 1%.
        Else nobody could measure completeness.
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
