"""Figures of the synthetic spectra: what they cover, whether they are right, the emulator."""

import numpy as np

from cemp.figures import figure
from cemp.plots.style import COLOURS, LABEL_TEXT, PAGE, subplots

#: Distance between two curves of `draw_groups`.
SHIFT = 0.28
#: Features marked there: wavelength [Angstrom], where its name stands, name.
MARKS = ((3956, 3956, "Ca H, K"), (4102.9, 4102.9, r"H$\delta$"), (4300, 4275, "G"),
         (4341.7, 4360, r"H$\gamma$"), (4862.7, 4862.7, r"H$\beta$"), (5177, 5177, "Mg b"),
         (5894, 5894, "Na D"), (6564.6, 6564.6, r"H$\alpha$"), (6910, 6910, "tell."))  # fmt: skip


@figure("06_design")
def draw_design(data):
    """Draw where the grid has spectra.

    Parameters
    ----------
    data : dict of str to ndarray
        labels (n, 6) of the grid.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(1, 2, width=PAGE, height=2.8)
    teff, logg, fe_h, c_fe = data["labels"].T[:4]
    points = axes[0].scatter(teff, logg, s=4, c=fe_h, vmin=-4, vmax=0.5, linewidths=0,
                             rasterized=True)  # fmt: skip
    fig.colorbar(points, ax=axes[0], label=LABEL_TEXT["fe_h"], pad=0.01)
    axes[0].set(xlim=(7200, 3800), ylim=(5.2, 0), xlabel=LABEL_TEXT["teff"],
                ylabel=LABEL_TEXT["logg"])  # fmt: skip
    points = axes[1].scatter(fe_h, c_fe, s=4, c=teff, cmap="viridis_r", vmin=3900, vmax=7100,
                             linewidths=0, rasterized=True)  # fmt: skip
    fig.colorbar(points, ax=axes[1], label=LABEL_TEXT["teff"], pad=0.01)
    axes[1].plot([-4.1, -2, -2], [0.7, 0.7, 3.6], color="k", linewidth=1.2)
    axes[1].text(-2.05, 3.55, "CEMP", ha="right", va="top")
    axes[1].set(xlim=(-4.1, 0.6), ylim=(-1, 3.7), xlabel=LABEL_TEXT["fe_h"],
                ylabel=LABEL_TEXT["c_fe"])  # fmt: skip
    for ax, letter in zip(axes, "ab", strict=True):
        ax.text(0.03, 0.97, f"({letter})", transform=ax.transAxes, va="top")
    return fig


@figure("06_physics")
def draw_physics(data):
    """Draw four checks of the physics.

    Parameters
    ----------
    data : dict of str to ndarray
        published, centre [mA], lte (n_line,) of the solar lines; irradiance_wave [Angstrom],
        irradiance_seen, irradiance_band (n_band,), irradiance_wave_model, irradiance_model
        (n_wave,) [W/m2/nm]; c_fe, giant_g, giant_c2, turnoff_g (n_c,), computed_c_fe,
        computed_depth, computed_kind (n_p,); teff (n_t,) and balmer (n_t, 4) [Angstrom].

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(2, 2, width=PAGE, height=4.8)
    draw_solar_lines(axes[0, 0], data)
    draw_irradiance(axes[0, 1], data)
    draw_carbon(axes[1, 0], data)
    draw_balmer(axes[1, 1], data)
    for ax, letter in zip(axes.flat, "abcd", strict=True):
        ax.text(0.02, 0.97, f"({letter})", transform=ax.transAxes, va="top")
    return fig


def draw_solar_lines(ax, data):
    """Draw computed over published equivalent widths of the Sun against the published ones."""
    ratio, lte = data["centre"] / data["published"], data["lte"].astype(bool)
    ax.axhline(1, color="0.5", linewidth=0.7)
    ax.axhspan(0.9, 1.1, color="0.9", linewidth=0)
    for group, colour, marker, name in ((lte, COLOURS[0], "o", "expected to match in LTE"),
                                        (~lte, COLOURS[5], "^", "Balmer, O I, K I")):
        ax.semilogx(data["published"][group], ratio[group], marker, color=colour, markersize=3.5,
                    label=name)  # fmt: skip
    ax.set(xlabel="published equivalent width [mÅ]", ylabel="computed / published",
           ylim=(0.6, 2.05))  # fmt: skip
    ax.legend(loc="upper right")
    return ax


