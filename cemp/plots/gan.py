"""Figure of the GAN: does filling the corners help, and do made spectra show their labels."""

import numpy as np

from cemp.figures import figure
from cemp.plots.style import COLOURS, LABEL_TEXT, PAGE, subplots

_INDEX_TEXT = {"gband_lick": "G band [Å]", "ca_k": "Ca K [Å]"}


def draw_gains(ax, data, label):
    """Draw by how much each arm's mean absolute error is less than that of no filling."""
    groups, arms = data["groups"], data["arms"]
    for k, arm in enumerate(arms):
        gain, low, high = data[f"gain_{label}"][k].T
        place = np.arange(len(groups)) + 0.2 * (k - (len(arms) - 1) / 2)
        ax.errorbar(gain, place, xerr=np.maximum([gain - low, high - gain], 0), fmt="osD^"[k],
                    ms=3.5, lw=0.9, color=COLOURS[k], label=str(arm))  # fmt: skip
    ax.axvline(0, color="k", lw=0.5)
    ax.set_yticks(np.arange(len(groups)), [str(group) for group in groups])
    ax.set(xlabel=f"error saved in {LABEL_TEXT[label]}", ylim=(len(groups) - 0.5, -0.5))
    return ax


@figure("08_gan")
def draw_gan(data):
    """Draw the gains of filling, and line indices of made against real spectra.

    Parameters
    ----------
    data : dict of ndarray
        groups (g,), arms (a,); gain_fe_h, gain_c_h (a, g, 3): gain, low, high; ``real_<index>``,
        ``made_<index>`` (n,) for gband_lick and ca_k; rich (n,) of bool; title (str).

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(2, 2, width=PAGE, height=5.0)
    for ax, label in zip(axes[0], ("fe_h", "c_h"), strict=True):
        draw_gains(ax, data, label)
    axes[0, 0].legend(loc="best")
    for ax, (name, text) in zip(axes[1], _INDEX_TEXT.items(), strict=True):
        real, made, rich = data[f"real_{name}"], data[f"made_{name}"], data["rich"].astype(bool)
        for rows, marker, colour, label in ((~rich, ".", "0.6", "other"),
                                            (rich, "^", COLOURS[0], "carbon-rich")):  # fmt: skip
            ax.plot(real[rows], made[rows], marker, ms=2.5, mew=0, color=colour, label=label,
                    rasterized=True)  # fmt: skip
        both = np.concatenate([real, made])
        ends = np.nanpercentile(both, [0.5, 99.5])
        ax.plot(ends, ends, "k-", lw=0.6)
        ax.set(xlabel=f"{text}, observed", ylabel=f"{text}, made")
    axes[1, 0].legend(markerscale=2)
    fig.suptitle(str(data["title"]), fontsize=8)
    return fig


def gan_arrays(table, values, against="nothing"):
    """Arrays of the figure.

    Parameters
    ----------
    table : pandas.DataFrame
        From `cemp.methods.gan_use.help_table`.
    values : pandas.DataFrame
        Columns ``real <index>``, ``made <index>``, rich.
    against : str
        The arm without filling.

    Returns
    -------
    dict of str to ndarray
        See `draw_gan`.
    """
    groups = list(dict.fromkeys(table["group"]))
    arms = [arm for arm in dict.fromkeys(table["arm"]) if arm != against]
    lines = table.set_index(["label", "arm", "group"])[["gain", "low", "high"]]
    arrays = {f"gain_{label}": [[lines.loc[(label, arm, group)].to_numpy() for group in groups]
                                for arm in arms] for label in ("fe_h", "c_h")}  # fmt: skip
    for name in _INDEX_TEXT:
        arrays |= {f"{what}_{name}": values[f"{what} {name}"] for what in ("real", "made")}
    return arrays | {"groups": groups, "arms": arms, "rich": values["rich"]}
