"""Figures of 02_preprocessing."""

import numpy as np

from cemp.figures import figure
from cemp.plots.style import COLOURS, PAGE, subplots

#: Line styles and colours of sequences, so that grey print tells them apart too.
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
WAVE_LABEL = r"Vacuum wavelength [$\mathrm{\AA}$]"
#: Features of `02_diagnostics`: panel, name, centre [Angstrom].
FEATURES = (
    (0, r"H$\delta$", 4103), (0, r"H$\gamma$", 4342), (0, r"H$\beta$", 4863),
    (0, r"H$\alpha$", 6565), (1, "Ca II K", 3935), (1, "CH", 4310), (1, "Mg b", 5175),
    (2, "Ca II K", 3935), (2, "Mg b", 5175), (2, "Fe I", 5270), (2, "Ca II triplet", 8580),
    (3, "CN", 3883), (3, "CH", 4310), (3, r"C$_2$", 4737), (3, r"C$_2$", 5165),
    (3, r"C$_2$", 5636),
)  # fmt: skip


def _gaps(wave, values, good):
    """Leave out pixels that are not good, so that lines break there."""
    return wave, np.where(good, values, np.nan)


@figure("02_walkthrough")
def draw_walkthrough(data):
    """Draw one star through the five steps.

    Parameters
    ----------
    data : dict of str to ndarray
        ``wave``, ``flux``, ``good`` (as read), ``z``, ``rest``, ``repaired``, ``repaired_good``,
        ``continuum``, ``grid``, ``grid_flux``, ``grid_good``, ``line`` (rest wavelength of the
        zoom), ``spike`` (pixel of the zoom), ``title``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    mosaic = [["a", "a"], ["b", "c"], ["d", "d"], ["e", "e"]]
    fig, _ = subplots(width=PAGE, height=8.0)
    fig.clear()
    axes = fig.subplot_mosaic(mosaic, height_ratios=[1, 1, 1, 1.1])
    _draw_read(axes["a"], data)
    _draw_rest(axes["b"], data)
    _draw_repair(axes["c"], data)
    _draw_continuum(axes["d"], data)
    _draw_vector(axes["e"], data)
    return fig


def _draw_read(ax, data):
    """Step 1: as read, bad pixels marked."""
    ax.plot(*_gaps(data["wave"], data["flux"], data["good"]), color=COLOURS[-1], lw=0.5)
    bad = ~data["good"]
    if bad.any():
        ax.plot(data["wave"][bad], np.zeros(bad.sum()), "|", ms=5, color=COLOURS[5],
                label="not good (ivar = 0)")  # fmt: skip
        ax.legend(loc="lower center")
    top = np.percentile(data["flux"][data["good"]], 99.5)
    ax.set(ylabel="Flux", xlim=(3700, 9100), ylim=(-0.08 * top, 1.15 * top),
           title=f"1. read: {data['title']}")  # fmt: skip


def _draw_rest(ax, data):
    """Step 2: a line before and after the shift to rest."""
    line = float(data["line"])
    ax.plot(*_gaps(data["wave"], data["flux"], data["good"]), "--", color=COLOURS[1],
            label="observed")  # fmt: skip
    ax.plot(*_gaps(data["rest"], data["flux"], data["good"]), color=COLOURS[0], label="rest frame")
    ax.axvline(line, color="0.5", lw=0.6, ls=":")
    near = (np.abs(data["rest"] - line) < 30) & data["good"]
    low, high = data["flux"][near].min(), data["flux"][near].max()
    ax.set(xlim=(line - 25, line + 25), ylim=(low - 0.1 * (high - low), high + 0.35 * (high - low)),
           xlabel=WAVE_LABEL, ylabel="Flux",
           title=f"2. rest frame: z = {float(data['z']):.2e}")  # fmt: skip
    ax.legend(loc="upper right", ncols=2)


def _draw_repair(ax, data):
    """Step 3: a spike before and after the repair."""
    pixel = int(data["spike"])
    zoom = slice(max(pixel - 25, 0), pixel + 26)
    rest, flux, repaired = (data[k][zoom] for k in ("rest", "flux", "repaired"))
    ax.plot(rest, flux, "--", color=COLOURS[1], label="before", drawstyle="steps-mid")
    ax.plot(rest, repaired, color=COLOURS[0], label="repaired", drawstyle="steps-mid")
    gone = data["good"][zoom] & ~data["repaired_good"][zoom]
    ax.plot(rest[gone], flux[gone], "x", color=COLOURS[5], ms=5, label="spike")
    ax.set_ylim(top=ax.get_ylim()[1] + 0.25 * np.ptp(ax.get_ylim()))
    ax.set(xlabel=WAVE_LABEL, ylabel="Flux", title="3. repair: running median",
           xlim=rest[[0, -1]])  # fmt: skip
    ax.legend(loc="upper right", ncols=3)


def _draw_continuum(ax, data):
    """Step 4: the continuum over the repaired spectrum, its windows shaded."""
    from cemp.preprocess.continuum import JOIN, WINDOWS

    ax.plot(data["rest"], data["repaired"], color=COLOURS[-1], lw=0.5)
    ax.plot(data["rest"], data["continuum"], color=COLOURS[5], lw=1.4, ls="--", label="continuum")
    for low, high, weight in WINDOWS:
        ax.axvspan(low, high, ymax=0.05, color=COLOURS[0], alpha=0.35 + 0.5 * (weight == 1), lw=0)
    ax.axvspan(*JOIN, color="0.85", lw=0, zorder=0, label="arms join")
    top = np.percentile(data["repaired"], 99.5)
    ax.set(ylabel="Flux", xlim=(3700, 9100), ylim=(-0.08 * top, 1.2 * top),
           title="4. continuum: fitted in the windows marked below")  # fmt: skip
    ax.legend(loc="upper right", ncols=2)


def _draw_vector(ax, data):
    """Step 5: the vector with its mask."""
    ax.plot(*_gaps(data["grid"], data["grid_flux"], data["grid_good"]), color=COLOURS[-1], lw=0.5)
    bad = ~data["grid_good"]
    ax.plot(data["grid"][bad], np.full(bad.sum(), 0.05), "|", ms=5, color=COLOURS[5],
            label="not good: masked")  # fmt: skip
    ax.axhline(1, color=COLOURS[0], lw=0.6, ls=":")
    ax.set(xlabel=WAVE_LABEL, ylabel="Normalised flux", xlim=(3700, 9100), ylim=(0, 1.5),
           title=r"5. vector: 1 $\mathrm{\AA}$ steps, 3800-8800 $\mathrm{\AA}$, with a mask")
    ax.legend(loc="lower right")


@figure("02_continuum")
def draw_continuum(data):
    """Draw what noise and carbon do to the continuum.

    Parameters
    ----------
    data : dict of str to ndarray
        ``snr`` (n_snr,), ``block_wave`` (n_block,), ``pipeline``, ``quantile``
        (n_snr, n_block): mean flux minus that at the highest S/N; ``c_fe`` (n_c,), ``teff`` (2,),
        ``wave`` (n_pix,), ``ratio`` (2, n_c, n_pix): pseudo over true continuum;
        ``true_width``, ``width``, ``broad_width`` (2, n_c): G band [Angstrom] with the true
        continuum, this one and a broad mean.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(2, 2, width=PAGE, height=5.2)
    _draw_noise(axes[0, 0], data)
    _draw_widths(axes[0, 1], data)
    for ax, teff, ratios in zip(axes[1], data["teff"], data["ratio"], strict=True):
        for i, (c_fe, ratio) in enumerate(zip(data["c_fe"], ratios, strict=True)):
            ax.plot(data["wave"], ratio, ls=STYLES[i], color=COLOURS[i], label=f"{c_fe:+.1f}")
        ax.set(xlabel=WAVE_LABEL, ylabel="Continuum / true continuum", xlim=(3800, 6600),
               ylim=(0.45, 1.12), title=f"synthetic giant, {teff:.0f} K, [Fe/H] = -2.5")
    axes[1, 0].legend(title="[C/Fe]", loc="lower right", ncols=3)
    return fig


