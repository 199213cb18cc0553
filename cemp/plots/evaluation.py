"""Figures of 04_evaluation: the giant, one to one, residuals."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from cemp.figures import figure
from cemp.plots.style import COLOURS, LABEL_TEXT, PAGE, error_ellipse, subplots

#: Marker, colour and fill of each method: they differ in grey too.
METHOD_STYLE = {"MACRN": ("o", COLOURS[0]), "The Cannon": ("s", COLOURS[1])}


def mark_bands(ax, data, level):
    """Shade carbon bands and name them at height `level` of the axes; returns `ax`."""
    for low, high, name in zip(
        data["band_low"], data["band_high"], data["band_name"], strict=True
    ):
        wide = high - low > 150  # a region around narrower bands: lighter, and below them
        ax.axvspan(low, high, color="0.95" if wide else "0.88", lw=0, zorder=0 if wide else 1)
        left, right = ax.get_xlim()
        if left < low and high < right:
            # a band at the edge is named inside the frame
            ax.text(max((low + high) / 2, left + 0.015 * (right - left)), level, str(name),
                    transform=ax.get_xaxis_transform(), ha="center", va="bottom", fontsize=6.5)
    return ax


def draw_pair(ax, data, low, high):
    """Draw the giant and its carbon-normal twin between two wavelengths; returns `ax`."""
    shown = (data["wave"] >= low) & (data["wave"] <= high)
    ax.set_xlim(low, high)
    ax.plot(data["wave"][shown], data["twin"][shown], color=COLOURS[1], lw=0.8, ls="--",
            label="star of similar labels, normal carbon")
    ax.plot(data["wave"][shown], data["flux"][shown], color=COLOURS[0], lw=0.9,
            label="carbon-enhanced giant")
    ax.set_xlabel("rest wavelength in vacuum [Å]")
    ax.set_ylabel("normalised flux")
    return ax


def draw_plane(ax, data):
    """Draw all predictions, Table 1's corner and the giant's error ellipse; returns `ax`."""
    ax.plot(data["fe_h"], data["c_fe"], ".", ms=1.5, color="0.65", mew=0, rasterized=True)
    ax.add_patch(Rectangle((-9, 0.7), 7, 9, fc="none", ec="k", ls=":", lw=1.0))
    for n_sigma in (1, 2):
        ax.add_patch(error_ellipse(data["centre"], data["covariance"], n_sigma, fc="none",
                                   ec=COLOURS[0], lw=1.2))
    ax.plot(*data["centre"], "o", ms=4, color=COLOURS[0], label="MACRN, 1 and 2 sigma")
    ax.plot(*data["known"], "x", ms=6, mew=1.5, color=COLOURS[5], label=str(data["known_name"]))
    ax.set(xlim=(-4.2, 0.6), ylim=(-1, 3.6), xlabel="[Fe/H] [dex]", ylabel="[C/Fe] [dex]")
    ax.text(-4.1, 0.75, "CEMP, Table 1", fontsize=6.5, va="bottom")
    ax.legend(loc="upper right", fontsize=6.5, handletextpad=0.3)
    return ax


@figure("04_cemp_giant")
def draw_cemp_giant(data):
    """Draw a CEMP giant: its spectrum, its G band, its place in the plane.

    Parameters
    ----------
    data : dict of ndarray
        wave, flux, twin (n,); band_low, band_high, band_name; fe_h, c_fe of all predictions;
        centre, known (2,); covariance (2, 2); title, text, known_name (str).

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = plt.figure(figsize=(PAGE, 4.6))
    grid = fig.add_gridspec(2, 2, height_ratios=(1, 1.25))
    top, left, right = (fig.add_subplot(part) for part in (grid[0, :], grid[1, 0], grid[1, 1]))
    draw_pair(top, data, 3830, 6700)
    top.set_ylim(0, 1.35)
    mark_bands(top, data, 0.88)
    top.set_title(str(data["title"]))
    top.legend(loc="lower right", ncols=2)
    draw_pair(left, data, 4200, 4400)
    left.set_ylim(0, 1.35)
    mark_bands(left, data, 0.9)
    left.text(0.03, 0.04, str(data["text"]), transform=left.transAxes, fontsize=6.5)
    draw_plane(right, data)
    return fig


