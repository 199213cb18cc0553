"""Figures of notebook 05: the candidates, how good they are, and their spectra."""

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from cemp.figures import figure
from cemp.plots.style import COLOURS, LABEL_TEXT, PAGE, subplots

#: Marker and colour of true CEMP stars and of all others, distinguishable in grey.
CEMP = {"color": COLOURS[5], "marker": "^"}
OTHER = {"color": COLOURS[0], "marker": "o"}
#: A legend that data may pass under.
BOX = {"frameon": True, "framealpha": 0.85, "edgecolor": "none"}
#: Limits of S/N axes.
SNR = (4.5, 400)
#: Fewest stars whose share is drawn.
FEWEST = 5


def _corner(ax):
    """Outline the CEMP corner of Table 1."""
    style = {"color": "k", "linestyle": "--", "linewidth": 0.8}
    ax.plot([-2.0, -2.0], [0.7, 9.0], **style)
    ax.plot([-9.0, -2.0], [0.7, 0.7], **style)


def _fraction_bars(ax, x, table, **style):
    """Draw fractions with their intervals; table columns: value, low, high."""
    value, low, high = np.asarray(table, dtype=float)
    known = np.isfinite(value)
    x, value, low, high = np.asarray(x)[known], value[known], low[known], high[known]
    bars = [np.maximum(value - low, 0), np.maximum(high - value, 0)]
    ax.errorbar(x, value, bars, capsize=2, markersize=4, **style)


@figure("05_plane")
def draw_plane(data):
    """Draw the candidates in the [C/Fe]-[Fe/H] plane with their errors.

    Parameters
    ----------
    data : dict of str to ndarray
        fe_h, c_fe (all search stars); cand_fe_h, cand_c_fe, cand_e_fe_h, cand_e_c_fe, cand_p;
        note (text above the panel).

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, ax = subplots(width=PAGE, height=3.8)
    ax.plot(data["fe_h"], data["c_fe"], ".", color="0.6", markersize=2, zorder=1,
            label="search stars")
    x, y = data["cand_fe_h"], data["cand_c_fe"]
    # one typical error: hundreds of bars would hide the stars
    typical = [np.median(data[name]) for name in ("cand_e_c_fe", "cand_e_fe_h")] if x.size else []
    if typical:
        ax.errorbar(-0.6, 2.5, *typical, fmt="none", ecolor="k", elinewidth=0.8, capsize=2)
        ax.text(-0.6, 2.5 + 1.15 * typical[0], "median error", ha="center", fontsize=7)
    points = ax.scatter(x, y, c=data["cand_p"], s=16, marker="^", norm=Normalize(0.5, 1.0),
                        edgecolor="k", linewidth=0.3, zorder=3, label="candidates")
    fig.colorbar(points, ax=ax, label="P(CEMP)", pad=0.01)
    _corner(ax)
    shown = np.concatenate([data["c_fe"], y])
    shown = shown[np.isfinite(shown)]
    ax.set(xlim=(-4.3, 0.5), xlabel=LABEL_TEXT["fe_h"], ylabel=LABEL_TEXT["c_fe"],
           ylim=(max(shown.min() - 0.2, -1.5), min(shown.max() + 0.3, 4.0)),
           title=str(data["note"]))
    ax.text(-1.97, ax.get_ylim()[1] - 0.1, "dashed: the CEMP\ncorner of Table 1", va="top",
            fontsize=7)
    ax.legend(loc="upper right")
    return fig


@figure("05_completeness")
def draw_completeness(data):
    """Draw completeness and purity by S/N, by threshold, and purity at other prevalences.

    Parameters
    ----------
    data : dict of str to ndarray
        snr, completeness, purity (3, n bins: value, low, high); threshold, and by it
        curve_completeness, curve_purity, held_completeness, held_purity; chosen; prevalence,
        scaled, scaled_low, own_prevalence; note.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, (left, middle, right) = subplots(1, 3, width=PAGE, height=2.6)
    for shift, name, style, text in ((0.97, "completeness", CEMP, "completeness"),
                                     (1.03, "purity", OTHER, "purity")):
        _fraction_bars(left, data["snr"] * shift, data[name], **style, label=text,
                       linestyle="-" if name == "completeness" else "--", linewidth=0.8)
    left.set(xscale="log", xlabel="S/N (g)", ylabel="fraction of stars", ylim=(0, 1.04), xlim=SNR,
             title=str(data["note"]))
    left.set_xticks([10, 30, 100], ["10", "30", "100"])
    for name, colour, text in (("curve", COLOURS[0], "truth, search"),
                               ("held", COLOURS[1], "labels, held out")):
        middle.plot(data["threshold"], data[f"{name}_completeness"], color=colour, label=text)
        middle.plot(data["threshold"], data[f"{name}_purity"], "--", color=colour)
    middle.axvline(data["chosen"], color="k", linestyle=":", linewidth=0.8)
    middle.set(xlabel="P(CEMP) above", xlim=(0, 1), ylim=(0, 1.04),
               title="completeness (solid), purity (dashed)")
    right.plot(data["prevalence"], data["scaled"], color=COLOURS[0], label="measured rates")
    right.plot(data["prevalence"], data["scaled_low"], "--", color=COLOURS[5],
               label="95% lower bound")
    right.axvline(data["own_prevalence"], color="k", linestyle=":", linewidth=0.8)
    right.text(data["own_prevalence"] * 0.93, 0.03, "this mock", rotation=90, ha="right",
               va="bottom", fontsize=7)
    right.set(xscale="log", xlabel="share of CEMP stars searched", ylabel="purity",
              ylim=(0, 1.04), title="the same rates elsewhere")
    for ax, place in ((left, "lower right"), (middle, "lower left"), (right, "upper left")):
        ax.legend(loc=place, **BOX)
    return fig


