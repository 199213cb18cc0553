"""Figures of the mock survey: its stars, and one spectrum on its way into a file."""

import numpy as np

from cemp.figures import figure
from cemp.plots.style import COLOURS, LABEL_TEXT, PAGE, subplots

#: Name in the legend, colour, marker and line style of each group.
GROUP_STYLE = {
    "apogee": ("APOGEE", COLOURS[0], "+", "--"),
    "search": ("search (in no label table)", COLOURS[4], ".", "-"),
    "saga": ("SAGA", COLOURS[5], "o", ":"),
    "subaru": ("LAMOST-Subaru", COLOURS[6], "^", "-."),
}


@figure("00_population")
def draw_population(data):
    """Draw the mock's stars: Kiel diagram, metallicities, carbon plane.

    Parameters
    ----------
    data : dict of str to ndarray
        teff [K], logg, fe_h, c_fe, all (n,), and group (n,) of str.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(1, 3, width=PAGE, height=2.7, gridspec_kw={"width_ratios": [1, 0.9, 1.2]})
    draw_kiel(axes[0], data)
    draw_metallicities(axes[1], data)
    draw_carbon(axes[2], data)
    handles, labels = axes[2].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncol=4, markerscale=1.5)
    return fig


def draw_kiel(ax, data):
    """Draw the Kiel diagram, coloured by metallicity.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    data : dict
        As of `draw_population`.

    Returns
    -------
    matplotlib.axes.Axes
    """
    points = ax.scatter(data["teff"], data["logg"], s=1.5, c=data["fe_h"], vmin=-4, vmax=0.5,
                        linewidths=0, rasterized=True)  # fmt: skip
    bar = ax.inset_axes((0.07, 0.72, 0.45, 0.035))
    ax.figure.colorbar(points, cax=bar, orientation="horizontal", label=LABEL_TEXT["fe_h"])
    ax.set(xlim=(7200, 3850), ylim=(5.1, 0.0), xlabel=LABEL_TEXT["teff"], ylabel=LABEL_TEXT["logg"])
    ax.text(0.04, 0.95, "(a) mock", transform=ax.transAxes, va="top")
    return ax


def draw_metallicities(ax, data):
    """Draw the distribution of [Fe/H] of each group.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    data : dict
        As of `draw_population`.

    Returns
    -------
    matplotlib.axes.Axes
    """
    edges = np.arange(-4.0, 0.76, 0.25)
    for group, (_, colour, _, line) in GROUP_STYLE.items():
        ax.hist(data["fe_h"][data["group"] == group], edges, histtype="step", color=colour,
                linestyle=line, linewidth=1.3)  # fmt: skip
    ax.set(yscale="log", xlabel=LABEL_TEXT["fe_h"], ylabel="stars in 0.25 dex", xlim=(-4.1, 0.7))
    ax.text(0.04, 0.95, "(b) mock", transform=ax.transAxes, va="top")
    return ax


def draw_carbon(ax, data):
    """Draw [C/Fe] against [Fe/H] with the corner of Table 1 and lines of constant A(C).

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    data : dict
        As of `draw_population`.

    Returns
    -------
    matplotlib.axes.Axes
    """
    for group, (name, colour, marker, _) in GROUP_STYLE.items():
        here = data["group"] == group
        size = 9 if marker == "." else 7
        ax.scatter(data["fe_h"][here], data["c_fe"][here], s=size, c=colour, marker=marker,
                   linewidths=0.5, label=name, rasterized=True)  # fmt: skip
    ax.plot([-4.1, -2.0, -2.0], [0.7, 0.7, 3.6], color="k", linewidth=1.2)
    ax.text(-2.05, 3.5, "CEMP", ha="right", va="top")
    x = np.array([-4.1, 0.8])
    for a_c in (6.28, 7.96):
        ax.plot(x, a_c - 8.43 - x, color="0.4", linewidth=0.7, linestyle=(0, (1, 2)))
        ax.text(a_c - 8.43 + 0.82, -0.82, f"A(C) = {a_c}", fontsize=6, ha="center", va="center",
                rotation=-38, backgroundcolor="w", bbox={"pad": 0.5, "color": "w"})  # fmt: skip
    ax.set(xlim=(-4.1, 0.7), ylim=(-1.4, 3.7), xlabel=LABEL_TEXT["fe_h"], ylabel=LABEL_TEXT["c_fe"])
    ax.text(0.96, 0.95, "(c) mock", transform=ax.transAxes, va="top", ha="right")
    return ax


@figure("00_observed_spectrum")
def draw_observed_spectrum(data):
    """Draw a star without noise and as its file holds it.

    Parameters
    ----------
    data : dict of str to ndarray
        wave, sharp, smooth, written, error, lost of `cemp.mock.example.follow`; label (a text).

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(3, 1, width=PAGE, height=5.2)
    panels = ((3700, 9050, "(a)"), (4180, 4420, "(b) CH G band"), (5550, 6050, "(c) the two arms"))
    for ax, (low, high, title) in zip(axes, panels, strict=True):
        draw_window(ax, data, low, high)
        ax.text(0.01, 0.95, title, transform=ax.transAxes, va="top")
    axes[0].set_title(str(data["label"]))
    fig.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncol=4)
    axes[2].set_xlabel("observed vacuum wavelength [Å]")
    fig.supylabel("flux / median", fontsize=8)
    return fig


def draw_window(ax, data, low, high):
    """Draw one wavelength range, each curve scaled to its median there.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    data : dict
        As of `draw_observed_spectrum`.
    low, high : float
        Wavelengths [Angstrom].

    Returns
    -------
    matplotlib.axes.Axes
    """
    here = (data["wave"] >= low) & (data["wave"] <= high)
    wave, lost = data["wave"][here], data["lost"][here].astype(bool)
    flux = np.where(lost, np.nan, data["written"][here])
    curves = {"written": flux, "sharp": data["sharp"][here], "smooth": data["smooth"][here]}
    curves = {name: curve / np.nanmedian(curve) for name, curve in curves.items()}
    if high - low < 1000:
        ax.plot(wave, curves["sharp"], color=COLOURS[4], linewidth=0.6, label="noiseless, R = 5000")
    ax.plot(wave, curves["written"], color="0.35", linewidth=0.5, drawstyle="steps-mid",
            label="the file")  # fmt: skip
    ax.plot(wave, curves["smooth"], color=COLOURS[5], linewidth=0.9, linestyle="--",
            label="noiseless, unreddened, R of the exposure")  # fmt: skip
    shade = ax.fill_between(wave, 0, 1, where=lost, transform=ax.get_xaxis_transform(),
                            step="mid", color=COLOURS[1], alpha=0.5, linewidth=0)  # fmt: skip
    shade.set_label("ivar = 0")
    top = np.nanpercentile(curves["written"], 99.8)
    ax.set(xlim=(low, high), ylim=(0 if high - low > 1000 else None, 1.12 * top))
    return ax
