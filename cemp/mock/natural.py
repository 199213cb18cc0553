"""Who the stars would be if nobody had enriched the sample: a natural population, and weights.

The mock survey holds far more metal-poor and carbon-enhanced stars than the sky, on purpose
(`cemp.mock.population`). Completeness carries over to another mix only at fixed labels and S/N,
purity not at all. This module describes the mix of a magnitude-limited survey such as LAMOST, draws
stars from it, and gives each star of the enriched mock the weight with which rates measured on it
become natural ones.

Sources
-------
[Fe/H] of the halo: peak at -1.6 and a fall of 1.0 +- 0.1 dex in number per dex below -2.5
(Youakim et al. 2020, MNRAS 492, 4986; turn-off stars at 6-20 kpc). Giants give a steeper fall,
1.5 (Chiti et al. 2021, ApJL 911, L23); the drop below -3.6 of the Hamburg/ESO survey (Schoerck
et al. 2009, A&A 507, 817) was not confirmed (Yong et al. 2013, ApJ 762, 27). The tail below -3
is uncertain by a factor of about three.
CEMP fraction: `cemp.mock.carbon.FRACTION`; A(C): `cemp.mock.carbon.PEAKS`.
"""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.stats import norm, truncnorm

from cemp.constants import SEED, SOLAR_A, rng
from cemp.mock import carbon
from cemp.mock.components import (
    COMPONENTS,
    draw_carbon,
    draw_companions,
    draw_metallicity,
)
from cemp.mock.population import PopulationSettings
from cemp.mock.tracks import draw_atmosphere
from cemp.results import Value

#: Cumulative CEMP fractions ([C/Fe] >= 0.7) below a metallicity, corrected for evolution and
#: without stars rich in neutron-capture elements: Placco et al. (2014, ApJ 797, 21), whose
#: abstract gives 20%, 43% and 81% below -2, -3 and -4; the others follow from its table 3.
PLACCO = {-2.0: 0.20, -2.5: 0.24, -3.0: 0.43, -3.5: 0.60, -4.0: 0.81}
#: Edges and counts of A(C) of 176 CEMP stars with -4 < [Fe/H] < -2.5 of the literature, compiled
#: after Yoon et al. (2016, ApJ 833, 20), corrected for evolution, limits left out, A(C) = 8.43
#: for the Sun.
LITERATURE_AC = (np.arange(4.75, 9.51, 0.25),
                 np.array([0, 0, 3, 9, 17, 23, 24, 17, 11, 6, 12, 14, 9, 14, 13, 2, 1, 1, 0]))
#: Kinds of carbon and the [Fe/H] at which carbon-rich stars turn from CEMP into CH stars.
KINDS, BORDER = ("normal", "enhanced", "ch"), -1.95


@dataclass(frozen=True)
class NaturalSettings:
    """The natural mix of stars.

    Attributes
    ----------
    shares : dict of str to float
        Thin disc, thick disc and halo. With 6% halo 7% of the stars are poorer than [Fe/H] = -1
        and 1.4% poorer than -2, as in 3,000 rows of the LAMOST DR10 catalogue at high Galactic
        latitude (7% and 1.4%); near the plane there are fewer.
    peak, width : float
        Mode and Gaussian sigma of the halo's [Fe/H] [dex] (Youakim et al. 2020; width of the
        metal-rich side as in Ivezic et al. 2008, ApJ 684, 287, whose halo has 0.30 about -1.46,
        broadened so that the tail joins smoothly).
    slope : float
        Fall of the metal-poor tail [dex in number per dex].
    low, high : float
        Limits of the halo's [Fe/H]: those of the synthetic grid.
    """

    shares: dict = field(default_factory=lambda: {"disc": 0.64, "thick": 0.30, "halo": 0.06})
    peak: float = -1.6
    width: float = 0.40
    slope: float = 1.0
    low: float = -3.98
    high: float = -0.5


def halo_density(fe_h, settings=None):
    """Probability density of the halo's [Fe/H].

    Parameters
    ----------
    fe_h : array_like
    settings : NaturalSettings, optional

    Returns
    -------
    ndarray
        Per dex: a Gaussian about the mode that goes over into an exponential where its slope is
        the tail's; 0 outside the limits.
    """
    s, fe_h = settings or NaturalSettings(), np.asarray(fe_h, dtype=float)
    grid = np.linspace(s.low, s.high, 4001)
    total = np.trapezoid(_halo_shape(grid, s), grid)
    inside = (fe_h >= s.low) & (fe_h <= s.high)
    return np.where(inside, _halo_shape(fe_h, s), 0.0) / total


