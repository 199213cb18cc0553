"""Figures of notebook 13: counterparts, known CEMP stars, misses, and when to observe."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from cemp.constants import LABELS
from cemp.crossmatch_tables import NAMES
from cemp.figures import figure
from cemp.plots.style import COLOURS, LABEL_TEXT, PAGE, error_ellipse, subplots

#: Colour and marker of a source, distinguishable in grey.
SOURCES = {"apogee": ("0.6", "."), "saga": (COLOURS[0], "o"), "subaru": (COLOURS[5], "^"),
           "jinabase": (COLOURS[2], "s")}  # fmt: skip
MONTHS = ("J", "F", "M", "A", "M", "J", "J", "A", "S", "O", "N", "D")


@figure("13_counterparts")
def draw_counterparts(data):
    """Draw predicted minus catalogue labels against the catalogue's, by source.

    Parameters
    ----------
    data : dict of str to ndarray
        source (n,), and for each label X: X (catalogue value), d_X, e_X (total error), all (n,);
        note.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(2, 2, width=PAGE, height=4.2)
    for ax, name in zip(axes.ravel(), LABELS, strict=True):
        delta = data[f"d_{name}"]
        for source, (colour, marker) in SOURCES.items():
            rows = (data["source"] == source) & np.isfinite(delta)
            if rows.any():
                ax.plot(data[name][rows], delta[rows], marker, color=colour, linestyle="none",
                        markersize=3 if marker == "." else 3.5, markeredgewidth=0.3,
                        markeredgecolor=colour if marker == "." else "k",
                        label=NAMES[source], zorder=1 + (marker != "."))
        ax.axhline(0, color="k", linewidth=0.8)
        known = np.abs(delta[np.isfinite(delta)])
        reach = 1.15 * known.max() if known.size else 1.0
        typical = np.nanmedian(data[f"e_{name}"]) if known.size else 0.0
        ax.axhspan(-typical, typical, color="0.88", zorder=0)
        text = LABEL_TEXT[name]
        ax.set(xlabel=f"catalogue {text}", ylabel=rf"$\Delta$ {text}", ylim=(-reach, reach))
    # one legend beside the panels: in them it would hide the extreme stars
    handles = {text: line for ax in axes.ravel()
               for line, text in zip(*ax.get_legend_handles_labels(), strict=True)}
    fig.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=4,
               title=str(data["note"]), title_fontsize=8)
    return fig