def draw_irradiance(ax, data):
    """Draw the Sun's irradiance, computed and observed."""
    ax.plot(data["irradiance_wave_model"], data["irradiance_model"], color="0.6", linewidth=0.6,
            label="computed")  # fmt: skip
    ax.plot(data["irradiance_wave"], data["irradiance_seen"], "o", color=COLOURS[5], markersize=4,
            label="observed, 100 Å means")  # fmt: skip
    ax.plot(data["irradiance_wave"], data["irradiance_band"], "+", color="k", markersize=7,
            label="computed, 100 Å means")  # fmt: skip
    ax.set(xlabel="wavelength [Å]", ylim=(0, 2.6),
           ylabel=r"solar irradiance [W m$^{-2}$ nm$^{-1}$]")  # fmt: skip
    ax.legend(loc="lower center")
    return ax


def draw_carbon(ax, data):
    """Draw mean depths of the carbon bands against [C/Fe]."""
    styles = {"giant_g": (COLOURS[0], "-", "o", "G band, giant"),
              "giant_c2": (COLOURS[5], "--", "s", r"C$_2$, giant"),
              "turnoff_g": (COLOURS[6], ":", "^", "G band, turn-off")}  # fmt: skip
    for kind, (colour, line, marker, name) in styles.items():
        ax.plot(data["c_fe"], data[kind], line, color=colour, label=name)
        here = data["computed_kind"] == kind
        ax.plot(data["computed_c_fe"][here], data["computed_depth"][here], marker, color=colour,
                markersize=4)  # fmt: skip
    ax.set(xlabel=LABEL_TEXT["c_fe"], ylabel="mean depth of the band", ylim=(0, 0.9))
    ax.legend(loc="upper center", ncol=2)
    return ax


def draw_balmer(ax, data):
    """Draw equivalent widths of Balmer lines against Teff."""
    names = (r"H$\alpha$", r"H$\beta$", r"H$\gamma$", r"H$\delta$")
    styles = zip(names, ("-", "--", "-.", ":"), (0, 5, 2, 6), strict=True)
    for k, (name, line, colour) in enumerate(styles):
        ax.plot(data["teff"], data["balmer"][:, k], line, color=COLOURS[colour], label=name)
    ax.set(xlabel=LABEL_TEXT["teff"], ylabel="equivalent width [Å]", ylim=(0, None))
    ax.legend(loc="lower right")
    return ax