def _halo_shape(fe_h, s):
    """Density of the halo but for its norm."""
    slope = s.slope * np.log(10)
    joint = s.peak - slope * s.width**2
    top = np.exp(-0.5 * ((np.maximum(fe_h, joint) - s.peak) / s.width) ** 2)
    return top * np.exp(slope * np.minimum(fe_h - joint, 0))


def component_density(name, fe_h):
    """Probability density of [Fe/H] of one of the mock's `COMPONENTS`; shape of `fe_h`."""
    c = COMPONENTS[name]
    low, high = ((edge - c.mean) / c.sigma for edge in (c.low, c.high))
    return truncnorm.pdf(fe_h, low, high, c.mean, c.sigma)


@lru_cache(maxsize=1)
def _rich_normal():
    """Share of stars with ordinary carbon that pass [C/Fe] > 0.7 by scatter; nodes and values."""
    nodes, random = np.arange(-4.0, 0.51, 0.25), rng("natural carbon", SEED)
    share = []
    for fe_h in nodes:
        same = np.full(20_000, fe_h)
        _, logg = draw_atmosphere(same, 0.0, COMPONENTS["halo"].phases, random)
        share.append(np.mean(carbon.draw_normal(same, logg, random) > 0.7))
    return nodes, np.array(share)


def _rich_enhanced(fe_h):
    """Share of enhanced stars with [C/Fe] > 0.7: `carbon.draw_enhanced` reaches down to 0.5."""
    fe_h = np.asarray(fe_h, dtype=float)
    first = np.interp(fe_h, *carbon.GROUP_ONE)
    edges = (0.5, 0.7, carbon.carbon_ceiling(fe_h) - 0.01)
    below = [sum(share * norm.cdf(edge + fe_h + SOLAR_A["C"], peak, width) for share, peak, width
                 in zip((first, 1 - first), carbon.PEAKS, carbon.WIDTHS, strict=True))
             for edge in edges]  # fmt: skip
    return (below[2] - below[1]) / (below[2] - below[0])


def kind_probability(fe_h):
    """Probability of each kind of carbon among natural stars of one metallicity.

    Parameters
    ----------
    fe_h : array_like, shape (n,)

    Returns
    -------
    dict of str to ndarray
        `KINDS`; such that the share with [C/Fe] > 0.7 is `carbon.natural_fraction`. Above
        [Fe/H] = -1.95 carbon-rich stars are CH stars, 3% at -1.5 and fewer above.
    """
    fe_h = np.asarray(fe_h, dtype=float)
    falling = 0.03 * 10 ** (-1.5 * (fe_h + 1.5))
    wanted = np.where(fe_h > -1.5, falling, carbon.natural_fraction(fe_h))
    normal = np.interp(fe_h, *_rich_normal())
    rich = np.where(fe_h < BORDER, _rich_enhanced(fe_h), 1.0)
    share = np.clip((wanted - normal) / (rich - normal), 0, 1)
    share = np.where(fe_h > COMPONENTS["ch"].high, 0, share)
    return {"normal": 1 - share, "enhanced": np.where(fe_h < BORDER, share, 0),
            "ch": np.where(fe_h < BORDER, 0, share)}  # fmt: skip


def natural_density(fe_h, settings=None):
    """Probability density of [Fe/H] in the natural population; shape of `fe_h`."""
    s = settings or NaturalSettings()
    parts = {n: halo_density(fe_h, s) if n == "halo" else component_density(n, fe_h)
             for n in s.shares}  # fmt: skip
    return sum(share * parts[name] for name, share in s.shares.items())


def enriched_density(fe_h, kind, mixture):
    """Density of a mixture of the mock's components in [Fe/H], for one kind of carbon.

    Parameters
    ----------
    fe_h : array_like
    kind : str
        One of `KINDS`.
    mixture : dict of str to float
        Shares of components, adding up to one.

    Returns
    -------
    ndarray
        Its integral over [Fe/H] is the share of that kind.
    """
    return sum(share * component_density(name, fe_h) for name, share in mixture.items()
               if COMPONENTS[name].carbon == kind) + np.zeros(np.shape(fe_h))  # fmt: skip


