"""The inspection page of a candidate: a sheet of landscape A4, the same on screen and in print."""

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from cemp.plots.style import COLOURS, LABEL_TEXT, STYLE, error_ellipse

#: Size [inch]: landscape A4 less its margins.
SIZE = (10.6, 7.2)
#: Close-ups: name, limits in vacuum [Angstrom].
WINDOWS = (("Ca II H & K", (3890.0, 4015.0)), ("CH G band", (4215.0, 4455.0)),
           (r"C$_2$ Swan 4737", (4600.0, 4800.0)), (r"C$_2$ Swan 5165, Mg b", (5030.0, 5235.0)))
OBSERVED = {"color": "k", "linewidth": 0.6}
FITTED = {"color": COLOURS[0], "linewidth": 1.1}
NORMAL = {"color": COLOURS[5], "linewidth": 1.1, "linestyle": (0, (4, 1.5))}
TRAINING = {"color": COLOURS[2], "linewidth": 0.7}
#: Least range of flux in a close-up: weak bands of warm stars are to be seen.
RANGE = 0.15
CAPTION = (
    "Grey about the line: ±1σ; shaded: the bands that are measured.\n"
    "The models have this star's Teff, log g and [Fe/H], [α/Fe] = 0.4 and\n"
    "R = 1800, and their continuum was taken out in the same way.\n"
    "Dots: all candidates; dashed: the CEMP corner of Table 1."
)
#: Labels as they are written in running text.
NAMES = {"teff": "Teff", "logg": "log g", "fe_h": "[Fe/H]", "c_h": "[C/H]", "c_fe": "[C/Fe]"}
#: Names of flags on the page.
FLAG_TEXT = {
    "cemp": "CEMP", "emp": "EMP", "vmp": "VMP", "unclassified_mp": "unclassified MP",
    "bc05_mp": "MP*", "bc05_vmp": "VMP*", "bc05_emp": "EMP*", "bc05_ump": "UMP*",
    "bc05_cemp": "CEMP*", "aoki07_cemp": "CEMP (Aoki+ 07)", "missing": "LABEL MISSING",
}


def binned(values, weight, size):
    """Average neighbouring pixels.

    Parameters
    ----------
    values, weight : ndarray, shape (n,)
        Values, and weights of 0 where a value does not count.
    size : int
        Pixels in a bin; the last, incomplete bin is left out.

    Returns
    -------
    ndarray, shape (n // size,)
        NaN where nothing counts.
    """
    n = len(values) // size * size
    weight = weight[:n].reshape(-1, size)
    total = weight.sum(axis=1)
    summed = (np.where(weight > 0, values[:n].reshape(-1, size), 0.0) * weight).sum(axis=1)
    return np.divide(summed, total, out=np.full(len(total), np.nan), where=total > 0)


def _weights(page):
    sigma = page["sigma"]
    known = np.isfinite(page["flux"]) & np.isfinite(sigma) & (sigma > 0)
    return np.where(known, 1 / np.where(known, sigma, 1.0) ** 2, 0.0)


def _shade(ax, page):
    for low, high in page["marks"]:
        ax.axvspan(low, high, color="0.92", zorder=0, linewidth=0)


def _draw_full(ax, page):
    """Draw the whole spectrum, averaged over 2 Angstrom (below a resolution element)."""
    weight, size = _weights(page), 2
    wave = binned(page["wave"], np.ones_like(page["wave"]), size)
    _shade(ax, page)
    ax.plot(wave, binned(page["flux"], weight, size), **OBSERVED, label="observed")
    ax.plot(page["wave"], page["fitted"], **FITTED | {"linewidth": 0.7},
            label=f"model at {'the edge' if 'c_fe' in page['held'] else 'the fitted'} "
            f"[C/Fe] = {page['c_fe']:+.2f}")
    ax.plot(page["wave"], page["normal"], **NORMAL | {"linewidth": 0.7},
            label="model at [C/Fe] = 0")
    if page["train"] is not None:
        ax.plot([], [], **TRAINING, label="nearest training star (close-ups, moved up)")
    for name, place in (("CaK", 3934.8), (r"H$\delta$", 4102.9), (r"H$\gamma$", 4341.7),
                        (r"H$\beta$", 4862.7), ("Mg b", 5176), ("Na D", 5894),
                        (r"H$\alpha$", 6564.6), ("Ca II", 8544.4)):
        ax.text(place, 1.265, name, ha="center", va="top", fontsize=6.5, color="0.35")
    ax.set(xlim=(3790, 8810), ylim=(0, 1.28), ylabel="normalised flux")
    ax.tick_params(labelbottom=False)
    ax.legend(loc="lower right", ncols=4, fontsize=7, frameon=True, framealpha=0.85,
              edgecolor="none", borderpad=0.2)