@figure("06_emulator")
def draw_emulator(data):
    """Draw the emulator's error on spectra that it has not seen, and how it falls.

    Parameters
    ----------
    data : dict of str to ndarray
        teff, c_fe, rms (n,), rms NaN where not held out; sizes, size_median, size_p90 (n_size,);
        median, p90 of the usual stars.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(1, 2, width=PAGE, height=2.6)
    held = np.isfinite(data["rms"])
    teff, c_fe, rms = (data[key][held] for key in ("teff", "c_fe", "rms"))
    for group, colour, marker, name in ((c_fe < 2, COLOURS[0], "o", "[C/Fe] < 2"),
                                        (c_fe >= 2, COLOURS[5], "x", "[C/Fe] ≥ 2")):
        axes[0].semilogy(teff[group], 100 * rms[group], marker, color=colour, markersize=2.5,
                         markeredgewidth=0.6, label=name)  # fmt: skip
    axes[0].axvline(4500, color="0.5", linewidth=0.7)
    axes[0].set(xlabel=LABEL_TEXT["teff"], ylabel="rms error, R = 1800 [% of continuum]",
                xlim=(7200, 3800), ylim=(100 * rms.min() / 3, 500 * rms.max()))  # fmt: skip
    axes[0].legend(loc="upper left", ncol=2)
    axes[1].loglog(data["sizes"], 100 * data["size_median"], "o-", color=COLOURS[0], label="median",
                   markersize=4)  # fmt: skip
    axes[1].loglog(data["sizes"], 100 * data["size_p90"], "s--", color=COLOURS[5],
                   label="90th percentile", markersize=4)  # fmt: skip
    for aim, line in ((0.25, "-"), (0.8, "--")):
        axes[1].axhline(aim, color="0.5", linewidth=0.7, linestyle=line)
    axes[1].set_xticks(data["sizes"], [f"{n:.0f}" for n in data["sizes"]])
    ticks = (0.05, 0.1, 0.2, 0.5, 1, 2, 5)
    axes[1].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[1].minorticks_off()
    axes[1].set(xlabel="spectra learnt from", ylabel="rms error [% of continuum]",
                ylim=(50 * np.min(data["size_median"]), 400 * np.max(data["size_p90"])))
    axes[1].legend(loc="upper right")
    for ax, letter in zip(axes, "ab", strict=True):
        ax.text(0.02, 0.03, f"({letter})", transform=ax.transAxes, va="bottom")
    return fig


@figure("06_observed")
def draw_observed(data):
    """Draw standard stars over their synthetic spectra.

    Parameters
    ----------
    data : dict of str to ndarray
        name, caption (n,) of str; wave, seen, model (n, n_pix), [Angstrom] and flux over
        continuum.

    Returns
    -------
    matplotlib.figure.Figure
    """
    n = len(data["name"])
    fig, axes = subplots(n, 1, width=PAGE, height=0.55 + 0.95 * n, sharex=True)
    for ax, k in zip(np.atleast_1d(axes), range(n), strict=True):
        draw_star(ax, data["wave"][k], data["seen"][k], data["model"][k])
        ax.text(0.99, 0.04, f"{data['name'][k]}: {data['caption'][k]}", ha="right",
                transform=ax.transAxes, fontsize=6.5, bbox={"pad": 0.6, "color": "w"})  # fmt: skip
    axes[0].legend(loc="lower center", ncol=3, bbox_to_anchor=(0.5, 0.98))
    axes[-1].set(xlim=(3850, 7160), xlabel="vacuum wavelength [Å]")
    fig.supylabel("flux / continuum", fontsize=8)
    return fig


def draw_star(ax, wave, seen, model):
    """Draw one star, its model, and what is left (shifted down)."""
    ax.plot(wave, seen, color="0.1", linewidth=0.6, label="MILES")
    ax.plot(wave, model, color=COLOURS[5], linewidth=0.6, linestyle="--", label="computed")
    ax.plot(wave, seen - model, color=COLOURS[0], linewidth=0.5, label="difference")
    ax.axhline(0, color="0.6", linewidth=0.4)
    ax.set(ylim=(-0.35, 1.15), yticks=(0, 0.5, 1))
    return ax


@figure("06_groups")
def draw_groups(data):
    """Draw what the model lacks in all stars of a kind.

    Parameters
    ----------
    data : dict of str to ndarray
        name, count (n,); wave (n_pix,); ratio (n, n_pix), median of observed over computed.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, ax = subplots(width=PAGE, height=4.2)
    levels = 1 - SHIFT * np.arange(len(data["name"]))
    for k, (name, level) in enumerate(zip(data["name"], levels, strict=True)):
        ax.axhline(level, color="0.6", linewidth=0.4)
        ax.plot(data["wave"], data["ratio"][k] - 1 + level, color=COLOURS[(0, 5, 6)[k % 3]],
                linewidth=0.6)  # fmt: skip
        ax.text(7150, level + 0.06, f"{name} ({data['count'][k]})", ha="right", va="bottom",
                bbox={"pad": 0.5, "color": "w"})  # fmt: skip
    for at, shown, name in MARKS:
        ax.text(shown, levels[0] + 0.155, name, ha="center", va="bottom", fontsize=6.5)
        ax.axvline(at, color="0.85", linewidth=0.5, zorder=0)
    ax.plot((7120, 7120), levels[-1] - 0.2 + np.array((0, 0.1)), color="k", linewidth=1.5)
    ax.text(7100, levels[-1] - 0.15, "10%", va="center", ha="right")
    ax.set_yticks(levels, ["1"] * len(levels))
    ax.set(xlim=(3850, 7160), ylim=(levels[-1] - 0.22, levels[0] + 0.15),
           xlabel="vacuum wavelength [Å]", ylabel="observed / computed")
    return fig

