"""Figures of template matching: one star with its posterior, and errors on either physics."""

import numpy as np

from cemp.figures import figure
from cemp.plots.style import COLOURS, LABEL_TEXT, PAGE, subplots

#: Rest-frame vacuum bands of carbon that are shaded [Angstrom].
CARBON = ((4281, 4318, "CH"), (4680, 4741, "C$_2$"), (5086, 5167, "C$_2$"))
#: Rise of chi-square that holds 68% and 95% of two Gaussian parameters, and how it goes on.
LEVELS = (2.30, 6.18, 25, 100, 400)


def draw_fit(top, bottom, data, low=3850, high=5700):
    """Draw spectrum with fitted template above, residuals below, between two wavelengths.

    Parameters
    ----------
    top, bottom : matplotlib.axes.Axes
    data : dict
        As of `draw_template`.
    low, high : float
        [Angstrom].

    Returns
    -------
    tuple of matplotlib.axes.Axes
    """
    shown = (data["wave"] > low) & (data["wave"] < high)
    wave = data["wave"][shown]
    # a gap of masked pixels is a gap in the line
    wave = np.where(np.diff(wave, append=wave[-1] + 1) > 5, np.nan, wave)
    for first, last, name in CARBON:
        for ax in (top, bottom):
            ax.axvspan(first, last, color="0.9", lw=0)
        top.text((first + last) / 2, 0.97, name, transform=top.get_xaxis_transform(), ha="center",
                 va="top", fontsize=6.5)
    top.plot(wave, data["flux"][shown], color=COLOURS[6], lw=0.6, label="observed (mock)")
    top.plot(wave, data["model"][shown], color=COLOURS[5], lw=0.8, ls="--", label="best template")
    top.set(xlim=(low, high), ylim=(None, 1.25), ylabel="flux / continuum", xticklabels=[])
    top.legend(loc="lower right", bbox_to_anchor=(1, 1), ncol=2, borderaxespad=0.1)
    bottom.plot(wave, data["residual"][shown], color=COLOURS[0], lw=0.5)
    bottom.set(xlim=(low, high), ylim=(-6, 6), ylabel=r"residual [$\sigma$]",
               xlabel="rest wavelength in vacuum [Å]")
    return top, bottom


def draw_surface(ax, data, k, names, columns):
    """Draw a chi-square surface, others held, and the samples, others free.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    data : dict
        As of `draw_template`.
    k : int
        Which surface.
    names : tuple of str
        Its two labels.
    columns : tuple of int
        Their columns in ``samples``.

    Returns
    -------
    matplotlib.axes.Axes
    """
    first, second = (data["samples"][:, column] for column in columns)
    ax.plot(first, second, ".", ms=2.2, mew=0, color="0.6", rasterized=True, label="emcee samples")
    ax.contour(data[f"first_{k}"], data[f"second_{k}"], data[f"surface_{k}"].T, levels=LEVELS,
               colors=COLOURS[0], linewidths=(1.2, 0.9, 0.5, 0.5, 0.5))
    ax.plot([], [], color=COLOURS[0], label=r"$\chi^2$, other labels held")
    centre, error = data["best"][list(columns)], data["error"][list(columns)]
    ax.errorbar(*centre[:, None], xerr=error[:1], yerr=error[1:], fmt="o", ms=3, color=COLOURS[5],
                label="fit with its errors")
    if "known" in data:
        ax.plot(*data["known"][list(columns)], "x", ms=7, mew=1.6, color="k", label="mock truth")
    ax.set(xlabel=LABEL_TEXT[names[0]], ylabel=LABEL_TEXT[names[1]])
    return ax


@figure("08_template")
def draw_template(data):
    """Draw one star: spectrum, template, residuals, and its labels' posterior.

    Parameters
    ----------
    data : dict of str to ndarray
        As of `cemp.methods.template.show.star_arrays`; optionally ``known`` (4,): true teff,
        logg, fe_h, c_fe.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(3, 2, width=PAGE, height=5.4,
                         gridspec_kw={"height_ratios": [1.0, 0.45, 1.5]})
    grid = axes[0, 0].get_gridspec()
    for ax in axes[:2].ravel():
        ax.remove()
    draw_fit(fig.add_subplot(grid[0, :]), fig.add_subplot(grid[1, :]), data)
    draw_surface(axes[2, 0], data, 0, ("fe_h", "c_fe"), (2, 3))
    draw_surface(axes[2, 1], data, 1, ("teff", "logg"), (0, 1))
    axes[2, 1].invert_yaxis()
    axes[2, 1].invert_xaxis()
    handles, texts = axes[2, 0].get_legend_handles_labels()
    fig.legend(handles, texts, loc="outside lower center", ncols=len(texts), handlelength=1.5)
    return fig


@figure("08_template_errors")
def draw_template_errors(data):
    """Draw residuals against S/N on matched and on mismatched physics.

    Parameters
    ----------
    data : dict of str to ndarray
        ``matched_snr`` (n,), ``matched`` (n, 4): found - true of stars of the library;
        ``mock_snr`` (m,), ``mock`` (m, 4): the same of the mock's spectra; title (str).

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(2, 2, width=PAGE, height=3.8, sharex=True)
    groups = (("mock", "mock: other half, other physics", COLOURS[1], 3),
              ("matched", "stars of the library", COLOURS[0], 4))
    for k, (name, ax) in enumerate(zip(("teff", "logg", "fe_h", "c_h"), axes.ravel(),
                                       strict=True)):
        for group, label, colour, size in groups:
            ax.plot(data[f"{group}_snr"], data[group][:, k], ".", ms=size, mew=0, color=colour,
                    label=label, rasterized=True)
        spread = np.nanpercentile(np.abs(data["mock"][:, k]), 95)
        ax.axhline(0, color="k", lw=0.5)
        ax.set(xscale="log", ylim=(-1.6 * spread, 1.6 * spread),
               ylabel=r"$\Delta$ " + LABEL_TEXT[name])
    for ax in axes[1]:
        ax.set_xlabel("S/N in g")
    handles, texts = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, texts, loc="outside lower center", ncols=2, markerscale=2)
    fig.suptitle(str(data.get("title", "mock survey")), fontsize=8)
    return fig