def _draw_noise(ax, data):
    """Change of the mean normalised flux with S/N, by two methods."""
    for i, snr in enumerate(data["snr"][:-1]):
        text = f"S/N = {snr:.0f}"
        ax.plot(data["block_wave"], 100 * data["quantile"][i], ls=STYLES[i], lw=0.9,
                color=COLOURS[1], label=f"quantile, {text}")  # fmt: skip
        ax.plot(data["block_wave"], 100 * data["pipeline"][i], ls=STYLES[i], color=COLOURS[0],
                label=f"this paper, {text}")  # fmt: skip
    ax.axhspan(-0.5, 0.5, color="0.88", lw=0, zorder=0)
    ax.set(xlabel=WAVE_LABEL, xlim=(3800, 8800), title="synthetic giant, mean of many exposures",
           ylabel=f"Flux change from S/N = {data['snr'][-1]:.0f} [%]", ylim=(-16, 1))  # fmt: skip
    ax.legend(loc="lower right", ncols=2, fontsize=6)


def _draw_widths(ax, data):
    """Strength of the G band that is left after the division."""
    markers = ("o", "s")
    for i, teff in enumerate(data["teff"]):
        for k, (name, text, colour) in enumerate((
            ("true_width", "true continuum", COLOURS[-1]), ("width", "this paper", COLOURS[0]),
            ("broad_width", r"50 $\mathrm{\AA}$ mean", COLOURS[1]),
        )):  # fmt: skip
            ax.plot(data["c_fe"], data[name][i], marker=markers[i], ms=3.5, ls=STYLES[k],
                    color=colour, mfc="none" if i else None, label=f"{text}, {teff:.0f} K")
    ax.set(xlabel="[C/Fe] [dex]", ylabel=r"G band: sum of (1 - flux) [$\mathrm{\AA}$]",
           ylim=(-3, 82), title=r"synthetic giants, [Fe/H] = -2.5, 4240-4330 $\mathrm{\AA}$")
    ax.legend(loc="upper left", fontsize=6, ncols=2)