def survey_mixture(settings=None, groups=None):
    """Shares of the components among stars of the mock survey.

    Parameters
    ----------
    settings : PopulationSettings, optional
    groups : sequence of str, optional
        Only stars of these groups, e.g. ``["search"]``; all by default.

    Returns
    -------
    dict of str to float
        Adds up to one.
    """
    s = settings or PopulationSettings()
    groups = list(groups or s.shares)
    total, out = sum(s.shares[g] for g in groups), {}
    for group in groups:
        for name, share in s.mixture[group].items():
            out[name] = out.get(name, 0.0) + s.shares[group] / total * share
    return out


def weights(stars, mixture=None, settings=None):
    """Weigh the enriched mock's stars so that rates become those of the natural population.

    Parameters
    ----------
    stars : pandas.DataFrame, n rows
        The truth: fe_h and component (contaminants, without labels, get NaN).
    mixture : dict of str to float, optional
        From `survey_mixture`, of the groups that `stars` comes from; the whole survey by default.
    settings : NaturalSettings, optional

    Returns
    -------
    ndarray, shape (n,)
        Ratio of the densities of both populations in ([Fe/H], kind of carbon). Within one kind
        and metallicity both draw [C/Fe] alike; giants and dwarfs differ slightly, as the natural
        discs hold the mock's own shares of them. A weighted mean over stars is the natural one.

    Notes
    -----
    The effective number of stars is sum(w)^2 / sum(w^2); quote it beside every weighted rate.
    """
    mixture, fe_h = mixture or survey_mixture(), stars["fe_h"].to_numpy(float)
    kinds = stars["component"].map({n: c.carbon for n, c in COMPONENTS.items()}).to_numpy()
    natural, chance = natural_density(fe_h, settings), kind_probability(fe_h)
    out = np.full(len(stars), np.nan)
    for kind in KINDS:
        here = (kinds == kind) & np.isfinite(fe_h)
        enriched = enriched_density(fe_h[here], kind, mixture)
        out[here] = natural[here] * chance[kind][here] / enriched
    return out


def effective_number(weight):
    """Give the number of equally weighted stars that would be as good as these weighted ones."""
    weight = np.asarray(weight)[np.isfinite(weight)]
    return float(weight.sum() ** 2 / (weight**2).sum()) if weight.size else 0.0


def natural_population(n, seed=SEED, settings=None):
    """Draw the labels of natural stars; no spectra.

    Parameters
    ----------
    n : int
    seed : int
    settings : NaturalSettings, optional

    Returns
    -------
    pandas.DataFrame
        teff [K], logg, fe_h, c_fe, c_h, alpha_fe, n_fe, is_cemp, component, kind, in the grid.
    """
    s, random = settings or NaturalSettings(), rng("natural population", seed)
    sizes = random.multinomial(n, list(s.shares.values()))
    parts = [_draw_part(name, size, s, random) for name, size in zip(s.shares, sizes, strict=True)]
    stars = pd.concat(parts, ignore_index=True)
    return stars.sample(frac=1.0, random_state=random).reset_index(drop=True)


def _draw_part(name, size, settings, random):
    """Draw the stars of one component."""
    part = COMPONENTS[name]
    if name == "halo":
        grid = np.linspace(settings.low, settings.high, 4001)
        total = np.cumsum(halo_density(grid, settings))
        fe_h = np.interp(random.random(size), total / total[-1], grid)
    else:
        fe_h = draw_metallicity(part, size, random)
    teff, logg = draw_atmosphere(fe_h, part.young, part.phases, random)
    chance = kind_probability(fe_h)
    rich = random.random(size) > chance["normal"]
    kind = np.where(~rich, "normal", np.where(fe_h < BORDER, "enhanced", "ch"))
    c_fe = np.zeros(size)
    for one in KINDS:
        c_fe[kind == one] = draw_carbon(one, fe_h[kind == one], logg[kind == one], random)
    alpha_fe, n_fe = draw_companions(fe_h, c_fe, random)
    return pd.DataFrame({
        "teff": teff, "logg": logg, "fe_h": fe_h, "c_fe": c_fe, "c_h": fe_h + c_fe,
        "alpha_fe": alpha_fe, "n_fe": n_fe, "is_cemp": (fe_h < -2.0) & (c_fe > 0.7),
        "component": name, "kind": kind,
    })  # fmt: skip


