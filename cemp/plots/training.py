"""Figures of the network and its training."""

import numpy as np
from matplotlib.patches import FancyBboxPatch

from cemp.figures import figure
from cemp.plots.style import COLOURS, COLUMN, PAGE, subplots

#: Markers of the pyramid's branches, so that grey print tells them apart.
MARKERS = ("o", "s", "^", "D", "v")


def _box(ax, x, y, width, height, text, colour):
    """Draw a labelled box with its left edge at x and its middle at y."""
    ax.add_patch(
        FancyBboxPatch(
            (x, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=colour + "22", edgecolor=colour, linewidth=0.8,
        )
    )  # fmt: skip
    ax.text(x + width / 2, y, text, ha="center", va="center", fontsize=6.5, linespacing=1.35)


def _arrow(ax, start, end):
    ax.annotate(
        "", end, start, arrowprops={"arrowstyle": "-|>", "lw": 0.7, "color": "0.3",
                                    "shrinkA": 0, "shrinkB": 0, "mutation_scale": 7},
    )  # fmt: skip


@figure("03_architecture")
def draw_architecture(data):
    """Draw the network as boxes with the shape of what leaves each.

    Parameters
    ----------
    data : dict of ndarray
        kernels (k,), stage_filters (s,), stage_lengths (s,), n_pix, n_filters, n_steps,
        bottleneck, lstm_units, step_features, head_units, n_parameters (scalars).

    Returns
    -------
    matplotlib.figure.Figure
    """
    n = {key: int(value) for key, value in data.items() if np.ndim(value) == 0}
    kernels, filters = data["kernels"].astype(int), data["stage_filters"].astype(int)
    lengths = data["stage_lengths"].astype(int)
    fig, ax = subplots(width=PAGE, height=0.62 * len(kernels) + 0.9)
    heights = 0.85 * (np.arange(len(kernels)) - (len(kernels) - 1) / 2)[::-1]
    blue, orange, green = COLOURS[0], COLOURS[1], COLOURS[2]
    _box(ax, -0.2, 0, 1.3, 1.1, f"spectrum\nflux $-$ 1, mask\n2 × {n['n_pix']}", "#555555")
    for kernel, y in zip(kernels, heights, strict=True):
        _arrow(ax, (1.1, 0), (1.45, y))
        _draw_branch(ax, kernel, filters, lengths, y, blue)
        _arrow(ax, (4.75, y), (5.05, 0))
    size = f"{n['n_filters']} × {n['n_steps']}"
    squeeze = f"{n['n_filters']}–{n['bottleneck']}–{n['n_filters']}"
    steps = (
        (5.05, 1.2, f"concatenate\n{size}", blue),
        (6.55, 1.25, f"mean, dense,\nsigmoid\n{squeeze}\n{size}", orange),
        (8.1, 1.15, f"bidirectional\nLSTM\n{n['n_steps']} × 2·{n['lstm_units']}", green),
        (9.55, 1.05, f"dense at\neach step\n{n['n_steps']} × {n['step_features']}", "#555555"),
        (10.9, 0.7, f"dense\n{n['head_units']}", "#555555"),
        (11.9, 1.15, "$T_\\mathrm{eff}$, log $g$,\n[Fe/H], [C/H]", "#555555"),
    )
    for (x, width, text, colour), following in zip(steps, (*steps[1:], None), strict=True):
        _box(ax, x, 0, width, 1.1, text, colour)
        if following:
            _arrow(ax, (x + width, 0), (following[0], 0))
    _finish(ax, heights, n["n_parameters"])
    return fig


def _draw_branch(ax, kernel, filters, lengths, y, colour):
    """Draw one branch of the pyramid: a box for each stage."""
    gap = 0.22
    width = (3.3 + gap) / len(filters)
    for i, (f, length) in enumerate(zip(filters, lengths, strict=True)):
        x = 1.45 + i * width
        _box(ax, x, y, width - gap, 0.6, f"conv {kernel}\n{f} × {length}", colour)
        if i:
            _arrow(ax, (x - gap, y), (x, y))


def _finish(ax, heights, n_parameters):
    top = heights.max() + 0.55
    headings = ((3.1, "multi-scale pyramid"), (7.18, "attention"), (8.68, "sequence"),
                (11.3, "head"))  # fmt: skip
    for x, text in headings:
        ax.text(x, top, text, ha="center", fontsize=7.5, fontweight="bold")
    note = "each stage: convolution, maximum pooling, batch normalisation, ReLU"
    ax.text(1.45, heights.min() - 0.55, note, fontsize=6.5)
    ax.text(13.05, heights.min() - 0.55, f"{n_parameters:,} parameters", ha="right", fontsize=7)
    ax.set(xlim=(-0.25, 13.1), ylim=(heights.min() - 0.7, top + 0.25))
    ax.axis("off")


@figure("03_learning_curves")
def draw_learning_curves(data):
    """Draw losses by epoch, with the epoch that was kept.

    Parameters
    ----------
    data : dict of ndarray
        epoch, train_loss, validation_loss, learning_rate (n,); best_epoch (scalar); title says what
        the spectra are.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, (ax, below) = subplots(
        2, width=COLUMN, height=3.1, sharex=True, gridspec_kw={"height_ratios": [3, 1]}
    )
    epoch, best = data["epoch"], int(data["best_epoch"])
    ax.plot(epoch, data["train_loss"], color=COLOURS[0], label="training (augmented, dropout)")
    label = "validation (mean weights)"
    ax.plot(epoch, data["validation_loss"], "--", color=COLOURS[5], label=label)
    kept = data["validation_loss"][epoch == best]
    ax.plot([best], kept, "o", ms=5, mfc="none", color="k", label=f"kept: epoch {best}")
    ax.set(yscale="log", ylabel="MSE of standardised labels", title=str(data["title"]))
    ax.legend()
    below.plot(epoch, 1e3 * data["learning_rate"], color="0.3")
    below.set(xlabel="epoch", ylabel=r"rate [$10^{-3}$]", ylim=(0, None))
    return fig


@figure("03_attention")
def draw_attention(data):
    """Draw the attention weight of every filter, for metal-rich, metal-poor and CEMP spectra.

    Parameters
    ----------
    data : dict of ndarray
        kernel (f,) of the filter's branch; weight (g, f) mean of a group; spread (f,) standard
        deviation over all spectra; group (g,) names; title.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(1, 2, width=PAGE, height=2.5, gridspec_kw={"width_ratios": [2.2, 1]})
    kernel, weight = data["kernel"].astype(int), data["weight"]
    order = np.lexsort((-weight.mean(axis=0), kernel))
    for i, name in enumerate(data["group"]):
        colour = COLOURS[(0, 1, 5)[i % 3]]
        axes[0].plot(weight[i, order], MARKERS[i], ms=3, color=colour, label=name)
    edges = np.flatnonzero(np.diff(kernel[order])) + 0.5
    for left, value in zip([0, *edges + 0.5], np.unique(kernel), strict=True):
        axes[0].text(left + 0.5, 1.03, f"kernel {value}", fontsize=7, va="bottom")
    for edge in edges:
        axes[0].axvline(edge, color="0.6", lw=0.6)
    axes[0].set(ylim=(0, 1.12), xlabel="filter, ordered by weight within its branch",
                ylabel="attention weight")  # fmt: skip
    axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, handletextpad=0.1)
    for i, value in enumerate(np.unique(kernel)):
        rows = kernel == value
        axes[1].plot(weight.mean(axis=0)[rows], data["spread"][rows], "x+1"[i % 3], ms=4.5,
                     color=COLOURS[(6, 2, 3)[i % 3]], label=f"kernel {value}")  # fmt: skip
    axes[1].set(xlabel="mean weight", ylabel="scatter between spectra", ylim=(0, None))
    fig.suptitle(str(data["title"]), fontsize=8)
    axes[1].legend(loc="lower right", bbox_to_anchor=(1.02, 1), ncols=3, handletextpad=0.1,
                   columnspacing=0.8)  # fmt: skip
    return fig
