"""Figures of notebook 10: what the selection finds, what it lets in, and what to observe first."""

import numpy as np

from cemp.figures import figure
from cemp.plots.style import COLOURS, LABEL_TEXT, PAGE, subplots

#: Least rate drawn on logarithmic axes.
LEAST = 2e-6
SNR_TEXT = "S/N in g"


def _bars(ax, table, log=False, **style):
    """Draw rates with intervals at the middles of bins; 95% limits as arrows where none is seen.

    Columns of `table`: low_edge, high_edge, value, low, high, upper, hits, stars.
    """
    low_edge, high_edge, value, low, high, upper, hits, stars = np.asarray(table, dtype=float)
    x = np.sqrt(low_edge * high_edge) if log else (low_edge + high_edge) / 2
    seen, limit = (hits > 0) & (stars > 0), (hits == 0) & (stars > 0)
    bars = [np.maximum(value - low, 0)[seen], np.maximum(high - value, 0)[seen]]
    ax.errorbar(x[seen], value[seen], bars, capsize=2, markersize=4, fmt="o", **style)
    if limit.any():
        ax.plot(x[limit], upper[limit], linestyle="", marker="v", markerfacecolor="none",
                color=style.get("color"))  # fmt: skip


def _note(fig, data):
    """Say above a figure what has to be said, if anything."""
    if str(data.get("note", "")):
        fig.suptitle(str(data["note"]), fontsize=8)


@figure("10_check")
def draw_check(data):
    """Draw the distribution of errors of labels from files and from simulated vectors.

    Parameters
    ----------
    data : dict of str to ndarray
        file_<label>, simulated_<label>: predicted minus true; ks and paired, (4,), p-values; note.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(1, 4, width=PAGE, height=2.3, sharey=True)
    tests = zip(data["ks"], data.get("paired", np.full(4, np.nan)), strict=True)
    for ax, (name, text), p in zip(axes, list(LABEL_TEXT.items())[:4], tests, strict=True):
        for source, style in (("file", {"color": "k", "linewidth": 2.2, "alpha": 0.45}),
                              ("simulated", {"color": COLOURS[5], "linestyle": "--"})):
            x = np.sort(data[f"{source}_{name}"])
            ax.plot(x, (np.arange(x.size) + 0.5) / x.size, label=source, **style)
        limits = np.percentile(data[f"file_{name}"], [1, 99])
        ax.set(xlim=limits, xlabel="error of " + text)
        ax.set_title("p = {:.1g} (KS), {:.1g} (paired)".format(*p), fontsize=7)
    axes[0].set_ylabel("share of spectra below")
    axes[0].legend(loc="upper left")
    _note(fig, data)
    return fig


@figure("10_false")
def draw_false(data):
    """Draw false-positive rates by [Fe/H], Teff and S/N, and what is selected of each kind.

    Parameters
    ----------
    data : dict of str to ndarray
        fe_h, teff, snr, kinds: columns of `_bars`, each (8, n); kind_names; note.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(2, 2, width=PAGE, height=4.8)
    axes = axes.ravel()
    _bars(axes[0], data["fe_h"], color=COLOURS[0])
    axes[0].set(xlabel=LABEL_TEXT["fe_h"], ylabel="false-positive rate")
    _bars(axes[1], data["teff"], color=COLOURS[0])
    axes[1].set(xlabel=LABEL_TEXT["teff"], ylabel="false-positive rate, [Fe/H] < -2")
    _bars(axes[2], data["snr"], log=True, color=COLOURS[0])
    axes[2].set(xscale="log", xlabel=SNR_TEXT, ylabel="false-positive rate, natural mix")
    kinds = np.array(data["kinds"], dtype=float)
    kinds[0], kinds[1] = np.arange(kinds.shape[1]) - 0.5, np.arange(kinds.shape[1]) + 0.5
    _bars(axes[3], kinds, color=COLOURS[5])
    axes[3].plot(np.arange(kinds.shape[1]), data["alone"], "x", color="0.35", markersize=5)
    axes[3].set_xticks(np.arange(kinds.shape[1]), data["kind_names"])
    axes[3].tick_params(axis="x", which="both", top=False, bottom=False)
    axes[3].set_ylabel("selected share")
    for ax in axes:
        ax.set(yscale="log", ylim=(None, 2))
    axes[2].set_ylim(2e-4, 0.1)
    axes[3].set_ylim(1e-3, 4)
    axes[0].plot([], [], "v", markerfacecolor="none", color=COLOURS[0], label="95% limit")
    axes[0].legend(loc="upper right")
    axes[3].plot([], [], "x", color="0.35", label="P(CEMP) alone")
    axes[3].legend(loc="upper left")
    _note(fig, data)
    return fig


