"""Where stars of one metallicity stand in the plane of effective temperature and gravity."""

import numpy as np

#: Surface gravities of the ridge line's knots [dex, cgs], from the giant tip to the dwarfs.
KNOT_LOGG = np.array(
    [0.2, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.3, 3.5, 3.7, 3.9, 4.1, 4.3, 4.45, 4.55, 4.65, 4.75, 4.85]
)
#: Effective temperatures [K] at those gravities for an old metal-poor ([Fe/H] = -2.5) ...
KNOT_POOR = np.array(
    [4250, 4380, 4580, 4790, 4980, 5150, 5310, 5430, 5700, 6180, 6460, 6560, 6540, 6330, 6060,
     5680, 5150, 4600]
)  # fmt: skip
#: ... and for a solar population: round numbers read off published isochrones, good to 100 K.
KNOT_SOLAR = np.array(
    [3600, 3720, 3930, 4180, 4430, 4660, 4830, 4920, 5010, 5230, 5620, 5870, 5960, 5780, 5450,
     4950, 4400, 3950]
)  # fmt: skip

#: The synthetic grid's strip of gravities (lower, upper) as a function of Teff.
LOGG_LOW = ([3900, 4500, 5000, 5500, 6000, 6500, 7100], [0.2, 0.6, 1.2, 1.8, 2.4, 3.0, 3.4])
LOGG_HIGH = ([3900, 5000, 6000, 7100], [5.0, 4.9, 4.75, 4.6])
TEFF_RANGE = (3900.0, 7100.0)


def ridge_teff(logg, fe_h):
    """Give the ridge-line temperature of stars of one gravity and metallicity.

    Linear in [Fe/H] between two tabulated sequences, constant below [Fe/H] = -3 (isochrones
    hardly move there). A stand-in for isochrones: enough to make plausible label combinations.

    Parameters
    ----------
    logg, fe_h : array_like, shape (n,)
        Surface gravity and metallicity [dex].

    Returns
    -------
    ndarray, shape (n,)
        Effective temperature [K].
    """
    poor = np.interp(logg, KNOT_LOGG, KNOT_POOR)
    solar = np.interp(logg, KNOT_LOGG, KNOT_SOLAR)
    return solar + (poor - solar) * np.maximum(fe_h, -3.0) / -2.5


def draw_logg(phase, generator):
    """Draw gravities for evolutionary phases.

    Parameters
    ----------
    phase : ndarray of str, shape (n,)
        ``"giant"``, ``"turnoff"`` or ``"dwarf"``.
    generator : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n,)
        log g [dex]. Giants thin out towards the tip, with one in four in the red clump.
    """
    n = len(phase)
    branch = 3.5 - 3.0 * generator.beta(1.3, 1.7, n)
    clump = generator.normal(2.4, 0.12, n)
    giant = np.where(generator.random(n) < 0.25, clump, branch)
    turnoff = generator.uniform(3.5, 4.35, n)
    dwarf = 4.35 + 0.45 * generator.beta(1.2, 1.5, n)
    return np.select([phase == "giant", phase == "turnoff"], [giant, turnoff], dwarf)


def in_grid(teff, logg, margin=0.02):
    """Tell which stars lie inside the synthetic grid.

    Parameters
    ----------
    teff, logg : ndarray, shape (n,)
    margin : float
        Distance kept from the edge in log g [dex]; 1,000 times that in Teff [K].

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    low, high = (np.interp(teff, *edge) for edge in (LOGG_LOW, LOGG_HIGH))
    edge = 1000 * margin
    inside = (teff > TEFF_RANGE[0] + edge) & (teff < TEFF_RANGE[1] - edge)
    return inside & (logg > low + margin) & (logg < high - margin)


def draw_atmosphere(fe_h, young, phases, generator, tries=200):
    """Draw effective temperatures and gravities along the sequences.

    Parameters
    ----------
    fe_h : ndarray, shape (n,)
        Metallicity [dex].
    young : float
        Scale of an exponential shift of unevolved stars to hotter temperatures [K]: the
        spread of ages of the disc; 0 for an old population.
    phases : sequence of float
        Fractions of giants, turn-off stars and dwarfs; they add up to one.
    generator : numpy.random.Generator
    tries : int
        Redraws of stars outside the grid before the run gives up.

    Returns
    -------
    teff, logg : ndarray, shape (n,)
    """
    n = len(fe_h)
    teff, logg, todo = np.zeros(n), np.zeros(n), np.arange(n)
    for _ in range(tries):
        phase = generator.choice(["giant", "turnoff", "dwarf"], todo.size, p=phases)
        logg[todo] = draw_logg(phase, generator)
        shift = generator.exponential(1.0, todo.size) * young * (phase != "giant")
        scatter = generator.normal(0.0, 70.0, todo.size)
        teff[todo] = ridge_teff(logg[todo], fe_h[todo]) + shift + scatter
        todo = todo[~in_grid(teff[todo], logg[todo])]
        if todo.size == 0:
            return teff, logg
    raise RuntimeError(f"{todo.size} stars found no place inside the grid: widen the sequences")