def draw_identity(ax, x, y, special, groups):
    """Draw predicted against reference labels of two groups, and equality; returns `ax`."""
    for inside, marker, colour, text in (
        (~special, ".", "0.55", groups[0]),
        (special, "^", COLOURS[0], groups[1]),
    ):
        ax.plot(x[inside], y[inside], marker, ms=2.2, mew=0, color=colour, alpha=0.7, label=text,
                rasterized=True)
    both = np.concatenate([x, y])
    both = both[np.isfinite(both)]
    ends = (both.min(), both.max()) if both.size else (0, 1)
    ax.plot(ends, ends, "k-", lw=0.6)
    return ax


@figure("04_one_to_one")
def draw_one_to_one(data):
    """Draw MACRN's labels against catalogues (top) and against the mock's truth (bottom).

    Parameters
    ----------
    data : dict of ndarray
        For each label: ref_<label>, ref_p_<label>, true_<label>, true_p_<label>; ref_group and
        true_group, 1 for stars beyond APOGEE's reach or CEMP stars; title (str). Without truth
        (no rows) there is no lower line.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = ("teff", "logg", "fe_h", "c_h")
    rows = [("ref", "catalogue", ("APOGEE", "Subaru, SAGA"))]
    if data["true_teff"].size:
        rows.append(("true", "mock truth", ("other", "CEMP")))
    fig, axes = subplots(len(rows), 4, width=PAGE, height=1.95 * len(rows), squeeze=False)
    for line, (prefix, reference, groups) in zip(axes, rows, strict=True):
        for ax, name in zip(line, names, strict=True):
            x, y = data[f"{prefix}_{name}"], data[f"{prefix}_p_{name}"]
            draw_identity(ax, x, y, data[f"{prefix}_group"] == 1, groups)
            quantity, unit = LABEL_TEXT[name].rsplit(" ", 1)
            ax.set_xlabel(f"{quantity}, {reference} {unit}", fontsize=7)
        line[0].set_ylabel("MACRN")
        line[0].legend(loc="upper left", handletextpad=0.1, markerscale=2)
    fig.suptitle(str(data["title"]), fontsize=8)
    return fig


def draw_bins(ax, data, name, by):
    """Draw bias (open) and robust scatter (filled) of a label in bins; returns `ax`."""
    for shift, (method, (marker, colour)) in zip((-0.12, 0.12), METHOD_STYLE.items(), strict=True):
        key = f"{by}_{name}_{method.split()[-1].lower()}"
        for statistic, face in (("scatter", colour), ("bias", "white")):
            value, low, high = data[f"{key}_{statistic}"]
            place = np.arange(value.size) + shift
            ax.errorbar(place, value, [value - low, high - value], fmt=marker, ms=3.5,
                        color=colour, mfc=face, lw=0.8, label=f"{method}, {statistic}")
    ax.axhline(0, color="k", lw=0.5)
    bins = data[f"{by}_bins"]
    low, high = ax.get_ylim()
    ax.set(xlim=(-0.5, bins.size - 0.5), ylim=(low - 0.14 * (high - low), high))
    # texts with signs are too long for one line, and two would touch their neighbours
    texts = [str(b).replace(" to ", "\nto\n").replace("-", "\N{MINUS SIGN}") for b in bins]
    ax.set_xticks(np.arange(bins.size), texts, fontsize=6)
    ax.tick_params(axis="x", length=0)
    for place, n in enumerate(data[f"{by}_{name}_n"]):
        ax.text(place, 0.03, f"{n:d}", transform=ax.get_xaxis_transform(), ha="center",
                fontsize=5.5, color="0.3")
    return ax


@figure("04_residuals")
def draw_residuals(data):
    """Draw bias and scatter of both methods by S/N (top) and [Fe/H] (bottom).

    Parameters
    ----------
    data : dict of ndarray
        snr_bins, feh_bins (tick texts), ``<by>_<label>_n`` (n_bin,); for each label, method and
        statistic ``<by>_<label>_<method>_<statistic>``, shape (3, n_bin): value, low, high;
        reference, title (str).

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = ("teff", "logg", "fe_h", "c_h")
    fig, axes = subplots(2, 4, width=PAGE, height=4.6)
    texts = ("S/N (g)", f"[Fe/H], {data['reference']} [dex]")
    for line, by, text in zip(axes, ("snr", "feh"), texts, strict=True):
        for ax, name in zip(line, names, strict=True):
            draw_bins(ax, data, name, by)
            ax.set_xlabel(text)
            ax.set_title(LABEL_TEXT[name])
        line[0].set_ylabel("bias, robust scatter")
    handles, texts = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, texts, loc="outside lower center", ncols=4)
    fig.suptitle(str(data["title"]), fontsize=8)
    return fig
