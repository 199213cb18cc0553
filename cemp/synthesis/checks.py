"""Do the synthetic spectra behave as stars do? Series in one label, and a list of known answers."""

import numpy as np
import pandas as pd

from cemp.constants import air_to_vacuum
from cemp.synthesis.benchmarks import line_position, solar_table
from cemp.synthesis.colours import OBSERVED_B_V, SOLAR_IRRADIANCE, b_minus_v, irradiance

#: Heart of the G band (CH) and the Swan (0,0) band of C2, air [Angstrom].
G_BAND = (4295.0, 4316.0)
SWAN = (5120.0, 5165.0)
#: Vacuum wavelengths of strong lines [Angstrom], measured in the laboratory (NIST Atomic Spectra
#: Database), as tabulated for the SDSS: the synthesis works in air, the grid is in vacuum.
VACUUM_LINES = {
    "Ca II K": 3934.777, "H delta": 4102.892, "H gamma": 4341.684, "H beta": 4862.683,
    "Mg I b1": 5185.048, "Na I D2": 5891.583, "Na I D1": 5897.558, "H alpha": 6564.61,
    "Ca II 8500": 8500.36, "Ca II 8544": 8544.44, "Ca II 8664": 8664.52,
}  # fmt: skip
#: Half widths over which Balmer lines are integrated [Angstrom].
BALMER = {"H alpha": 40.0, "H beta": 30.0, "H gamma": 15.0, "H delta": 15.0}
#: Values of the label that a series varies, where no others are given.
SERIES = {"teff": np.arange(5000, 7001, 250.0), "c_fe": np.arange(-0.5, 2.51, 0.25),
          "fe_h": np.arange(-4, 0.01, 0.5), "logg": np.arange(2.0, 4.76, 0.25)}


def band_depth(wave, norm, edges):
    """Mean depth of a band below the true continuum.

    Parameters
    ----------
    wave : ndarray, shape (n_wave,)
        Vacuum [Angstrom].
    norm : ndarray, shape (..., n_wave)
        Flux over continuum.
    edges : tuple of float
        Air [Angstrom].

    Returns
    -------
    ndarray, shape (...)
        Between 0 (no absorption) and 1.
    """
    low, high = air_to_vacuum(edges)
    inside = (wave >= low) & (wave <= high)
    return 1 - np.mean(norm[..., inside], axis=-1)


def line_width(wave, norm, centre, half):
    """Absorption within a window about a line, blends included.

    Parameters
    ----------
    wave : ndarray, shape (n_wave,)
        [Angstrom].
    norm : ndarray, shape (..., n_wave)
        Flux over continuum.
    centre, half : float
        Window [Angstrom].

    Returns
    -------
    ndarray, shape (...)
        Equivalent width [Angstrom].
    """
    inside = np.abs(wave - centre) <= half
    return np.trapezoid(1 - norm[..., inside], wave[inside], axis=-1)


def labels_along(name, values, teff=5000.0, logg=2.0, fe_h=-2.0, c_fe=0.0, alpha_fe=0.4, n_fe=0.0):
    """Labels of stars that differ in one label only.

    Parameters
    ----------
    name : {"teff", "logg", "fe_h", "c_fe", "alpha_fe", "n_fe"}
        The label that varies.
    values : array_like, shape (n,)
    teff, logg, fe_h, c_fe, alpha_fe, n_fe : float
        The others [K, dex].

    Returns
    -------
    ndarray, shape (n, 6)
    """
    fixed = {"teff": teff, "logg": logg, "fe_h": fe_h, "c_fe": c_fe, "alpha_fe": alpha_fe,
             "n_fe": n_fe}
    columns = {**{key: np.full(len(values), value) for key, value in fixed.items()},
               name: np.asarray(values, dtype=float)}
    return np.stack([columns[key] for key in fixed], axis=1)


def temperature_series(emulator, teff=SERIES["teff"]):
    """Balmer lines of metal-poor dwarfs against Teff.

    Parameters
    ----------
    emulator : cemp.synthesis.emulator.Emulator
    teff : array_like, shape (n,)
        [K].

    Returns
    -------
    pandas.DataFrame
        By Teff: equivalent width [Angstrom] of each of `BALMER`; log g = 4, [Fe/H] = -3.5,
        so that few other lines stand in the windows.
    """
    norm, _ = emulator.emulate(labels_along("teff", teff, logg=4.0, fe_h=-3.5))
    widths = {name: line_width(emulator.wave, norm, VACUUM_LINES[name], half)
              for name, half in BALMER.items()}
    return pd.DataFrame(widths, index=pd.Index(teff, name="teff"))


def carbon_series(emulator, c_fe=SERIES["c_fe"]):
    """G band and C2 of a giant and of a turn-off star against [C/Fe].

    Parameters
    ----------
    emulator : cemp.synthesis.emulator.Emulator
    c_fe : array_like, shape (n,)
        [dex].

    Returns
    -------
    pandas.DataFrame
        By [C/Fe]: mean depths ``giant_g``, ``giant_c2`` (4800 K, 1.8, [Fe/H] = -2.5) and
        ``turnoff_g``, ``turnoff_c2`` (6200 K, 4.0, [Fe/H] = -2.8).
    """
    giant, _ = emulator.emulate(labels_along("c_fe", c_fe, 4800.0, 1.8, -2.5))
    turnoff, _ = emulator.emulate(labels_along("c_fe", c_fe, 6200.0, 4.0, -2.8))
    depths = {f"{name}_{key}": band_depth(emulator.wave, norm, band)
              for name, norm in (("giant", giant), ("turnoff", turnoff))
              for key, band in (("g", G_BAND), ("c2", SWAN))}
    return pd.DataFrame(depths, index=pd.Index(c_fe, name="c_fe"))


