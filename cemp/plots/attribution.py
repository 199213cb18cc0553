"""Figure of 04_evaluation: where in wavelength the network looks."""

import numpy as np

from cemp.figures import figure
from cemp.plots.evaluation import mark_bands
from cemp.plots.style import COLOURS, PAGE, subplots


def draw_profile(ax, wave, profile, control, style):
    """Draw a profile in units of its mean size over the range of its controls; returns `ax`."""
    relative = control / np.abs(control).mean(axis=1, keepdims=True)
    ax.fill_between(wave, relative.min(axis=0), relative.max(axis=0), color="0.6", lw=0,
                    alpha=0.8, label="randomised weights")
    ax.plot(wave, profile / np.abs(profile).mean(), style, color=COLOURS[0], lw=0.8,
            ms=2.5, label="trained network")
    ax.axhline(0, color="k", lw=0.4)
    return ax


@figure("04_wavelengths")
def draw_wavelengths(data):
    """Draw what carbon does to the spectrum, and where the network's [C/H] depends on it.

    Parameters
    ----------
    data : dict of ndarray
        wave, enhanced, twin (n,): mean spectra of a class and of its carbon-normal twins;
        part (n,), part_control (n_control, n): parts of the difference of [C/H] between them;
        centre, occlusion (n_window,), occlusion_control (n_control, n_window); band_low,
        band_high, band_name; title (str).

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(3, 1, width=PAGE, height=5.0, sharex=True)
    axes[0].plot(data["wave"], data["twin"], "--", color=COLOURS[1], lw=0.7,
                 label="similar labels, normal carbon")
    axes[0].plot(data["wave"], data["enhanced"], color=COLOURS[0], lw=0.7,
                 label="carbon-enhanced giants")
    axes[0].set(ylabel="mean flux", title=str(data["title"]), ylim=(0.2, 1.25))
    axes[0].legend(loc="lower right", ncols=2)
    draw_profile(axes[1], data["wave"], data["part"], data["part_control"], "-")
    axes[1].set_ylabel("part in the difference\nof [C/H], relative")
    axes[1].legend(loc="upper right", ncols=2)
    draw_profile(axes[2], data["centre"], data["occlusion"], data["occlusion_control"], "o-")
    axes[2].set_ylabel("change of [C/H] when\nhidden, relative")
    axes[2].set_xlabel("rest wavelength in vacuum [Å]")
    axes[2].set_xlim(data["wave"][0], data["wave"][-1])
    mark_bands(axes[0], data, 0.88)
    for ax in axes[1:]:
        mark_bands(ax, data | {"band_name": np.full(data["band_low"].size, "")}, 0.9)
    return fig