@figure("05_reliability")
def draw_reliability(data):
    """Draw the share of true CEMP stars against the stated probability.

    Parameters
    ----------
    data : dict of str to ndarray
        For ``truth`` and ``held``: X_stated, X_value, X_low, X_high, X_trials; note. Bins of
        fewer than `FEWEST` stars are counted below and not drawn above.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, (ax, counts) = subplots(2, 1, height=3.9, sharex=True,
                                 gridspec_kw={"height_ratios": [3, 1]})
    ax.plot([0, 1], [0, 1], "k:", linewidth=0.8, label="as stated")
    for name, style, text in (("truth", OTHER, "search stars, truth"),
                              ("held", CEMP, "held-out stars, labels")):
        x, enough = data[f"{name}_stated"], data[f"{name}_trials"] >= FEWEST
        table = [data[f"{name}_{k}"][enough] for k in ("value", "low", "high")]
        _fraction_bars(ax, x[enough], table, **style, label=text, linewidth=0.8,
                       linestyle="-" if name == "truth" else "--")
        counts.plot(x, data[f"{name}_trials"], **style, markersize=4, linewidth=0.8,
                    linestyle="-" if name == "truth" else "--")
    ax.set(ylabel="share of CEMP stars", ylim=(-0.03, 1.04), title=str(data["note"]))
    ax.legend(loc="upper left")
    counts.set(xlabel="stated P(CEMP)", ylabel="stars", yscale="log", xlim=(-0.03, 1.03))
    return fig


def _gband_rates(right, data):
    """Draw how often the excess confirms, and on a twin axis the excess to expect."""
    _fraction_bars(right, data["bins"] * 0.97, data["found"], **CEMP, label="CEMP confirmed",
                   linestyle="-", linewidth=0.8)
    _fraction_bars(right, data["bins"] * 1.03, data["alarm"], **OTHER, label="others confirmed",
                   linestyle="--", linewidth=0.8)
    right.set(ylim=(-0.03, 1.55), ylabel="fraction with an excess above the line")
    right.set_yticks(np.arange(0, 1.1, 0.2))
    twin = right.twinx()
    twin.plot(data["bins"], data["power"], color="0.35", linestyle="-.",
              label="expected at [C/Fe] = 1 (right axis)")
    twin.axhline(data["n_sigma"], color="k", linestyle="--", linewidth=0.8)
    top = np.nanmax(data["power"]) if np.isfinite(data["power"]).any() else 1.0
    twin.set(ylabel="median expected excess [error]", ylim=(0, 1.5 * max(top, 4.0)))
    lines = [part for ax in (right, twin) for part in zip(*ax.get_legend_handles_labels(),
                                                         strict=True)]
    twin.legend(*zip(*lines, strict=True), loc="upper left", **BOX)


@figure("05_gband")
def draw_gband(data):
    """Draw the G-band excess against S/N and the S/N from which it can confirm.

    Parameters
    ----------
    data : dict of str to ndarray
        snr, excess, kind (1 CEMP, 0 other, of truth or, without one, of the selection); bins,
        power, found, alarm (n bins or (3, n bins)); threshold, n_sigma; note, kind_note.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, (left, right) = subplots(1, 2, width=PAGE, height=2.8)
    for value, style, text in ((0, OTHER, "other stars"), (1, CEMP, "CEMP")):
        rows = data["kind"] == value
        left.plot(data["snr"][rows], np.clip(data["excess"][rows], -8, 30), linestyle="none",
                  **style, markersize=2.2, alpha=0.6, label=f"{text} ({data['kind_note']})")
    left.axhline(data["n_sigma"], color="k", linestyle="--", linewidth=0.8)
    left.set(ylim=(-8, 38), ylabel="G-band excess over [C/Fe] = 0 [error]",
             title=str(data["note"]))
    _gband_rates(right, data)
    for ax in (left, right):
        if np.isfinite(data["threshold"]):
            ax.axvline(data["threshold"], color="k", linestyle=":", linewidth=0.8)
        ax.set(xscale="log", xlabel="S/N (g)", xlim=SNR)
        ax.set_xticks([10, 30, 100], ["10", "30", "100"])
    left.legend(loc="upper left", **BOX)
    return fig


