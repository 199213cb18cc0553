"""Figures of 07_real_stars: labels of real stars against the literature."""

import numpy as np

from cemp.figures import figure
from cemp.plots.style import COLOURS, LABEL_TEXT, PAGE, subplots

#: Legend, colour and marker of each method; they differ in grey too.
METHOD_STYLE = {
    "network": ("sky model", COLOURS[0], "o"), "fit": ("chi-square fit", COLOURS[1], "s"),
}  # fmt: skip
#: Range of each label in the figures.
RANGE = {"teff": (3800, 7400), "logg": (-0.2, 5.4), "fe_h": (-3.3, 0.9), "c_h": (-4.0, 0.5)}
#: Half range of the residuals.
RESIDUAL = {"teff": 900, "logg": 1.6, "fe_h": 1.1, "c_h": 1.6}


@figure("07_one_to_one")
def draw_one_to_one(data):
    """Draw predicted against literature labels, and the residuals below.

    Parameters
    ----------
    data : dict of str to ndarray
        teff, logg, fe_h (n,): literature; for each method in `METHOD_STYLE` that there is,
        ``<method>_teff`` ... (n,); title (str).

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = ("teff", "logg", "fe_h")
    fig, axes = subplots(2, 3, width=PAGE, height=4.0, sharex="col",
                         gridspec_kw={"height_ratios": (2, 1)})  # fmt: skip
    for (top, low), name in zip(axes.T, names, strict=True):
        draw_label(top, data, name)
        draw_residual(low, data, name)
    axes[0, 0].legend(loc="upper left", markerscale=1.5)
    axes[0, 0].set_ylabel("this work")
    axes[1, 0].set_ylabel("this work $-$ literature")
    fig.suptitle(str(data["title"]), fontsize=8)
    return fig


def draw_label(ax, data, name):
    """Draw one label against the literature; returns `ax`."""
    for method, (text, colour, marker) in METHOD_STYLE.items():
        if f"{method}_{name}" in data:
            ax.plot(data[name], data[f"{method}_{name}"], marker, color=colour, ms=2.2, mew=0.4,
                    mfc=colour if method == "network" else "none", label=text, rasterized=True)
    ax.plot(RANGE[name], RANGE[name], color="0.4", lw=0.7)
    ax.set(xlim=RANGE[name], ylim=RANGE[name], title=LABEL_TEXT[name])
    return ax


def draw_residual(ax, data, name):
    """Draw the residuals of one label against the literature value; returns `ax`."""
    for method, (_, colour, marker) in METHOD_STYLE.items():
        if f"{method}_{name}" in data:
            ax.plot(data[name], data[f"{method}_{name}"] - data[name], marker, color=colour, ms=2.0,
                    mew=0.4, mfc=colour if method == "network" else "none", rasterized=True)
    ax.axhline(0, color="0.4", lw=0.7)
    ax.set(ylim=(-RESIDUAL[name], RESIDUAL[name]), xlabel=f"literature {LABEL_TEXT[name]}")
    return ax


@figure("07_calibration")
def draw_calibration(data):
    """Draw residuals in units of their expected error beside the unit Gaussian.

    Parameters
    ----------
    data : dict of str to ndarray
        teff, logg, fe_h (n,): z-scores; title (str).

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(1, 3, width=PAGE, height=2.2, sharey=True)
    edges, x = np.linspace(-5, 5, 31), np.linspace(-5, 5, 200)
    for ax, name in zip(axes, ("teff", "logg", "fe_h"), strict=True):
        known = data[name][np.isfinite(data[name])]
        ax.hist(np.clip(known, -4.99, 4.99), edges, density=True, color=COLOURS[4])
        ax.plot(x, np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi), color="k", lw=0.9)
        ax.set(xlabel="residual / expected error", title=LABEL_TEXT[name].split(" [")[0],
               xlim=(-5, 5))
    axes[0].set_ylabel("density")
    fig.suptitle(str(data["title"]), fontsize=8)
    return fig


@figure("07_lamost")
def draw_lamost(data):
    """Draw the Kiel diagram of real LAMOST stars, and their Teff against the spectral type.

    Parameters
    ----------
    data : dict of str to ndarray
        teff, logg, fe_h, type_teff (n,): [K, dex]; outside (n,): bool, flagged as not covered.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, (left, right) = subplots(1, 2, width=PAGE, height=3.0)
    inside = ~data["outside"].astype(bool)
    points = left.scatter(data["teff"][inside], data["logg"][inside], s=9, c=data["fe_h"][inside],
                          vmin=-2.5, vmax=0.5, linewidths=0)  # fmt: skip
    left.plot(data["teff"][~inside], data["logg"][~inside], "x", color="0.5", ms=3, mew=0.7,
              label="flagged: outside the training domain")
    fig.colorbar(points, ax=left, label=LABEL_TEXT["fe_h"])
    left.set(xlim=(7400, 3600), ylim=(5.4, 0), xlabel=LABEL_TEXT["teff"],
             ylabel=LABEL_TEXT["logg"])
    if (~inside).any():
        left.legend(loc="lower left")
    right.plot(data["type_teff"][inside], data["teff"][inside], "o", color=COLOURS[0], ms=2.5)
    right.plot(data["type_teff"][~inside], data["teff"][~inside], "x", color="0.5", ms=3, mew=0.7)
    right.plot((3600, 9500), (3600, 9500), color="0.4", lw=0.7)
    right.set(xlim=(3600, 9500), ylim=(3600, 7400), ylabel=LABEL_TEXT["teff"],
              xlabel="dwarfs' $T_\\mathrm{eff}$ of the pipeline's type [K]")
    return fig