def metallicity_series(emulator, fe_h=SERIES["fe_h"]):
    """Lines of a giant against [Fe/H].

    Parameters
    ----------
    emulator : cemp.synthesis.emulator.Emulator
    fe_h : array_like, shape (n,)
        [dex].

    Returns
    -------
    pandas.DataFrame
        By [Fe/H]: equivalent widths of Ca II K and of the Mg b region [Angstrom], and the part of
        the flux that all lines between 4880 and 6500 Angstrom take (H beta and H alpha left out).
    """
    norm, _ = emulator.emulate(labels_along("fe_h", fe_h))
    wave = emulator.wave
    return pd.DataFrame({
        "Ca II K": line_width(wave, norm, VACUUM_LINES["Ca II K"], 15.0),
        "Mg b": line_width(wave, norm, 5177.0, 20.0),
        "blocked": band_depth(wave, norm, (4890.0, 6500.0)),
    }, index=pd.Index(fe_h, name="fe_h"))


def gravity_series(emulator, logg=SERIES["logg"]):
    """Pressure-sensitive lines of cool stars against log g.

    Parameters
    ----------
    emulator : cemp.synthesis.emulator.Emulator
    logg : array_like, shape (n,)
        [dex, cgs].

    Returns
    -------
    pandas.DataFrame
        By log g: equivalent width of the Mg b region and of Ca II 8542 [Angstrom]; 4900 K,
        [Fe/H] = -1.
    """
    norm, _ = emulator.emulate(labels_along("logg", logg, teff=4900.0, fe_h=-1.0))
    wave = emulator.wave
    return pd.DataFrame({"Mg b": line_width(wave, norm, 5177.0, 20.0),
                         "Ca II 8542": line_width(wave, norm, VACUUM_LINES["Ca II 8544"], 15.0)},
                        index=pd.Index(logg, name="logg"))


def solar_positions(benchmarks):
    """Where strong lines of the synthetic Sun lie, minus where the laboratory puts them.

    Parameters
    ----------
    benchmarks : cemp.synthesis.benchmarks.Benchmarks

    Returns
    -------
    pandas.Series
        [Angstrom], by line.
    """
    sun = benchmarks.norm[benchmarks.row("sun")]
    return pd.Series({name: line_position(benchmarks.wave, sun, at) - at
                      for name, at in VACUUM_LINES.items()})


def computed_depths(benchmarks):
    """Depths of the carbon bands in directly computed spectra, as `carbon_series` has them.

    Parameters
    ----------
    benchmarks : cemp.synthesis.benchmarks.Benchmarks

    Returns
    -------
    pandas.DataFrame
        name, c_fe, kind (column of `carbon_series`), depth.
    """
    rows = []
    for k, name in enumerate(benchmarks.names):
        star = name.split("_")[0]
        if star not in ("giant", "turnoff"):
            continue
        for key, band in (("g", G_BAND), ("c2", SWAN)):
            rows.append((name, benchmarks.labels[k, 3], f"{star}_{key}",
                         float(band_depth(benchmarks.wave, benchmarks.norm[k], band))))
    return pd.DataFrame(rows, columns=["name", "c_fe", "kind", "depth"])


def known_answers(benchmarks):
    """Compare what the benchmark spectra say with what is known.

    Parameters
    ----------
    benchmarks : cemp.synthesis.benchmarks.Benchmarks

    Returns
    -------
    pandas.DataFrame
        By check: known, found, tolerance, unit, good (bool).
    """
    lines = solar_table()
    log_ratio = np.log10(lines.loc[lines["lte"], "ratio"])
    sun = benchmarks.flux("sun")
    ratio = pd.Series({at: irradiance(benchmarks.wave, sun, at) / seen
                       for at, seen in SOLAR_IRRADIANCE.items()})
    rows = [
        ("line positions: largest offset", 0.0, solar_positions(benchmarks).abs().max(), 0.1, "A"),
        ("solar lines: median computed / published", 1.0, 10 ** np.median(log_ratio), 0.10, ""),
        ("solar lines: robust scatter of the ratio", 0.0, _spread(log_ratio), 0.10, "dex"),
        ("solar irradiance beyond 5900 A", 1.0, ratio[ratio.index > 5900].mean(), 0.03, ""),
        ("solar irradiance at 5000 and 5500 A", 1.0, ratio[[5000, 5500]].mean(), 0.03, ""),
        ("solar irradiance at 4050 and 4500 A", 1.0, ratio[[4050, 4500]].mean(), 0.03, ""),
    ]
    rows += [(f"B - V of {name}", seen, b_minus_v(benchmarks.wave, benchmarks.flux(name)), 0.05,
              "mag") for name, seen in OBSERVED_B_V.items()]
    table = pd.DataFrame(rows, columns=["check", "known", "found", "tolerance", "unit"])
    table["good"] = np.abs(table["found"] - table["known"]) <= table["tolerance"]
    return table.set_index("check")


def tex_rows(known):
    """Rows of the paper's table of known answers.

    Parameters
    ----------
    known : pandas.DataFrame
        As of `known_answers`.

    Returns
    -------
    list of tuple of str
    """
    return [(name.replace("B - V", "$B-V$"), f"{row.known:.2f}", f"{row.found:.2f}",
             f"{row.tolerance:.2f}", {"A": r"\AA"}.get(row.unit, row.unit))
            for name, row in known.iterrows()]


def _spread(values):
    """Robust standard deviation."""
    return 1.4826 * np.median(np.abs(values - np.median(values)))