@figure("10_completeness")
def draw_completeness(data):
    """Draw completeness by S/N, Teff and [Fe/H].

    Parameters
    ----------
    data : dict of str to ndarray
        snr, teff, fe_h: columns of `_bars`, each (8, n); alone_snr, alone_teff, alone_fe_h: the
        same for P(CEMP) alone; note.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(1, 3, width=PAGE, height=2.4, sharey=True)
    texts = {"snr": SNR_TEXT, "teff": LABEL_TEXT["teff"], "fe_h": LABEL_TEXT["fe_h"]}
    for ax, (name, text) in zip(axes, texts.items(), strict=True):
        low, high, value = np.asarray(data[f"alone_{name}"], dtype=float)[:3]
        middle = np.sqrt(low * high) if name == "snr" else (low + high) / 2
        ax.plot(middle, value, color="0.6", linewidth=2.5, label="P(CEMP) alone")
        _bars(ax, data[name], log=name == "snr", color=COLOURS[0], label="the recipe")
        ax.set(xlabel=text, ylim=(0, 1.03), xscale="log" if name == "snr" else "linear")
    axes[0].set_ylabel("completeness")
    axes[0].legend(loc="lower right")
    _note(fig, data)
    return fig


@figure("10_purity")
def draw_purity(data):
    """Draw purity against prevalence, and against completeness as the threshold rises.

    Parameters
    ----------
    data : dict of str to ndarray
        prevalence (n,); purity, lower, each (n_recipe, n); names of recipes; natural (prevalence);
        curve: threshold, completeness, purity, lower of the natural mix, each (m,); cool: the
        same with a limit in Teff; note.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(1, 2, width=PAGE, height=2.7)
    styles = ("-", "--", ":", "-.")
    for k, name in enumerate(data["names"]):
        x = data["prevalence"]
        axes[0].plot(x, data["purity"][k], color=COLOURS[k], linestyle=styles[k],
                     label=str(name))
        axes[0].fill_between(x, data["lower"][k], data["purity"][k], color=COLOURS[k], alpha=0.15,
                             linewidth=0)
    axes[0].axvline(float(data["natural"]), color="0.4", linewidth=0.8)
    axes[0].text(float(data["natural"]) * 1.06, 0.02, "natural population", rotation=90,
                 va="bottom", ha="left", fontsize=6)
    axes[0].set(xscale="log", ylim=(0, 1.02), xlabel="share of CEMP stars among those searched",
                ylabel="purity")
    axes[0].legend(loc="upper left", bbox_to_anchor=(0, 0.99))
    limited = str(data["names"][-1]).split(", ")[-1]
    for key, colour, style, text in (("curve", COLOURS[0], "-", "all stars"),
                                     ("cool", COLOURS[5], "--", limited)):
        threshold, complete, purity, lower = data[key]
        axes[1].fill_between(complete, lower, purity, color=colour, alpha=0.2, linewidth=0)
        axes[1].plot(complete, purity, color=colour, linestyle=style, label=text)
        for at in (0.3, 0.5, 0.7, 0.9):
            k = int(np.argmin(np.abs(threshold - at)))
            axes[1].plot(complete[k], purity[k], "o", color=colour, markersize=3)
            axes[1].annotate(f"{at:g}", (complete[k], purity[k]), (3, 4), fontsize=7,
                             textcoords="offset points")  # fmt: skip
    axes[1].margins(x=0.1)  # room for the last threshold's number
    axes[1].legend(loc="lower left")
    axes[1].set(xlabel="completeness", ylabel="purity, natural population", ylim=(0, 1.08))
    _note(fig, data)
    return fig


@figure("10_function")
def draw_function(data):
    """Draw the selection function and its calibration.

    Parameters
    ----------
    data : dict of str to ndarray
        fe_h (n,), c_fe (m,), giant, turnoff (m, n): the function; note_giant, note_turnoff;
        stated, value, low, high of the calibration; note.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(1, 3, width=PAGE, height=2.6)
    for ax, name in zip(axes, ("giant", "turnoff"), strict=False):
        image = ax.pcolormesh(data["fe_h"], data["c_fe"], data[name], vmin=0, vmax=1,
                              shading="nearest", rasterized=True)
        lines = ax.contour(data["fe_h"], data["c_fe"], data[name], [0.1, 0.5, 0.9], colors="w",
                           linewidths=0.8)
        ax.clabel(lines, fmt="%g", fontsize=6)
        ax.plot([-3.98, -2, -2], [0.7, 0.7, 3.5], color="w", linestyle=":", linewidth=1)
        ax.set(xlabel=LABEL_TEXT["fe_h"], ylabel=LABEL_TEXT["c_fe"],
               title=str(data[f"note_{name}"]), xlim=data["fe_h"][[0, -1]],
               ylim=data["c_fe"][[0, -1]])
    fig.colorbar(image, ax=axes[1], label="chance to be selected", pad=0.02)
    bars = [data["value"] - data["low"], data["high"] - data["value"]]
    axes[2].plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
    axes[2].errorbar(data["stated"], data["value"], np.maximum(bars, 0), fmt="o", markersize=4,
                     capsize=2, color=COLOURS[0])
    axes[2].set(xlabel="stated chance", ylabel="selected share, other stars", xlim=(0, 1),
                ylim=(0, 1))
    _note(fig, data)
    return fig


@figure("10_yield")
def draw_yield(data):
    """Draw expected CEMP stars against hours for several orders of observing.

    Parameters
    ----------
    data : dict of str to ndarray
        hours_<order>, expected_<order>; names of the orders, and their texts; true_<order> where
        the truth is known (else empty); note.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, ax = subplots(height=2.8)
    styles = ("-", "--", ":")
    for k, (name, text) in enumerate(zip(data["names"], data["texts"], strict=True)):
        ax.plot(data[f"hours_{name}"], data[f"expected_{name}"], color=COLOURS[k],
                linestyle=styles[k], label=text)
    first = data["names"][0]
    if data[f"true_{first}"].size:
        ax.plot(data[f"hours_{first}"], data[f"true_{first}"], color="k", linewidth=0.7,
                label=f"truly CEMP, {data['texts'][0]}")
    ax.set(xlabel="hours at the telescope", ylabel="CEMP stars", xscale="log")
    ax.legend(loc="upper left")
    _note(fig, data)
    return fig
