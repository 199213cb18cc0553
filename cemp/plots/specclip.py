"""Figure of the contrastive model: partners found, spectra translated, strangers noticed."""

import numpy as np
from sklearn.metrics import roc_curve

from cemp.figures import figure
from cemp.plots.style import COLOURS, PAGE, subplots

#: Stretch of spectrum shown: Ca H and K, the G band, H-beta [Angstrom].
SHOWN = (3900.0, 4900.0)
DASHES = ("-", "--", "-.", ":")


def _retrieval(ax, data):
    """Draw the share of stars found among the first k candidates."""
    n_stars, n_hard = int(data["n_stars"]), int(data["n_hard"])
    for k, (way, rank) in enumerate(zip(data["way"], data["rank"], strict=True)):
        ranks = np.arange(1, (n_stars if k < 2 else n_hard) + 1)
        share = [(rank < r + 1).mean() for r in ranks]
        ax.semilogx(ranks, share, DASHES[k // 2], color=COLOURS[k % 2], label=str(way))
    for n, colour, text in ((n_stars, "0.6", "all stars"), (n_hard, "k", "hard negatives")):
        ranks = np.arange(1, n + 1)
        ax.semilogx(ranks, ranks / n, ":", color=colour, label=f"chance, {text}")
    ax.set(xlabel="first k candidates", ylabel="right star among them", ylim=(0, 1.02),
           xlim=(1, n_stars))  # fmt: skip
    ax.legend(fontsize=5.5, loc="lower right")


def _spectrum(ax, data):
    """Draw one spectrum, its translation from XP and the mean of the training spectra."""
    part = (data["wave"] > SHOWN[0]) & (data["wave"] < SHOWN[1])
    for name, colour, width, text in (("mean", COLOURS[1], 0.4, "mean of training"),
                                      ("observed", "0.55", 1.0, "observed by LAMOST (mock)"),
                                      ("predicted", COLOURS[0], 0.7, "predicted from XP")):
        ax.plot(data["wave"][part], data[name][part], color=colour, lw=width, label=text)
    teff, logg, fe_h, c_h = data["star"]
    ax.set(xlabel="rest wavelength in vacuum [Å]", ylabel="flux / continuum", xlim=SHOWN,
           ylim=(0, 1.25),
           title=f"{teff:.0f} K, log g {logg:.1f}, [Fe/H] {fe_h:.1f}, "
                 f"[C/Fe] {c_h - fe_h:+.1f}")  # fmt: skip
    ax.legend(fontsize=5.5, loc="lower right")


def _rms(ax, data):
    """Draw the rms of predicted spectra in blocks of 50 Angstrom."""
    for k, (name, values) in enumerate(zip(data["by"], data["rms"], strict=True)):
        ax.semilogy(data["block"], values, DASHES[k], color=COLOURS[k], label=str(name))
    ax.set(xlabel="rest wavelength in vacuum [Å]", ylabel="rms of predicted − observed")
    ax.legend(fontsize=5.5)


def _strangers(ax, data):
    """Draw the ROC curve of each anomaly score."""
    for k, name in enumerate(data["score"]):
        a, b = (data[sample][k][np.isfinite(data[sample][k])] for sample in ("ordinary", "strange"))
        truth = np.repeat([0, 1], [a.size, b.size])
        false, true, _ = roc_curve(truth, np.concatenate([a, b]))
        ax.plot(false, true, DASHES[k], color=COLOURS[k], label=str(name))
    ax.plot([0, 1], [0, 1], ":", color="0.5", label="chance")
    ax.set(xlabel="stars flagged", ylabel="contaminants flagged", xlim=(0, 1), ylim=(0, 1.02))
    ax.legend(fontsize=5.5, loc="lower right")


@figure("08_specclip")
def draw_specclip(data):
    """Draw retrieval, a translated spectrum, the translations' rms and the anomaly scores.

    Parameters
    ----------
    data : dict of ndarray
        Of `cemp.methods.specclip.tasks.figure_data`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(2, 2, width=PAGE, height=4.6)
    for ax, draw in zip(axes.flat, (_retrieval, _spectrum, _rms, _strangers), strict=True):
        draw(ax, data)
    fig.suptitle("mock survey and mock Gaia XP spectra", fontsize=8)
    return fig
