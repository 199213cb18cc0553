"""Figures of the crossmatch: separations, sources compared, the sample and the balanced draw."""

import numpy as np

from cemp.figures import figure
from cemp.plots.style import COLOURS, COLUMN, LABEL_TEXT, PAGE, subplots

#: Source -> how it is written, colour, line style and marker, so that grey print tells them apart.
LOOKS = {
    "apogee": ("APOGEE", COLOURS[0], "-", "."),
    "subaru": ("LAMOST-Subaru", COLOURS[5], "--", "^"),
    "saga": ("SAGA", COLOURS[2], ":", "s"),
    "jinabase": ("JINAbase", COLOURS[3], "-.", "D"),
}
#: Sources that a legend names only where they have a star.
FURTHER = ("jinabase",)


def _note(ax, data):
    """Say where the data come from, if they are not the survey's."""
    if str(data.get("origin", "")):
        ax.set_title(str(data["origin"]), loc="right", fontsize=7)


def _steps(ax, edges, values, source):
    name, colour, style, _ = LOOKS[source]
    counts = np.histogram(np.maximum(values, edges[0]), edges)[0]
    ax.stairs(
        np.maximum(counts, 1e-3), edges, color=colour, ls=style, lw=1.4,
        label=f"{name} ({len(values):,d})",
    )  # fmt: skip


@figure("01_separation")
def draw_separation(data):
    """Draw separations of matched stars by source, and the level of chance.

    Parameters
    ----------
    data : dict of str to ndarray
        sep_arcsec (n,), source (n,) str, radius_arcsec, chance (expected chance matches within
        the radius), chance_found (whether any were), origin (text for the title).

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, ax = subplots(width=COLUMN, height=2.7)
    edges = np.logspace(-2, 1.8, 39)
    for source in LOOKS:
        mine = data["source"] == source
        if mine.any():
            _steps(ax, edges, data["sep_arcsec"][mine], source)
    radius = float(data["radius_arcsec"])
    inside = edges[edges <= radius * 1.01]
    level = float(data["chance"]) * np.diff(inside**2) / radius**2
    text = "chance" if bool(data["chance_found"]) else "chance (upper bound)"
    ax.plot(np.sqrt(inside[:-1] * inside[1:]), level, color="0.45", ls="-.", label=text)
    ax.axvline(radius, color="k", lw=0.6)
    ax.text(radius * 1.08, 0.97, f"{radius:g}$''$", transform=ax.get_xaxis_transform(), va="top")
    ax.set(xscale="log", yscale="log", xlim=(0.01, 60), ylim=(3e-3, None))
    ax.set(xlabel="Separation at the common epoch [arcsec]", ylabel="Stars per bin")
    ax.set_ylim(top=ax.get_ylim()[1] * 30)
    ax.legend(loc="upper left", fontsize=6.5)
    _note(ax, data)
    return fig


@figure("01_overlaps")
def draw_overlaps(data):
    """Draw differences of label sources on the stars they share.

    Parameters
    ----------
    data : dict of str to ndarray
        For each label: ``<label>_value`` (reference value), ``<label>_difference`` and
        ``<label>_pair``; ``pairs`` (k,) names like ``"saga - subaru"``; ``<label>_offset`` and
        ``<label>_e_offset`` (k,); origin.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(2, 2, width=PAGE, height=4.4)
    for ax, label in zip(axes.flat, ("teff", "logg", "fe_h", "c_h"), strict=True):
        for k, pair in enumerate(data["pairs"]):
            colour, marker = COLOURS[(0, 5, 2)[k % 3]], "o^s"[k % 3]
            mine = data[f"{label}_pair"] == pair
            offset, error = data[f"{label}_offset"][k], data[f"{label}_e_offset"][k]
            ax.plot(
                data[f"{label}_value"][mine], data[f"{label}_difference"][mine], marker, ms=3,
                mfc="none" if k else colour, mec=colour, mew=0.7, label=_pair_text(pair),
            )  # fmt: skip
            if np.isfinite(offset):
                ax.axhline(offset, color=colour, ls=("-", "--", ":")[k % 3])
                ax.axhspan(offset - error, offset + error, color=colour, alpha=0.15, lw=0)
        ax.axhline(0, color="0.6", lw=0.5, zorder=0)
        text, unit = LABEL_TEXT[label].rsplit(" [", 1)
        ax.set(xlabel=f"{text} of the second source [{unit}", ylabel=f"First $-$ second [{unit}")
        ax.set_title(text, loc="left")
    if len(data["pairs"]):
        axes[0, 0].legend(loc="best")
    _note(axes[0, 1], data)
    return fig


