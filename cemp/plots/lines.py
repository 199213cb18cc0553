"""Figures of notebook 11: carbon bands, groups of CEMP stars, barium and strontium."""

import numpy as np

from cemp.figures import figure
from cemp.plots.style import COLOURS, COLUMN, LABEL_TEXT, PAGE, error_ellipse, subplots

BOX = {"frameon": True, "framealpha": 0.9, "edgecolor": "none"}
OTHER = {"marker": "o", "markerfacecolor": "none", "color": "0.45", "markersize": 2.4}
CEMP = {"marker": "^", "color": COLOURS[5], "markersize": 3.0}
#: Line and marker of the classes of temperature or S/N, told apart in grey too.
KINDS = (("-", "o"), ("--", "s"), ("-.", "^"), (":", "D"))


@figure("11_carbon")
def draw_carbon(data):
    """Draw the significance of carbon against S/N, and how often it confirms.

    Parameters
    ----------
    data : dict of str to ndarray
        snr, sigma, member (of truth or, without one, of the selection), bins (n,), found and alarm
        (3, n: value, low, high), power (n_class, n) with power_name, threshold, n_sigma, note.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, (left, middle, right) = subplots(1, 3, width=PAGE, height=2.7)
    for value, style, text in ((0, OTHER, "other stars"), (1, CEMP, str(data["kind_note"]))):
        rows = data["member"] == value
        left.plot(data["snr"][rows], np.clip(data["sigma"][rows], -5, 30), linestyle="none",
                  alpha=0.7, label=text, **style)
    left.set(ylim=(-6, 42), ylabel=r"carbon beyond [C/Fe] = 0 [$\sigma$]", title=str(data["note"]))
    left.set_yticks([0, 10, 20, 30], ["0", "10", "20", "30+"])
    for (line, marker), row, text in zip(KINDS, data["power"], data["power_name"], strict=False):
        middle.plot(data["bins"], row, line, marker=marker, markersize=3, label=str(text))
    middle.set(ylabel=r"expected at [C/Fe] = 1 [$\sigma$]", yscale="log", ylim=(0.3, 60))
    for name, text, colour, marker in (("found", str(data["kind_note"]), COLOURS[5], "^"),
                                       ("alarm", "other stars", "0.45", "o")):
        value, low, high = data[name]
        right.errorbar(data["bins"], value, [value - low, high - value], color=colour, capsize=2,
                       marker=marker, markersize=3, label=text)
    right.set(ylabel="share above the line", ylim=(-0.03, 1.3))
    right.set_yticks(np.arange(0, 1.1, 0.2))
    for ax in (left, middle, right):
        if ax is not right:
            ax.axhline(data["n_sigma"], color="k", linewidth=0.8, linestyle=(0, (6, 2)))
        if np.isfinite(data["threshold"]):
            ax.axvline(data["threshold"], color="k", linewidth=0.8, linestyle=":")
        ax.set(xscale="log", xlabel="S/N (g)", xlim=(5, 250))
        ax.set_xticks([10, 30, 100], ["10", "30", "100"])
        ax.legend(loc="upper left", **BOX)
    return fig


@figure("11_cfe")
def draw_cfe(data):
    """Draw [C/Fe] of the bands alone against the network's.

    Parameters
    ----------
    data : dict of str to ndarray
        network, lines, low, high (n,), member (n,), and note.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, ax = subplots(1, 1, width=COLUMN, height=3.2)
    for value, style, text in ((0, OTHER, "other stars"), (1, CEMP, str(data["kind_note"]))):
        rows = data["member"] == value
        x, y = data["network"][rows], data["lines"][rows]
        ax.errorbar(x, y, [y - data["low"][rows], data["high"][rows] - y], fmt="none",
                    ecolor=style["color"], elinewidth=0.4, alpha=0.5)
        ax.plot(x, y, linestyle="none", label=text, **style)
    ax.plot([-1, 3.5], [-1, 3.5], color="k", linewidth=0.7)
    ax.set(xlim=(-1, 3.5), ylim=(-1, 3.5), xlabel="[C/Fe] of the network [dex]",
           ylabel="[C/Fe] of the bands alone [dex]", title=str(data["note"]))
    ax.legend(loc="lower right", **BOX)
    return fig


@figure("11_groups")
def draw_groups(data):
    """Draw the plane of A(C) and [Fe/H] with the groups and the candidates.

    Parameters
    ----------
    data : dict of str to ndarray
        mean (3, 2) and covariance (3, 2, 2) of the groups in ([Fe/H], A(C)); grid_fe_h (n,),
        grid_a_c (m,), p_no (m, n) for a typical error; fe_h, a_c, a_c_natal, p (n_star,); note.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, ax = subplots(1, 1, width=COLUMN, height=3.2)
    lines = ax.contour(data["grid_fe_h"], data["grid_a_c"], data["p_no"], [0.2, 0.5, 0.8],
                       colors="0.35", linewidths=0.7, linestyles=["--", "-", ":"])
    ax.clabel(lines, fmt="%.1f", fontsize=6)
    for name, mean, covariance, colour, place in zip(
            ("I", "II", "III"), data["mean"], data["covariance"], COLOURS,
            ((-2.0, 8.75), (-2.75, 5.55), (-5.1, 7.55)), strict=False):
        for n_sigma in (1, 2):
            ax.add_patch(error_ellipse(mean, covariance, n_sigma, fill=False, edgecolor=colour,
                                       linewidth=1.1, linestyle="-" if n_sigma == 1 else "--"))
        ax.text(*place, name, color=colour, fontsize=9, ha="center", fontweight="bold")
    ax.vlines(data["fe_h"], data["a_c"], data["a_c_natal"], color="0.6", linewidth=0.5)
    points = ax.scatter(data["fe_h"], data["a_c_natal"], c=data["p"], s=9, vmin=0, vmax=1, zorder=3,
                        edgecolors="k", linewidths=0.2)
    fig.colorbar(points, ax=ax, label="P(CEMP-no)", location="top", aspect=40)
    ax.set(xlim=(-5.6, -1.0), ylim=(5.0, 9.2), xlabel=LABEL_TEXT["fe_h"], ylabel="A(C) [dex]")
    ax.text(0.03, 0.03, str(data["note"]), transform=ax.transAxes, fontsize=6.5)
    return fig


@figure("11_neutron")
def draw_neutron(data):
    """Draw how often barium and strontium are seen.

    Parameters
    ----------
    data : dict of str to ndarray
        x_fe (n_step,), snr (n_snr,), found (n_line, n_snr, n_step), line (n_line,), note.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(1, len(data["line"]), width=PAGE, height=2.3, sharex=True, sharey=True)
    for ax, name, rows in zip(axes, data["line"], data["found"], strict=True):
        for (line, marker), snr, row, colour in zip(KINDS, data["snr"], rows, COLOURS,
                                                    strict=False):
            ax.plot(data["x_fe"], row, line, marker=marker, markersize=3, color=colour,
                    label=f"S/N {snr:.0f}")
        ax.axhline(0.5, color="k", linewidth=0.6, linestyle=":")
        ax.set(title=str(name), ylim=(-0.03, 1.03))
        ax.set_xlabel(f"[{str(name)[:2]}/Fe] [dex]")
    axes[0].set_ylabel(r"share seen at $3\sigma$")
    axes[0].legend(loc="upper left", **BOX)
    return fig
