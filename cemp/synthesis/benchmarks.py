"""Spectra whose answer is known: the Sun line by line, published standard stars, carbon series.

``cemp/data/benchmark_stars.npz`` (content in ``cemp/data/README.md``) holds spectra computed with
the settings of the grid, none of them part of it, and 44 lines of the Sun computed one at a time.
Nothing here is trained or tuned: the numbers say how good the synthesis is.

Solar equivalent widths are those of Moore, Minnaert & Houtgast (1966, The Solar Spectrum 2935 A to
8770 A, NBS Monograph 61), measured at the centre of the disc; so are the synthetic ones here. They
were taken from an electronic transcription of the monograph and not from its pages, except Ca II H
and K, which that transcription rounds to two digits and which are quoted from memory.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from cemp.constants import air_to_vacuum
from cemp.errors import BadInputError
from cemp.synthesis.grid import unpack

#: The computed spectra inside the package.
BENCHMARK_FILE = Path(__file__).resolve().parent.parent / "data" / "benchmark_stars.npz"
#: Rounding step of the line profiles.
PROFILE_STEP = 2e-5
#: Wavelengths of a profile lie at ``half * sinh(STRETCH u) / sinh(STRETCH)``, u in -1..1: dense
#: in the core, where the line is, and out to the wings of Ca II H and K.
STRETCH = 5.0


@dataclass(frozen=True)
class SolarLine:
    """A line of the solar spectrum.

    Attributes
    ----------
    name : str
    air : float
        Wavelength in air [Angstrom].
    width : float
        Published equivalent width at the centre of the disc [milli-Angstrom].
    confirmed : bool
        Whether the number was seen in a transcription of the monograph.
    lte : bool
        Whether LTE lines of one-dimensional atmospheres are expected to match: not the Balmer
        lines (convection, non-LTE cores), nor lines known for non-LTE effects of a tenth or more.
    """

    name: str
    air: float
    width: float
    confirmed: bool = True
    lte: bool = True


#: Order of the profiles in the file.
SOLAR_LINES = (
    SolarLine("Ca II K", 3933.663, 20253, False), SolarLine("Ca II H", 3968.468, 15467, False),
    SolarLine("Sr II 4077", 4077.709, 428), SolarLine("H delta", 4101.74, 3133, lte=False),
    SolarLine("Ca I 4226", 4226.728, 1476), SolarLine("Sc II 4246", 4246.82, 171),
    SolarLine("H gamma", 4340.47, 2855, lte=False), SolarLine("Ba II 4554", 4554.03, 159),
    SolarLine("H beta", 4861.32, 3680, lte=False), SolarLine("Mg I b2", 5172.684, 1259),
    SolarLine("Mg I b1", 5183.604, 1584), SolarLine("Mg I 5528", 5528.405, 293),
    SolarLine("Na I 5682", 5682.633, 104), SolarLine("Na I 5688", 5688.205, 121),
    SolarLine("Mg I 5711", 5711.088, 107), SolarLine("Ba II 5853", 5853.67, 55),
    SolarLine("Na I D2", 5889.951, 752), SolarLine("Na I D1", 5895.924, 564),
    SolarLine("Si I 5948", 5948.541, 88), SolarLine("Fe I 6065", 6065.482, 115),
    SolarLine("Ca I 6122", 6122.217, 222), SolarLine("Ca I 6162", 6162.173, 222),
    SolarLine("Fe I 6219", 6219.281, 82), SolarLine("Fe I 6252", 6252.555, 109),
    SolarLine("Fe I 6301", 6301.50, 127), SolarLine("Fe I 6302", 6302.49, 83),
    SolarLine("Fe I 6393", 6393.601, 117),
    SolarLine("Fe I 6421", 6421.351, 87), SolarLine("Ca I 6439", 6439.075, 156),
    SolarLine("Fe II 6456", 6456.38, 57), SolarLine("H alpha", 6562.80, 4020, lte=False),
    SolarLine("Ni I 6643", 6643.630, 83), SolarLine("Fe I 6677", 6677.987, 122),
    SolarLine("Ca I 6717", 6717.681, 120), SolarLine("Fe I 6750", 6750.152, 75),
    SolarLine("Ni I 6767", 6767.768, 83), SolarLine("Ca I 7148", 7148.147, 157),
    SolarLine("K I 7698", 7698.965, 154, lte=False),
    SolarLine("O I 7771", 7771.944, 75, lte=False), SolarLine("C I 8335", 8335.148, 114),
    SolarLine("Ca II 8498", 8498.023, 1470), SolarLine("Ca II 8542", 8542.091, 3670),
    SolarLine("Ca II 8662", 8662.141, 2600), SolarLine("Fe I 8688", 8688.625, 268),
)  # fmt: skip


@dataclass(frozen=True)
class Benchmarks:
    """Benchmark spectra at the grid's resolution.

    Attributes
    ----------
    names : tuple of str
        ``"sun"``, stars by catalogue name, and ``"giant_c0"`` ... of the carbon series.
    labels : ndarray, shape (n, 6)
        Teff [K], log g, [Fe/H], [C/Fe], [alpha/Fe], [N/Fe].
    wave : ndarray, shape (n_wave,)
        Vacuum [Angstrom], the grid's.
    norm : ndarray, shape (n, n_wave)
        Flux over continuum, R = 5000.
    cont_wave : ndarray, shape (n_cont,)
        Vacuum [Angstrom].
    cont : ndarray, shape (n, n_cont)
        Continuum at the stellar surface [erg/s/cm2/Angstrom].
    """

    names: tuple
    labels: np.ndarray
    wave: np.ndarray
    norm: np.ndarray
    cont_wave: np.ndarray
    cont: np.ndarray

    def row(self, name):
        """Position of a spectrum by name."""
        if name not in self.names:
            raise BadInputError(f"no benchmark '{name}'; there are {', '.join(self.names)}")
        return self.names.index(name)

    def flux(self, name):
        """Flux at the stellar surface [erg/s/cm2/Angstrom] on `wave`, shape (n_wave,)."""
        k = self.row(name)
        return self.norm[k] * np.interp(self.wave, self.cont_wave, self.cont[k])


@lru_cache(maxsize=1)
def _arrays():
    if not BENCHMARK_FILE.is_file():
        raise BadInputError(f"{BENCHMARK_FILE} is missing: restore it, it is part of the package")
    with np.load(BENCHMARK_FILE) as stored:
        return {name: stored[name] for name in stored.files}


def read_benchmarks():
    """Read the benchmark spectra.

    Returns
    -------
    Benchmarks
    """
    a = _arrays()
    first, step = a["ln_wave"]
    norm = unpack(a["norm"])
    return Benchmarks(tuple(a["names"].tolist()), a["labels"],
                      np.exp(first + step * np.arange(norm.shape[1])), norm, a["cont_wave"],
                      a["cont"].astype(float))


def solar_profiles():
    """Read the lines of the Sun, each computed without any other line.

    Returns
    -------
    wave : ndarray, shape (n_line, n_offset)
        Air wavelength [Angstrom], as line lists and the monograph have it.
    centre, flux : ndarray, shape (n_line, n_offset)
        Intensity over continuum at the centre of the disc, and flux over continuum.
    """
    a = _arrays()
    u = np.linspace(-1, 1, a["line_centre"].shape[1])
    offset = np.sinh(STRETCH * u) / np.sinh(STRETCH)
    wave = a["line_air"][:, None] + a["line_half"][:, None] * offset
    return wave, a["line_centre"] * PROFILE_STEP, a["line_flux"] * PROFILE_STEP


def equivalent_width(wave, ratio):
    """Equivalent width of a line profile over its whole window, against the true continuum.

    Parameters
    ----------
    wave : ndarray, shape (..., n)
        [Angstrom].
    ratio : ndarray, shape (..., n)
        Flux over continuum.

    Returns
    -------
    ndarray, shape (...)
        [Angstrom].

    Examples
    --------
    >>> wave = np.linspace(-5, 5, 1001)
    >>> float(equivalent_width(wave, 1 - 0.5 * np.exp(-wave**2)).round(4))
    0.8862
    """
    return np.trapezoid(1 - ratio, wave, axis=-1)


def measured_width(wave, ratio, centre, reach=0.7):
    """Equivalent width of a line among others, as one would measure it.

    Parameters
    ----------
    wave, ratio : ndarray, shape (n,)
        A finely sampled spectrum; [Angstrom] and flux over continuum.
    centre : float
        [Angstrom].
    reach : float
        How far from the centre the window may end [Angstrom].

    Returns
    -------
    float
        [Angstrom]. The window ends at the highest point on either side within `reach`; the
        pseudo-continuum is the straight line through the two.
    """
    sides = [(wave > centre - reach) & (wave < centre), (wave > centre) & (wave < centre + reach)]
    ends = [np.flatnonzero(side)[np.argmax(ratio[side])] for side in sides]
    inside = slice(ends[0], ends[1] + 1)
    level = np.interp(wave[inside], wave[ends], ratio[ends])
    return float(np.trapezoid(1 - ratio[inside] / level, wave[inside]))


def solar_table():
    """Compare equivalent widths of the Sun with the published ones.

    Returns
    -------
    pandas.DataFrame
        One row a line, by name: air [Angstrom], published, centre, flux and blended [mA]
        (`blended`: `measured_width` in the solar flux with all lines, NaN for lines wider than
        0.3 Angstrom), ratio = centre / published, confirmed, lte.
    """
    wave, centre, flux = solar_profiles()
    rows = pd.DataFrame([vars(line) for line in SOLAR_LINES]).set_index("name")
    rows = rows.rename(columns={"width": "published"})
    rows["centre"] = 1e3 * equivalent_width(wave, centre)
    rows["flux"] = 1e3 * equivalent_width(wave, flux)
    rows["blended"] = [1e3 * measured_width(*fine_sun(k), line.air) if line.width < 300 else np.nan
                       for k, line in enumerate(SOLAR_LINES)]
    rows["ratio"] = rows["centre"] / rows["published"]
    return rows[["air", "published", "centre", "flux", "blended", "ratio", "confirmed", "lte"]]


def line_summary(lines, n_worst=3):
    """Say in words how many solar lines come out right, and which are worst.

    Parameters
    ----------
    lines : pandas.DataFrame
        From `solar_table`.
    n_worst : int
        Lines to name.

    Returns
    -------
    str
        Of the lines expected to match in LTE.
    """
    ratio = lines.loc[lines["lte"], "ratio"].sort_values(ascending=False)
    low, high = np.percentile(ratio, [16, 84])
    worst = ", ".join(f"{name} {value:.2f}" for name, value in ratio.head(n_worst).items())
    return (f"{len(ratio)} of {len(lines)} lines should match in LTE: computed / published "
            f"{ratio.median():.2f} in the median, two thirds in {low:.2f}-{high:.2f}\n"
            f"within 10%: {(abs(ratio - 1) <= 0.1).sum()}; more than 30% too strong: "
            f"{(ratio > 1.3).sum()}; worst: {worst}")


def fine_sun(line):
    """Unbroadened solar flux with all lines around one of `SOLAR_LINES`.

    Parameters
    ----------
    line : int
        Position in `SOLAR_LINES`.

    Returns
    -------
    wave : ndarray, shape (n_fine,)
        Air [Angstrom].
    ratio : ndarray, shape (n_fine,)
        Flux over continuum.
    """
    a = _arrays()
    ratio = a["fine"][line] * PROFILE_STEP
    return np.exp(a["fine_ln"][line] + a["fine_step"] * np.arange(ratio.size)), ratio


def line_position(wave, flux, guess, reach=4.0):
    """Wavelength at which a line is deepest, by a parabola through its lowest three pixels.

    Parameters
    ----------
    wave, flux : ndarray, shape (n,)
    guess : float
        [Angstrom].
    reach : float
        How far to look [Angstrom].

    Returns
    -------
    float
        [Angstrom]; between pixels.
    """
    near = np.flatnonzero(np.abs(wave - guess) < reach)
    k = near[np.argmin(flux[near])]
    curve = np.polyfit(wave[k - 1 : k + 2] - wave[k], flux[k - 1 : k + 2], 2)
    return float(wave[k] - curve[1] / (2 * curve[0]))


def vacuum(line):
    """Vacuum wavelength [Angstrom] of a `SolarLine`."""
    return float(air_to_vacuum(line.air))