def _pair_text(pair):
    """Name a pair of sources: first minus second."""
    first, second = str(pair).split(" - ")
    return f"{LOOKS[first][0]} $-$ {LOOKS[second][0]}"


@figure("01_sample")
def draw_sample(data):
    """Draw the labelled sample in the plane of [C/Fe] and [Fe/H], upper limits as arrows.

    Parameters
    ----------
    data : dict of str to ndarray
        fe_h, c_fe (n,) [dex], limit (n,) bool, source (n,) str, origin.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, ax = subplots(width=COLUMN, height=3.0)
    left, top = -4.6, 3.6
    ax.fill_between([left, -2.0], 0.7, top, color="0.9", lw=0, zorder=0)
    ax.plot([left, -2.0, -2.0], [0.7, 0.7, top], "k-", lw=0.7)
    ax.text(left + 0.1, top - 0.1, "CEMP (Table 1)", va="top")
    for source, (name, colour, _, marker) in LOOKS.items():
        mine = (data["source"] == source) & np.isfinite(data["c_fe"])
        if source in FURTHER and not mine.any():
            continue
        real, bound = mine & ~data["limit"], mine & data["limit"]
        ax.plot(
            data["fe_h"][real], data["c_fe"][real], marker, color=colour, mew=0.5,
            ms=2 if source == "apogee" else 3, mfc=colour if source == "apogee" else "none",
            label=f"{name} ({real.sum():,d})", rasterized=True,
        )  # fmt: skip
        if bound.any():
            where = data["fe_h"][bound], data["c_fe"][bound]
            ax.quiver(
                *where, np.zeros(bound.sum()), -np.ones(bound.sum()), color=colour, scale=28,
                width=0.004, headwidth=4, headlength=4,
            )  # fmt: skip
    arrows = int(data["limit"].sum())
    ax.plot([], [], color="0.3", marker=r"$\downarrow$", ls="", label=f"upper limit ({arrows:,d})")
    ax.set(xlim=(left, 0.7), ylim=(-1.6, top))
    ax.set(xlabel=LABEL_TEXT["fe_h"], ylabel=LABEL_TEXT["c_fe"])
    ax.legend(loc="upper right", fontsize=6, handletextpad=0.2)
    _note(ax, data)
    return fig


@figure("01_draw")
def draw_draw(data):
    """Draw the occupancy of [Fe/H] bins before and after the balanced draw.

    Parameters
    ----------
    data : dict of str to ndarray
        edge (k,) lower edges [dex], width, bright, drawn, different (k,) counts, snrg_min,
        origin.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, ax = subplots(width=COLUMN, height=2.5)
    width = float(data["width"])
    centre = data["edge"] + width / 2
    ax.bar(centre, data["bright"], width, color="0.85", ec="0.55", lw=0.5,
           label=f"S/N($g$) $\\geq$ {float(data['snrg_min']):g}, training fold")  # fmt: skip
    target = float(np.max(data["drawn"], initial=0))
    ax.axhline(target, color=COLOURS[0], ls="--", label=f"drawn from each bin ({target:.0f})")
    ax.plot(
        centre, data["different"], "o", color=COLOURS[5], ms=3.5, label="different spectra drawn"
    )
    scale = "log" if target else "linear"  # an empty sample has no logarithm
    ax.set(yscale=scale, ylim=(0.7, None), xlabel=LABEL_TEXT["fe_h"], ylabel="Spectra per bin")
    ax.set_ylim(top=ax.get_ylim()[1] * 2)
    ax.legend(loc="upper left", fontsize=6.5)
    _note(ax, data)
    return fig
