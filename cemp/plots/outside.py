"""Figure of the spectra that the training does not cover: how far each is from what it holds."""

import numpy as np

from cemp.figures import figure
from cemp.plots.style import COLOURS, PAGE, subplots

#: Name in the legend, colour and marker of each group.
GROUPS = {
    "synthetic": ("synthetic, as in training", "0.75", "."),
    "FGK": ("F, G, K stars", COLOURS[0], "o"),
    "A": ("A stars", COLOURS[4], "^"),
    "M": ("M stars", COLOURS[5], "s"),
    "galaxy": ("galaxies, quasar at z = 0", COLOURS[2], "D"),
    "unknown": ("class unknown", COLOURS[6], "x"),
}


@figure("07_outside")
def draw_outside(data):
    """Draw the reconstruction score, and the depth inside the labels' region, against S/N.

    Parameters
    ----------
    data : dict of str to ndarray
        ``group`` (n,) of str, one of `GROUPS`; ``snr``, ``reconstruction_score`` (1 at the
        threshold) and ``hull_depth`` (1 at the inner edge of the margin, NaN if not looked at),
        all (n,), as in the table of `cemp.transfer.outside.Domain.flags`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(1, 2, width=PAGE, height=2.9)
    draw_score(axes[0], data, "reconstruction_score", "reconstruction error / limit", floor=0.003)
    axes[0].text(0.03, 0.96, "(a) outside above the line", transform=axes[0].transAxes, va="top")
    draw_score(axes[1], data, "hull_depth", "distance from the edge / margin", floor=None)
    axes[1].text(0.03, 0.96, "(b) outside below the line", transform=axes[1].transAxes, va="top")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncol=6, handletextpad=0.1)
    return fig


def draw_score(ax, data, column, label, floor):
    """Draw one score against S/N, the groups above each other, with the line at 1.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    data : dict
        As of `draw_outside`.
    column : str
        Which score.
    label : str
        Of the vertical axis.
    floor : float or None
        Least score shown on a logarithmic axis: noise makes some negative; None for linear.

    Returns
    -------
    matplotlib.axes.Axes
    """
    for name, (text, colour, marker) in GROUPS.items():
        rows = np.asarray(data["group"]) == name
        if not rows.any():
            continue
        values = np.asarray(data[column], dtype=float)[rows]
        values = values if floor is None else np.maximum(values, floor)
        face = {} if marker == "x" else {"linewidths": 0}
        ax.scatter(np.asarray(data["snr"])[rows], values, s=4 if name == "synthetic" else 14,
                   c=[colour], marker=marker, label=text, rasterized=name == "synthetic",
                   **face)  # fmt: skip
    ax.axhline(1, color="0.2", linewidth=0.8, linestyle="--")
    ax.set(xscale="log", yscale="linear" if floor is None else "log",
           xlabel="S/N (median of the pixels)", ylabel=label)  # fmt: skip
    low, high = ax.get_ylim()
    # room for the panel's name
    ax.set(xlim=(1, 400), ylim=(low, 3 * high if floor is not None else high + 0.15 * (high - low)))
    return ax