@figure("05_spectra")
def draw_spectra(data):
    """Draw the best candidates: the G band and the whole spectrum.

    Parameters
    ----------
    data : dict of str to ndarray
        wave, flux (n_star, n_wave), NaN at bad pixels; normal (n_star, n_wave), the spectrum
        expected at [C/Fe] = 0, NaN if none; text (n_star,); bands (n_band, 2) and band_name;
        note.

    Returns
    -------
    matplotlib.figure.Figure
    """
    n_star = len(data["flux"])
    fig, axes = subplots(n_star, 2, width=PAGE, height=0.7 + 1.2 * n_star, squeeze=False,
                         gridspec_kw={"width_ratios": [1, 1.7]}, sharex="col", sharey=True)
    for row, flux, normal, text in zip(axes, data["flux"], data["normal"], data["text"],
                                       strict=True):
        row[0].set_title(str(text), loc="left", fontsize=7, pad=3)
        for ax, limits in zip(row, ((4180, 4460), (3850, 5700)), strict=True):
            inside = (data["wave"] >= limits[0]) & (data["wave"] <= limits[1])
            ax.plot(data["wave"][inside], flux[inside], color="k", linewidth=0.6)
            ax.plot(data["wave"][inside], normal[inside], color=COLOURS[5], linewidth=0.7,
                    linestyle="--")
            for low, high in data["bands"]:
                ax.add_patch(Rectangle((low, -1), high - low, 4, color="0.9", zorder=0))
            ax.set(xlim=limits, ylim=(0, 1.3))
    for (low, high), name in zip(data["bands"], data["band_name"], strict=True):
        ax = axes[0, 0] if high < 4460 else axes[0, 1]
        ax.text(0.5 * (low + high), 0.06, str(name), ha="center", fontsize=7)
    fig.supylabel("normalised flux", fontsize=8)
    fig.supxlabel(r"rest wavelength in vacuum [$\mathrm{\AA}$]", fontsize=8)
    fig.suptitle(str(data["note"]), fontsize=8)
    return fig