def compare(stars, n=200_000, seed=SEED, edges=(-4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0, 0.5)):
    """Set the enriched stars, the same stars weighted, and natural stars side by side.

    Parameters
    ----------
    stars : pandas.DataFrame
        The truth; objects without labels are left out.
    n : int
        Natural stars to draw.
    seed : int
    edges : sequence of float
        Bins of [Fe/H].

    Returns
    -------
    pandas.DataFrame
        One row a bin and one for all: share of stars (enriched, weighted, natural), fraction with
        [C/Fe] > 0.7 (same three), and the effective number behind the weighted column.
    """
    stars = stars[stars["kind"] == "star"]
    drawn, weight = natural_population(n, seed), weights(stars)
    rows = {}
    for low, high in [*zip(edges[:-1], edges[1:], strict=True), (edges[0], edges[-1])]:
        here, there = (t["fe_h"].between(low, high).to_numpy() for t in (stars, drawn))
        rich = (stars["c_fe"] > 0.7).to_numpy()[here]
        name = "all" if high - low > 2 else f"{low:.1f} to {high:.1f}"
        rows[name] = [here.mean(), weight[here].sum() / weight.sum(), there.mean(), rich.mean(),
                      np.average(rich, weights=weight[here]), (drawn["c_fe"] > 0.7)[there].mean(),
                      effective_number(weight[here])]  # fmt: skip
    columns = ["stars, mock", "stars, weighted", "stars, natural", "C-rich, mock",
               "C-rich, weighted", "C-rich, natural", "effective number"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def curves(stars, n=200_000, seed=SEED):
    """Compute what the figure of the natural population shows.

    Parameters
    ----------
    stars : pandas.DataFrame
        The truth.
    n, seed : int

    Returns
    -------
    dict of str to ndarray
        Densities of [Fe/H] on edges, cumulative CEMP fractions on limits, densities of A(C) of
        CEMP stars below [Fe/H] = -2.5, each for mock, weighted mock and natural; literature.
    """
    stars = stars[stars["kind"] == "star"]
    drawn, weight = natural_population(n, seed), weights(stars)
    edges, limits = np.arange(-4.0, 0.51, 0.25), np.arange(-3.75, -1.99, 0.25)
    out = {"edges": edges, "limits": limits, "ac_edges": LITERATURE_AC[0],
           "ac_literature": LITERATURE_AC[1] / LITERATURE_AC[1].sum(),
           "placco_limits": np.array(list(PLACCO)), "placco": np.array(list(PLACCO.values()))}
    samples = {"mock": (stars, np.ones(len(stars))), "weighted": (stars, weight),
               "natural": (drawn, np.ones(len(drawn)))}
    for name, (table, w) in samples.items():
        fe_h, rich = table["fe_h"].to_numpy(), (table["c_fe"] > 0.7).to_numpy()
        out[f"fe_h_{name}"] = np.histogram(fe_h, edges, weights=w)[0] / w.sum()
        out[f"cemp_{name}"] = np.array([np.average(rich[fe_h < x], weights=w[fe_h < x])
                                        for x in limits])  # fmt: skip
        cemp = rich & (fe_h < -2.5)
        a_c = table["c_h"].to_numpy()[cemp] + SOLAR_A["C"]
        out[f"ac_{name}"] = np.histogram(a_c, LITERATURE_AC[0], weights=w[cemp])[0] / w[cemp].sum()
    return out


def headline(mixes):
    """Collect the numbers that the paper quotes.

    Parameters
    ----------
    mixes : pandas.DataFrame
        From `compare`; its first four rows are [Fe/H] < -2.

    Returns
    -------
    dict of str to cemp.results.Value
    """
    poor = mixes.iloc[:4]
    cemp = {n: 100 * (poor[f"stars, {n}"] * poor[f"C-rich, {n}"]).sum()
            for n in ("natural", "weighted")}  # fmt: skip
    return {
        "MockNaturalPoor": Value(100 * poor["stars, natural"].sum(), ".1f",
                                 "per cent of natural stars with [Fe/H] < -2"),
        "MockNaturalCemp": Value(cemp["natural"], ".2f", "per cent of natural stars that are CEMP"),
        "MockWeightedCemp": Value(cemp["weighted"], ".2f", "the same from the weighted mock"),
        "MockEffective": Value(poor["effective number"].sum(), ",.0f",
                               "effective number of weighted stars with [Fe/H] < -2"),
    }  # fmt: skip