@figure("13_known")
def draw_known(data):
    """Draw the known CEMP stars in the plane of Table 1: label, prediction, found or missed.

    Parameters
    ----------
    data : dict of str to ndarray
        label_fe_h, label_c_fe, fe_h, c_fe, found (0 or 1), e_fe_h, e_c_fe, cov_fe_h_c_fe, all
        (n,); note.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, ax = subplots(height=3.3)
    found = data["found"].astype(bool)
    for i in np.flatnonzero(np.isfinite(data["fe_h"])):
        ax.plot([data["label_fe_h"][i], data["fe_h"][i]],
                [data["label_c_fe"][i], data["c_fe"][i]], "-", color="0.6", linewidth=0.7, zorder=1)
    ax.plot(data["label_fe_h"], data["label_c_fe"], ".", color="0.35", markersize=4, zorder=2,
            label="label")
    for rows, style, text in ((found, {"marker": "^", "color": COLOURS[0]}, "network: found"),
                              (~found, {"marker": "X", "color": COLOURS[5]}, "network: missed")):
        ax.plot(data["fe_h"][rows], data["c_fe"][rows], linestyle="none", markersize=5,
                markeredgecolor="k", markeredgewidth=0.4, zorder=3,
                label=f"{text} ({rows.sum()})", **style)
    for i in np.flatnonzero(~found & np.isfinite(data["fe_h"])):
        both = data["cov_fe_h_c_fe"][i]
        cov = [[data["e_fe_h"][i] ** 2, both], [both, data["e_c_fe"][i] ** 2]]
        ax.add_patch(error_ellipse((data["fe_h"][i], data["c_fe"][i]), np.array(cov), 1.0,
                                   fill=False, edgecolor=COLOURS[5], linewidth=0.9, zorder=3))
    dashed = {"color": "k", "linestyle": "--", "linewidth": 0.8}
    ax.plot([-2.0, -2.0], [0.7, 9.0], **dashed)
    ax.plot([-9.0, -2.0], [0.7, 0.7], **dashed)
    shown = np.concatenate([data["label_c_fe"], data["c_fe"]])
    iron = np.concatenate([data["label_fe_h"], data["fe_h"]])
    ax.set(xlim=(np.nanmin(iron, initial=-3.0) - 0.2, max(np.nanmax(iron, initial=-2.0), -2) + 0.3),
           ylim=(min(np.nanmin(shown, initial=0.7), 0.5) - 0.3, np.nanmax(shown, initial=2) + 0.9),
           xlabel=LABEL_TEXT["fe_h"], ylabel=LABEL_TEXT["c_fe"], title=str(data["note"]))
    ax.legend(loc="upper left", frameon=True, framealpha=0.85, edgecolor="none")
    return fig


@figure("13_misses")
def draw_misses(data):
    """Draw the spectra of known CEMP stars that were missed, beside what was expected.

    Parameters
    ----------
    data : dict of str to ndarray
        wave (n_wave,); flux (n, n_wave), NaN at bad pixels; by_label and by_network (n, n_wave),
        library spectra at the star's label and at the predicted one; name and text (n,), captions
        of the left and the right panel; note. No star gives a page that says so.

    Returns
    -------
    matplotlib.figure.Figure
    """
    n_star = len(data["flux"])
    if not n_star:
        fig, ax = subplots(width=PAGE, height=1.0)
        ax.text(0.5, 0.5, f"{data['note']}: none", ha="center", va="center")
        ax.set_axis_off()
        return fig
    fig, axes = subplots(n_star, 2, width=PAGE, height=0.9 + 1.4 * n_star, squeeze=False,
                         gridspec_kw={"width_ratios": [1, 1.7]}, sharex="col", sharey=True)
    kinds = (("flux", {"color": "k", "linewidth": 0.6}, "observed"),
             ("by_label", {"color": COLOURS[0], "linewidth": 0.9}, "library at the label or truth"),
             ("by_network", {"color": COLOURS[5], "linewidth": 0.9, "linestyle": "--"},
              "library at the prediction"))  # fmt: skip
    for i, row in enumerate(axes):
        for ax, name in zip(row, ("name", "text"), strict=True):
            ax.set_title(str(data[name][i]), loc="left", fontsize=7, pad=3)
        for ax, (low, high) in zip(row, ((4180, 4460), (4650, 5250)), strict=True):
            inside = (data["wave"] >= low) & (data["wave"] <= high)
            for name, style, text in kinds:
                ax.plot(data["wave"][inside], data[name][i, inside], label=text, **style)
            ax.set(xlim=(low, high), ylim=(0.0, 1.35))
    handles = axes[0, 0].get_legend_handles_labels()
    fig.legend(*handles, loc="outside upper center", ncols=3, title=str(data["note"]),
               title_fontsize=8)  # fmt: skip
    fig.supylabel("normalised flux", fontsize=8)
    fig.supxlabel(r"rest wavelength in vacuum [$\mathrm{\AA}$]; left CH G band, right C$_2$",
                  fontsize=8)
    return fig


@figure("13_season")
def draw_season(data):
    """Draw how many candidates can be observed in each month, by brightness.

    Parameters
    ----------
    data : dict of str to ndarray
        count (n_bin, 12), name (n_bin,): candidates a month in bins of brightness; note.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, ax = subplots(height=2.4)
    base, greys = np.zeros(12), ("0.25", "0.55", "0.85")
    for row, name, grey in zip(data["count"], data["name"], greys, strict=False):
        ax.bar(np.arange(12), row, bottom=base, color=grey, edgecolor="k", linewidth=0.4,
               width=0.85, label=str(name))
        base = base + row
    ax.set(xticks=np.arange(12), xticklabels=MONTHS, xlabel="month", ylabel="candidates observable",
           title=str(data["note"]), ylim=(0, 1.35 * max(base.max(), 1)))
    ax.tick_params(axis="x", length=0)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(loc="upper center", ncols=3, columnspacing=0.8, handlelength=1.2)
    return fig
