"""Figures of the methods' errors (PIT) and of what the GAN makes: its indices and its use."""

import numpy as np

from cemp.figures import figure
from cemp.plots.style import COLOURS, PAGE, subplots

#: Line styles that differ in grey too.
DASHES = ("-", "--", "-.", ":")
#: Names of what is judged, for titles.
JUDGED_TEXT = {"teff": r"$T_\mathrm{eff}$", "logg": r"$\log g$", "fe_h": "[Fe/H]", "c_h": "[C/H]",
               "c_fe": "[C/Fe]", "fe_h & c_h": "([Fe/H], [C/H])"}  # fmt: skip
INDEX_TEXT = {"gband_lick": "G band", "ca_k": "Ca K", "mgb": "Mg $b$", "hbeta": r"H$\beta$"}


@figure("08_pit")
def draw_pit(data):
    """Draw the distribution of PIT of every method: flat if its errors are honest.

    Parameters
    ----------
    data : dict of ndarray
        methods (k,) names; labels (j,) keys of `JUDGED_TEXT`; density (k, j, m) in m even bins of
        PIT, from `cemp.evaluate.calibration.pit_density`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    density = np.asarray(data["density"])
    n_row = -(-len(density) // 4)
    fig, axes = subplots(n_row, 4, width=PAGE, height=0.5 + 1.5 * n_row, sharex=True, sharey=True,
                         squeeze=False)  # fmt: skip
    edges = np.linspace(0, 1, density.shape[2] + 1)
    for ax in axes.flat[len(density):]:
        ax.set_visible(False)
    for ax, name, rows in zip(axes.flat, data["methods"], density, strict=False):
        ax.axhline(1, color="0.7", lw=0.8, zorder=0)
        for k, (label, row) in enumerate(zip(data["labels"], rows, strict=True)):
            ax.stairs(row, edges, baseline=None, color=COLOURS[k], ls=DASHES[k], lw=1.1,
                      label=JUDGED_TEXT[str(label)])  # fmt: skip
        ax.set_title(str(name))
        ax.tick_params(labelbottom=True)
    axes[0, 0].set(xlim=(0, 1), ylim=(0, min(4.0, 1.1 * np.nanmax(density))))
    axes[0, 0].legend(loc="upper center", fontsize=6)
    fig.supxlabel("PIT: probability of a smaller value than the true one", fontsize=8)
    fig.supylabel("density of stars", fontsize=8)
    return fig


@figure("08_gan")
def draw_gan(data):
    """Draw what the GAN makes: indices against real spectra's, and whether they help.

    Parameters
    ----------
    data : dict of ndarray
        index (j,) names; real, made (j, n) values; rich (n,), whether carbon-rich; group, arm,
        label, gain, low, high (r,): rows of `cemp.methods.gan_use.help_table`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(1, 5, width=PAGE, height=2.2, gridspec_kw={"width_ratios": [1] * 4 + [2]})
    rich = np.asarray(data["rich"], dtype=bool)
    for ax, name, real, made in zip(axes, data["index"], data["real"], data["made"], strict=False):
        for rows, colour, mark in ((~rich, "0.6", "."), (rich, COLOURS[5], "x")):
            ax.plot(real[rows], made[rows], mark, ms=2, mew=0.5, color=colour, rasterized=True)
        ends = np.nanpercentile(np.concatenate([real, made]), [0.5, 99.5])
        ax.plot(ends, ends, color="k", lw=0.6)
        ax.set(xlim=ends, ylim=ends, xlabel="real [Å]", title=INDEX_TEXT.get(str(name), str(name)))
    axes[0].set_ylabel("made [Å]")
    draw_gains(axes[4], data)
    return fig


def draw_gains(ax, data):
    """Draw how much less every arm errs than training on nothing else; returns `ax`."""
    arms = [a for a in dict.fromkeys(map(str, data["arm"])) if a != "nothing"]
    groups = [g for g in dict.fromkeys(map(str, data["group"])) if g != "others"]
    labels = list(dict.fromkeys(map(str, data["label"])))
    places = [(g, name) for g in groups for name in labels]
    for k, arm in enumerate(arms):
        rows = [np.flatnonzero((data["group"] == g) & (data["label"] == name)
                               & (data["arm"] == arm))[0] for g, name in places]  # fmt: skip
        gain, low, high = (np.asarray(data[key])[rows] for key in ("gain", "low", "high"))
        y = np.arange(len(places)) + 0.22 * (k - (len(arms) - 1) / 2)
        ax.errorbar(gain, y, xerr=[gain - low, high - gain], fmt="os^D"[k % 4], ms=3, lw=0.9,
                    color=COLOURS[k], label=arm)  # fmt: skip
    ax.axvline(0, color="0.6", lw=0.8, zorder=0)
    ax.set_yticks(range(len(places)), [f"{g}\n{JUDGED_TEXT[name]}" for g, name in places],
                  fontsize=5.5)  # fmt: skip
    ax.invert_yaxis()
    ax.set_xlabel("mean error saved [dex]")
    ax.legend(fontsize=5.5, loc="best")
    return ax