def _draw_residual(ax, page):
    """Draw observed minus model in percent of the continuum, averaged over 10 Angstrom."""
    weight, size = _weights(page), 10
    wave = binned(page["wave"], np.ones_like(page["wave"]), size)
    shown = []
    for model, style in (("normal", NORMAL), ("fitted", FITTED)):
        shown.append(100 * binned(page["flux"] - page[model], weight, size))
        ax.plot(wave, shown[-1], **style | {"linewidth": 0.8})
    known = np.abs(shown)[np.isfinite(shown)]
    limit = float(np.clip(np.percentile(known, 99.5), 6, 40)) if known.size else 6.0
    _shade(ax, page)
    ax.axhline(0, color="0.5", linewidth=0.5)
    ax.set(xlim=(3790, 8810), ylim=(-1.2 * limit, 1.2 * limit), ylabel="obs. $-$\nmodel [%]",
           xlabel=r"rest wavelength in vacuum [$\mathrm{\AA}$]")
    ax.yaxis.set_major_locator(mpl.ticker.MaxNLocator(3, symmetric=True, prune="both"))


def _draw_close_up(ax, page, name, limits):
    inside = (page["wave"] >= limits[0]) & (page["wave"] <= limits[1])
    wave = page["wave"][inside]
    shown = np.concatenate([page[key][inside] for key in ("flux", "fitted", "normal")])
    low, high = np.nanpercentile(shown, (0.3, 99.7))
    span = max(high - low, RANGE)
    _shade(ax, page)
    ax.fill_between(wave, (page["flux"] - page["sigma"])[inside],
                    (page["flux"] + page["sigma"])[inside], color="0.72", linewidth=0, zorder=1)
    ax.plot(wave, page["train_flux"][inside] + 0.75 * span, **TRAINING)
    ax.plot(wave, page["normal"][inside], **NORMAL)
    ax.plot(wave, page["fitted"][inside], **FITTED)
    ax.plot(wave, page["flux"][inside], **OBSERVED | {"linewidth": 0.8})
    ax.set(xlim=limits, ylim=(high - 1.12 * span, high + 0.9 * span))
    if not np.isfinite(page["flux"][inside]).any():
        ax.text(0.5, 0.08, "no good pixel", transform=ax.transAxes, ha="center", fontsize=8)
    ax.set_title(name, fontsize=8, pad=3)
    ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(4, prune="both"))


def ellipse(centre, covariance, level, **style):
    """Make the error ellipse that holds a share of a two-dimensional Gaussian.

    Parameters
    ----------
    centre : tuple of float
    covariance : ndarray, shape (2, 2)
    level : float
        Share, 0 to 1; the half axes are sqrt(-2 ln(1 - level)) standard deviations long.
    **style
        Passed to the patch.

    Returns
    -------
    matplotlib.patches.Ellipse
    """
    return error_ellipse(centre, covariance, np.sqrt(-2 * np.log(1 - level)), **style)


def _draw_plane(ax, page):
    star, train = page["star"], page["train"]
    ax.plot(*page["plane"].to_numpy().T, ".", color="0.7", markersize=1.5, zorder=1)
    ax.plot([-2, -2], [0.7, 9], "k--", linewidth=0.8)
    ax.plot([-9, -2], [0.7, 0.7], "k--", linewidth=0.8)
    for limit in (-3.0, -2.5, -1.5):
        ax.axvline(limit, color="0.6", linestyle=":", linewidth=0.7)
    centre = (star["fe_h"], star["c_fe"])
    for level, alpha in ((0.95, 0.15), (0.68, 0.3)):
        ax.add_patch(ellipse(centre, page["covariance"], level, facecolor=COLOURS[0],
                             alpha=alpha, linewidth=0, zorder=2))
    ax.plot(*centre, "o", color=COLOURS[0], markersize=5, markeredgecolor="w", zorder=4)
    if train is not None:
        ax.plot(train["fe_h"], train["c_h"] - train["fe_h"], "s", color=COLOURS[2], markersize=5,
                markeredgecolor="w", zorder=3)
    ax.set(xlim=(-4.6, -0.4), ylim=(-1.0, 4.3), xlabel=LABEL_TEXT["fe_h"],
           ylabel=LABEL_TEXT["c_fe"])
    ax.set_title("Table 1 plane: 68% and 95% ellipses", fontsize=8, pad=3)
    for x, name in ((-3.5, "EMP"), (-2.0, "VMP")):
        ax.text(x, -0.85, name, ha="center", fontsize=6.5, color="0.35",
                bbox={"facecolor": "w", "edgecolor": "none", "pad": 0.8})
    ax.text(-4.5, 0.78, "CEMP", fontsize=6.5, color="0.35")


def label_text(page):
    """Write a candidate's labels beside those of its nearest training star.

    Parameters
    ----------
    page : dict
        From `cemp.inspect.pages.Pages.page`.

    Returns
    -------
    list of tuple of str
        Rows of name, value with error, training star's value.
    """
    star, train = page["star"], page["train"]
    rows = []
    for name, text in NAMES.items():
        shape = {"teff": ".0f", "logg": ".2f"}.get(name, "+.2f")
        theirs = ""
        if train is not None:
            value = train["c_h"] - train["fe_h"] if name == "c_fe" else train[name]
            theirs = format(value, shape)
        error = format(star[f"e_{name}"], shape.lstrip("+"))
        own = f"{format(star[name], shape)} ± {error}"
        rows.append((text, own.replace("-", "−"), theirs.replace("-", "−")))
    return rows


