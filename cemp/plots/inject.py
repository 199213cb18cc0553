"""Figures of 12_injection: carbon put into real spectra, and what the network finds."""

import numpy as np

from cemp.figures import figure
from cemp.plots.style import COLOURS, LABEL_TEXT, PAGE, subplots

#: Windows of the example [Angstrom]: the CH G band, and the Swan bands of C2.
WINDOWS = ((4180, 4430), (4640, 4780), (5060, 5200))
#: Classes of S/N(g): least, largest, marker.
CLASSES = ((5, 10, "x"), (10, 30, "s"), (30, np.inf, "o"))


@figure("12_example")
def draw_example(data):
    """Draw a star before and after the injection, by window.

    Parameters
    ----------
    data : dict of str to ndarray
        wave (n_pix,) [Angstrom]; flux (n, n_pix): normalised, untouched first, NaN where not
        good; c_fe (n,) [dex]; title (str).

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(1, 3, width=PAGE, height=2.7, sharey=True,
                         gridspec_kw={"width_ratios": (2, 1, 1)})  # fmt: skip
    styles = ("-", "--", ":")
    for ax, (low, high), name in zip(axes, WINDOWS, ("CH", "C$_2$", "C$_2$, Mg b"), strict=True):
        inside = (data["wave"] >= low) & (data["wave"] <= high)
        for k, (flux, c_fe) in enumerate(zip(data["flux"], data["c_fe"], strict=True)):
            text = f"[C/Fe] = {c_fe:+.1f}" + (" (as observed)" if k == 0 else "")
            ax.plot(data["wave"][inside], flux[inside], color=("k", COLOURS[0], COLOURS[5])[k % 3],
                    lw=0.9, ls=styles[k % 3], label=text)
        ax.set(xlim=(low, high), ylim=(0.38, 1.12), title=name,
               xlabel=r"rest wavelength [$\mathrm{\AA}$]")  # fmt: skip
    axes[0].set_ylabel("flux / continuum")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=3)
    fig.suptitle(str(data["title"]), fontsize=8)
    return fig


@figure("12_recovery")
def draw_recovery(data):
    """Draw recovered carbon, and the price in [Fe/H], against what was injected.

    Parameters
    ----------
    data : dict of str to ndarray
        c_fe_injected, c_fe, raised, d_fe_h, snr (n,): injected spectra only.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, (left, middle, right) = subplots(1, 3, width=PAGE, height=2.8)
    draw_points(left, data, "c_fe_injected", "c_fe")
    left.plot((-0.2, 1.7), (-0.2, 1.7), color="0.4", lw=0.7)
    left.set(xlabel="injected [C/Fe] [dex]", ylabel="recovered [C/Fe] [dex]", xlim=(0.1, 1.7))
    fig.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncol=3,
               markerscale=1.3)  # fmt: skip
    draw_scatter(middle, data)
    draw_points(right, data, "raised", "d_fe_h")
    right.axhline(0, color="0.4", lw=0.7)
    right.set(xlabel="carbon added [dex]", ylabel="[Fe/H] found $-$ star's own [dex]")
    return fig


def draw_points(ax, data, x, y):
    """Draw one quantity against another, by class of S/N; returns `ax`."""
    for (low, high, marker), colour in zip(CLASSES, (COLOURS[1], COLOURS[2], COLOURS[0]),
                                           strict=True):  # fmt: skip
        use = (data["snr"] >= low) & (data["snr"] < high)
        text = f"S/N(g) {low}-{high:.0f}" if np.isfinite(high) else f"S/N(g) > {low}"
        ax.plot(data[x][use], data[y][use], marker, color=colour, ms=2.5, mew=0.6, mfc="none",
                label=text, rasterized=True)
    return ax


def draw_scatter(ax, data, edges=(5, 8, 12, 20, 30, 50, 80, 200)):
    """Draw bias and scatter of the recovered [C/Fe] against S/N; returns `ax`."""
    error = data["c_fe"] - data["c_fe_injected"]
    rows = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        part = error[(data["snr"] >= low) & (data["snr"] < high)]
        if part.size >= 5:
            middle = np.median(part)
            rows.append((np.sqrt(low * high), middle, 1.4826 * np.median(np.abs(part - middle))))
    at, bias, spread = np.array(rows).T if rows else np.zeros((3, 0))
    ax.plot(at, spread, "o-", color=COLOURS[0], ms=3, label="scatter")
    ax.plot(at, bias, "s--", color=COLOURS[5], ms=3, label="bias")
    ax.axhline(0, color="0.4", lw=0.7)
    ax.set(xscale="log", xlabel="S/N(g)", ylabel="recovered $-$ injected [dex]")
    ax.set_xticks([5, 10, 20, 50, 100], ["5", "10", "20", "50", "100"])
    ax.minorticks_off()
    ax.legend()
    return ax


@figure("12_completeness")
def draw_completeness(data):
    """Draw the share of candidates against the injected carbon, by S/N.

    Parameters
    ----------
    data : dict of str to ndarray
        snr, c_fe (n,): groups; for ``poor`` ([Fe/H] < -2) and ``other``: <name>_share,
        <name>_low, <name>_high (n,), NaN where there is no spectrum.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(1, 2, width=PAGE, height=2.9, sharex=True, sharey=True)
    titles = ("[Fe/H] $<-2$: completeness above 0.7", r"$-2\leq$ [Fe/H] $<-1.5$: contamination")
    looks = (("x", ":", COLOURS[1]), ("s", "--", COLOURS[2]), ("o", "-", COLOURS[0]))
    for ax, name, title in zip(axes, ("poor", "other"), titles, strict=True):
        for k, snr in enumerate(np.unique(data["snr"])):
            use = data["snr"] == snr
            marker, line, colour = looks[k % 3]
            share = data[f"{name}_share"][use]
            error = np.stack([share - data[f"{name}_low"][use], data[f"{name}_high"][use] - share])
            ax.errorbar(data["c_fe"][use] + 0.03 * (k - 1), share, np.clip(error, 0, None),
                        marker=marker, ls=line, color=colour, ms=3.5, lw=0.9, capsize=1.5,
                        label=f"S/N(g) = {snr:.0f}")  # fmt: skip
        ax.axvline(0.7, color="0.5", lw=0.7)
        ax.set(xlabel=f"injected {LABEL_TEXT['c_fe']}", title=title, ylim=(-0.03, 1.03))
    axes[0].set_ylabel("share made candidates")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=3)
    return fig
