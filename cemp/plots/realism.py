"""Figures that hold the mock against the sky: its population and its spectra."""

import numpy as np

from cemp.figures import figure
from cemp.plots.style import COLOURS, LABEL_TEXT, PAGE, subplots

#: Name, colour and line style of each sample of stars.
SAMPLES = {"mock": ("mock, enriched", COLOURS[1], "--"),
           "weighted": ("mock, weighted", COLOURS[5], ":"),
           "natural": ("natural population", COLOURS[0], "-")}


@figure("00_natural")
def draw_natural(data):
    """Draw the natural population beside the enriched one.

    Parameters
    ----------
    data : dict of str to ndarray
        From `cemp.mock.natural.curves`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(1, 3, width=PAGE, height=2.6)
    for name, (text, colour, line) in SAMPLES.items():
        style = {"color": colour, "linestyle": line, "linewidth": 1.6 if line == ":" else 1.2}
        axes[0].stairs(data[f"fe_h_{name}"], data["edges"], label=text, **style)
        axes[1].plot(data["limits"], data[f"cemp_{name}"], **style)
        axes[2].stairs(data[f"ac_{name}"], data["ac_edges"], **style)
    axes[1].plot(data["placco_limits"], data["placco"], "k^", markersize=4,
                 label="Placco et al. (2014)")  # fmt: skip
    axes[2].stairs(data["ac_literature"], data["ac_edges"], fill=True, color="0.85", zorder=0,
                   label="literature")  # fmt: skip
    axes[0].set(yscale="log", ylim=(1e-5, 1), xlabel=LABEL_TEXT["fe_h"],
                ylabel="share of stars in 0.25 dex")  # fmt: skip
    axes[1].set(xlim=(-4.1, -1.9), ylim=(0, 1), xlabel="[Fe/H] below [dex]",
                ylabel="fraction with [C/Fe] > 0.7")  # fmt: skip
    axes[2].set(xlabel="A(C), CEMP, [Fe/H] < −2.5 [dex]", ylabel="share in 0.25 dex",
                ylim=(0, 0.3))  # fmt: skip
    for ax, letter in zip(axes, "abc", strict=True):
        ax.text(0.03, 0.96, f"({letter})", transform=ax.transAxes, va="top")
    for ax in axes[1:]:
        ax.legend(loc="upper right")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncol=3)
    return fig


@figure("00_realism")
def draw_realism(data):
    """Draw where the mock differs from real spectra.

    Parameters
    ----------
    data : dict of str to ndarray
        From `cemp.mock.realism_report.arrays`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(3, 1, width=PAGE, height=6.2)
    draw_noise(axes[0], data)
    draw_difference(axes[1], data)
    draw_windows(axes[2], data)
    for ax, letter in zip(axes, "abc", strict=True):
        ax.text(0.01, 0.95, f"({letter})", transform=ax.transAxes, va="top")
    for ax in axes[1:]:
        ax.set_xlim(3700, 9000)
    axes[2].set_xlabel("vacuum wavelength [Å]")
    return fig


def draw_noise(ax, data):
    """Draw by how much pixels differ, in units of ivar's noise, in faint spectra; return axes."""
    for name, text, colour, shift in (("real", "real", "k", -0.06),
                                      ("first", "first mock", COLOURS[1], 0),
                                      ("mock", "mock", COLOURS[0], 0.06)):  # fmt: skip
        low, mid, high = data[f"noise_{name}"]
        ax.errorbar(data["lags"] + shift, mid, [mid - low, high - mid], fmt="o", markersize=3,
                    color=colour, linewidth=0.8, label=text)  # fmt: skip
    ax.set(ylabel="noise / noise of ivar", ylim=(0.5, 1.5), xlabel="distance [pixel]")
    ax.legend(loc="upper right", ncol=3)
    return ax


def draw_difference(ax, data):
    """Draw mean real minus mean twin in normalised flux; return the axes."""
    for name, colour in (("first", COLOURS[1]), ("mock", COLOURS[0])):
        ax.plot(data["wave"], data[f"difference_{name}"], color=colour, linewidth=0.7,
                label={"first": "real − first mock", "mock": "real − mock"}[name])  # fmt: skip
    ax.fill_between(data["wave"], -data["difference_error"], data["difference_error"],
                    color="0.8", linewidth=0, label="error of the median")  # fmt: skip
    ax.axhline(0, color="k", linewidth=0.5)
    ax.set(ylabel="difference of flux / continuum", ylim=(-0.12, 0.12))
    ax.legend(loc="upper right", ncol=3)
    return ax


def draw_windows(ax, data):
    """Draw the classifier's AUC window by window; return the axes."""
    edges = data["window_edges"]
    middle, half = edges.mean(axis=1), 0.5 * (edges[:, 1] - edges[:, 0])
    for name, text, colour in (("first", "first mock", COLOURS[1]), ("mock", "mock", COLOURS[0])):
        mid, low, high = data[f"window_{name}"].T
        low, high = np.maximum(mid - low, 0), np.maximum(high - mid, 0)
        ax.errorbar(middle, mid, [low, high], half, fmt="o", markersize=3, color=colour,
                    linewidth=1.0, label=text)  # fmt: skip
    ax.axhline(0.5, color="k", linewidth=0.5, linestyle=":")
    ax.set(ylabel="AUC, real or mock", ylim=(0.4, 1.02))
    ax.legend(loc="lower right", ncol=2)
    return ax