def _draw_labels(ax, page):
    ax.axis("off")
    ax.set(xlim=(0, 1), ylim=(0, 1))
    columns = ((0.0, "left"), (0.62, "right"), (1.0, "right"))
    train = page["train"]
    rows = [("", "this star", "" if train is None else "training"), *label_text(page)]
    for i, row in enumerate(rows):
        for (x, side), cell in zip(columns, row, strict=True):
            ax.text(x, 1 - 0.125 * i, cell, ha=side, va="top", fontsize=8,
                    color="0.35" if i == 0 else "k")
    far = "" if train is None else (
        f"training star {int(train['obsid'])}: {train['distance']:.1f} σ away"
        f"{'  (far)' if train['distance'] > 2 else ''}")
    held = ", ".join(NAMES[name] for name in page["held"])
    lines = [far, f"model held at the grid's edge in {held}" if held else ""]
    for i, line in enumerate(lines):
        ax.text(0, 0.22 - 0.125 * i, line, va="top", fontsize=7.5)


def _draw_flags(ax, page):
    star = page["star"]
    named = [FLAG_TEXT[name] for name in page["flags"]]
    band, excess = "not measured", ""
    if np.isfinite(star["gband"]):
        band = f"{star['gband']:.2f} ± {star['e_gband']:.2f} Å"
        excess = f"excess {star['gband_excess']:.1f} σ, "
    lines = [
        f"P(CEMP) = {star['p_cemp']:.2f}    P(EMP) = {star['p_emp']:.2f}"
        f"    P(VMP) = {star['p_vmp']:.2f}",
        f"G band {band}; {star['gband_normal']:.2f} Å at [C/Fe] = 0",
        f"G-band check: {excess}{star['gband_grade']}",
        "flags: " + (", ".join(n for n in named if "*" not in n) or "none"),
        "Beers & Christlieb: " + (", ".join(n.strip("*") for n in named if "*" in n) or "none"),
    ]
    ax.axis("off")
    ax.set(xlim=(0, 1), ylim=(0, 1))
    for i, line in enumerate(lines):
        ax.text(0, 1 - 0.135 * i, line, va="top", fontsize=8)
    ax.text(0, -0.2, CAPTION, va="bottom", fontsize=6.5, color="0.35", linespacing=1.35)


def _draw_head(fig, page, verdict):
    star = page["star"]
    fig.text(0.06, 0.972, str(star["designation"]), fontsize=12, weight="bold", va="top")
    bright = f"    g = {star['gmag']:.2f} mag" if np.isfinite(star["gmag"]) else ""
    fig.text(0.06, 0.937, (
        f"obsid {int(star['obsid'])}    S/N(g) {star['snrg']:.0f}{bright}"
        f"    RA {star['ra']:.5f}°  Dec {star['dec']:+.5f}°    {int(star['n_obs'])} "
        f"{'spectrum' if star['n_obs'] == 1 else 'spectra'}"), fontsize=8.5, va="top")
    mock = page["origin"].startswith("MOCK")
    fig.text(0.985, 0.972, page["origin"], fontsize=9, weight="bold", va="top", ha="right",
             color=COLOURS[5] if mock else "k")
    right = page["place"] + (f"    ·    {verdict}" if verdict else "")
    fig.text(0.985, 0.937, right, fontsize=8.5, va="top", ha="right")


def draw_page(page, verdict=""):
    """Draw the page of a candidate.

    Parameters
    ----------
    page : dict
        From `cemp.inspect.pages.Pages.page`.
    verdict : str
        What was decided, printed at the top; empty on screen, where the widget says it.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot: nothing has to be closed.
    """
    with mpl.rc_context({**STYLE, "figure.constrained_layout.use": False}):
        fig = Figure(figsize=SIZE)
        _draw_head(fig, page, verdict)
        sides = {"left": 0.06, "right": 0.985}
        rows = fig.add_gridspec(2, 1, **sides, top=0.905, bottom=0.605, height_ratios=(3.2, 1),
                                hspace=0.05).subplots()
        _draw_full(rows[0], page)
        _draw_residual(rows[1], page)
        axes = fig.add_gridspec(1, 4, **sides, top=0.53, bottom=0.31, wspace=0.14).subplots()
        for ax, (name, limits) in zip(axes, WINDOWS, strict=True):
            _draw_close_up(ax, page, name, limits)
        axes[0].set_ylabel("normalised flux")
        low = fig.add_gridspec(1, 3, **sides, top=0.25, bottom=0.065, wspace=0.12,
                               width_ratios=(1.1, 0.9, 1.1)).subplots()
        _draw_plane(low[0], page)
        _draw_labels(low[1], page)
        _draw_flags(low[2], page)
    return fig