@figure("02_diagnostics")
def draw_diagnostics(data):
    """Draw a spectrum and how it answers to each label.

    Parameters
    ----------
    data : dict of str to ndarray
        ``wave`` (n,), ``flux`` (n,), ``change`` (4, n): normalised flux after a step in a label
        minus before; ``steps`` (4,) texts; ``title``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(5, 1, width=PAGE, height=6.6, sharex=True, height_ratios=[1.3, 1, 1, 1, 1])
    axes[0].plot(data["wave"], data["flux"], color=COLOURS[-1], lw=0.5)
    axes[0].set(ylabel="Flux", title=str(data["title"]), ylim=(0.2, 1.15), xlim=(3790, 8810))
    for ax, change, step, colour in zip(
        axes[1:], data["change"], data["steps"], COLOURS, strict=False
    ):
        ax.plot(data["wave"], change, color=colour, lw=0.6)
        ax.axhline(0, color="0.6", lw=0.4)
        top = 1.05 * np.abs(change).max()
        ax.set(ylim=(-top, 2.3 * top), ylabel="Change")
        ax.annotate(str(step), (0.8, 0.9), xycoords="axes fraction", ha="right", va="top")
    for panel, name, centre in FEATURES:
        ax = axes[panel + 1]
        ax.annotate(name, (centre, 0.66), xycoords=("data", "axes fraction"), ha="center",
                    va="bottom", fontsize=6, rotation=90 if centre < 5300 else 0)  # fmt: skip
        ax.axvline(centre, ymax=0.64, color="0.6", lw=0.4, ls=":", zorder=0)
    axes[-1].set_xlabel(WAVE_LABEL)
    return fig
