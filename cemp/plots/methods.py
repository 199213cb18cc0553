"""Figures of 08_methods: scores of every method, who is ahead, what it costs."""

import numpy as np
from matplotlib.colors import ListedColormap

from cemp.figures import figure
from cemp.plots.style import COLOURS, LABEL_TEXT, PAGE, subplots

_MARKERS, _LINES = "osD^v<>Phd*X", ("-", "--", ":")
#: Methods that stand out where fourteen lines cannot: colour, marker and line each tell them.
_NAMED = {"Template matching": (COLOURS[1], "D", ":"), "The Cannon": (COLOURS[2], "^", "-."),
          "MACRN": (COLOURS[0], "o", "--"), "MACRN, tuned": (COLOURS[5], "s", "-"),
          "MACRN, with library": (COLOURS[3], "v", (0, (5, 1, 1, 1, 1, 1)))}  # fmt: skip


def method_style(place):
    """Colour, marker and line of the method at a place in the order of tables."""
    return {"color": COLOURS[place % len(COLOURS)], "marker": _MARKERS[place % len(_MARKERS)],
            "ls": _LINES[(place // len(COLOURS)) % len(_LINES)]}  # fmt: skip


def _method_axis(ax, names):
    """Put method names on a vertical axis, the first on top."""
    ax.set_yticks(np.arange(len(names)), [str(name) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", color="0.92", lw=0.5)
    ax.set_axisbelow(True)
    return ax


def draw_intervals(ax, scores, colour, text="", face=None, shift=0.0):
    """Draw values with intervals, one line a method; `scores` is (3, n); returns `ax`."""
    value, low, high = scores
    place = np.arange(value.size) + shift
    errors = np.maximum([value - low, high - value], 0)
    ax.errorbar(value, place, xerr=errors, fmt="o", ms=3.2, lw=0.8, color=colour,
                mfc=face or colour, label=text)  # fmt: skip
    return ax


@figure("08_labels")
def draw_labels(data):
    """Draw scatter and bias of every method, one panel a label.

    Parameters
    ----------
    data : dict of ndarray
        names (n,) of the methods; ``scatter_<label>``, ``bias_<label>`` (3, n): value, low, high;
        title (str).

    Returns
    -------
    matplotlib.figure.Figure
    """
    labels, names = tuple(LABEL_TEXT), data["names"]
    fig, axes = subplots(1, 5, width=PAGE, height=1.0 + 0.19 * len(names), sharey=True)
    for ax, label in zip(axes, labels, strict=True):
        _method_axis(ax, names)
        draw_intervals(ax, data[f"scatter_{label}"], COLOURS[0], "robust scatter")
        draw_intervals(ax, data[f"bias_{label}"], COLOURS[5], "bias", "white", 0.22)
        ax.axvline(0, color="k", lw=0.5)
        ax.set_xlabel(LABEL_TEXT[label])
    handles, texts = axes[0].get_legend_handles_labels()
    fig.legend(handles, texts, loc="outside lower center", ncols=2)
    fig.suptitle(str(data["title"]), fontsize=8)
    return fig


def _group_lines(ax, values, names):
    """Draw methods over groups: thin and grey but for `_NAMED`; returns `ax`."""
    place = np.arange(values.shape[1])
    for name, line in zip(map(str, names), values, strict=True):
        colour, marker, style = _NAMED.get(name, ("0.75", "", "-"))
        ax.plot(place, line, color=colour, marker=marker, ls=style, ms=3.5,
                lw=1.2 if name in _NAMED else 0.6, zorder=3 if name in _NAMED else 1)  # fmt: skip
    return ax


def _end_labels(ax, values, names, least=0.06):
    """Name the lines of `_NAMED` at their right ends, `least` of the axis apart; returns `ax`."""
    low, high = np.log(ax.get_ylim())
    ends = {str(name): (np.log(line[-1]) - low) / (high - low)
            for name, line in zip(names, values, strict=True)
            if str(name) in _NAMED and np.isfinite(line[-1])}  # fmt: skip
    below = -np.inf
    for name, y in sorted(ends.items(), key=lambda end: end[1]):
        below = max(y, below + least)
        ax.annotate(name, (values.shape[1] - 1, np.exp(low + y * (high - low))),
                    (1.04, below), textcoords="axes fraction", va="center", fontsize=6,
                    color=_NAMED[name][0], annotation_clip=False,
                    arrowprops={"arrowstyle": "-", "lw": 0.4, "color": "0.6"})  # fmt: skip
    return ax


@figure("08_groups")
def draw_groups(data):
    """Draw the scatter of [Fe/H] and [C/H] of every method by S/N, metallicity and evolution.

    Parameters
    ----------
    data : dict of ndarray
        names (n,); groupings (k,); ``groups_<i>`` (g,) texts; ``<label>_<i>`` (n, g) and ``n_<i>``
        (g,) spectra; title (str).

    Returns
    -------
    matplotlib.figure.Figure
    """
    names, groupings = data["names"], data["groupings"]
    fig, axes = subplots(2, len(groupings), width=PAGE, height=4.6, sharey="row")
    for line, label in zip(axes, ("fe_h", "c_h"), strict=True):
        for i, (ax, grouping) in enumerate(zip(line, groupings, strict=True)):
            texts = data[f"groups_{i}"]
            _group_lines(ax, data[f"{label}_{i}"], names)
            ticks = [f"{text}\n({n:d})".replace(" to ", "\nto ").replace("-", "\N{MINUS SIGN}")
                     if str(grouping) != "evolution" else f"{text}\n({n:d})"
                     for text, n in zip(texts, data[f"n_{i}"], strict=True)]  # fmt: skip
            ax.set_xticks(np.arange(texts.size), ticks, fontsize=6)
            ax.set(xlabel=str(grouping), yscale="log", xlim=(-0.3, texts.size - 0.7))
        line[0].set_ylabel(f"scatter of {LABEL_TEXT[label]}")
        _end_labels(line[-1], data[f"{label}_{len(groupings) - 1}"], names)
    fig.suptitle(f"{data['title']}; grey: the other methods", fontsize=8)
    return fig


@figure("08_classes")
def draw_classes(data):
    """Draw precision against recall of every cut, and F1 and area with their intervals.

    Parameters
    ----------
    data : dict of ndarray
        names (n,); ``precision_<i>``, ``recall_<i>`` of each method; f1, area (3, n); cut (2, n),
        precision and recall of the plain cut; share, of true CEMP spectra; title (str).

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = data["names"]
    fig, (left, right) = subplots(1, 2, width=PAGE, height=max(3.2, 1.2 + 0.17 * len(names)))
    for place, name in enumerate(map(str, names)):
        named = name in _NAMED
        colour, marker, style = _NAMED.get(name, ("0.75", "o", "-"))
        left.plot(data[f"recall_{place}"], data[f"precision_{place}"], color=colour, ls=style,
                  lw=1.2 if named else 0.6, zorder=3 if named else 1)  # fmt: skip
        left.plot(*data["cut"][::-1, place], marker, ms=5 if named else 3, color=colour, ls=style,
                  mec="k" if named else "0.5", mew=0.5, zorder=4 if named else 2,
                  label=name if named else None)  # fmt: skip
    left.plot([], [], "o-", color="0.75", ms=3, mec="0.5", mew=0.5, label="the other methods")
    left.axhline(float(data["share"]), color="0.6", lw=0.6, ls=":")
    left.set(xlabel="recall", ylabel="precision", xlim=(0.4, 1.0), ylim=(0.4, 1.02))
    handles, texts = left.get_legend_handles_labels()
    fig.legend(handles, texts, loc="outside lower center", ncols=5)
    _method_axis(right, names)
    draw_intervals(right, data["f1"], COLOURS[0], "F1, plain cut")
    draw_intervals(right, data["area"], COLOURS[1], "area under the curve", "white", 0.22)
    right.set_xlabel("F1 of the plain cut (filled),\narea under the curve (open)")
    fig.suptitle(str(data["title"]), fontsize=8)
    return fig


def draw_matrix(ax, matrix, names, title):
    """Draw who is ahead of whom: rows against columns; returns `ax`."""
    colours = ListedColormap([COLOURS[5], "0.93", COLOURS[0]])
    ax.imshow(np.ma.masked_invalid(matrix), cmap=colours, vmin=-1, vmax=1, aspect="equal")
    for (row, column), value in np.ndenumerate(matrix):
        if np.isfinite(value) and value:
            ax.text(column, row, "+" if value > 0 else "\N{MINUS SIGN}", ha="center", va="center",
                    fontsize=5, color="white")  # fmt: skip
    ax.set_xticks(np.arange(len(names)), [str(n) for n in names], rotation=90, fontsize=6)
    ax.set_yticks(np.arange(len(names)), [str(n) for n in names], fontsize=6)
    ax.tick_params(length=0)
    ax.set_title(title, fontsize=7)
    return ax


@figure("08_ranking")
def draw_ranking(data):
    """Draw matrices of paired comparisons.

    Parameters
    ----------
    data : dict of ndarray
        names (n,); measures (m,) texts; matrices (m, n, n): 1 where the row's method is ahead of
        the column's, -1 behind, 0 neither, NaN not compared; title (str).

    Returns
    -------
    matplotlib.figure.Figure
    """
    n_rows = -(-len(data["measures"]) // 3)
    fig, axes = subplots(n_rows, 3, width=PAGE, height=1.3 + 2.1 * n_rows, squeeze=False,
                         sharex=True, sharey=True)  # fmt: skip
    panels = zip(axes.flat, data["matrices"], data["measures"], strict=False)
    for ax, matrix, measure in panels:
        draw_matrix(ax, matrix, data["names"], str(measure))
    for ax in axes.flat[len(data["measures"]):]:
        ax.set_visible(False)
    fig.suptitle(str(data["title"]), fontsize=8)
    return fig


@figure("08_cost")
def draw_cost(data):
    """Draw the time to fit against the time to label.

    Parameters
    ----------
    data : dict of ndarray
        names, fit_s, spectra_per_s, area (n,): CPU seconds, rate of one core, and the area under
        the precision-recall curve; title (str).

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, (left, right) = subplots(1, 2, width=PAGE, height=3.0, sharey=True)
    for place, name in enumerate(data["names"]):
        look = method_style(place) | {"ls": "none"}
        left.plot(data["fit_s"][place], data["spectra_per_s"][place], ms=5, **look)
        right.plot(data["area"][place], data["spectra_per_s"][place], ms=5, label=str(name), **look)
    left.set(xscale="log", yscale="log", xlabel="fit [CPU s]", ylabel="spectra a second, one core")
    right.set_xlabel("area under the precision-recall curve")
    handles, texts = right.get_legend_handles_labels()
    fig.legend(handles, texts, loc="outside right center", fontsize=6)
    fig.suptitle(str(data.get("title", "mock survey")), fontsize=8)
    return fig


@figure("08_reliability")
def draw_reliability(data):
    """Draw how often the truth lies inside central regions, as claimed and recalibrated.

    Parameters
    ----------
    data : dict of ndarray
        names (n,) and places (n,) of the methods with errors, places in the order of all; nominal
        (m,); ``<label>_<i>`` (n, m) with i = 0 as claimed, 1 recalibrated, NaN where not, for
        fe_h, c_h and joint; title (str).

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(2, 3, width=PAGE, height=4.9, sharex=True, sharey=True)
    texts = {"fe_h": "[Fe/H]", "c_h": "[C/H]", "joint": "[Fe/H] and [C/H]"}
    for i, (line, what) in enumerate(zip(axes, ("as claimed", "recalibrated"), strict=True)):
        for ax, (label, text) in zip(line, texts.items(), strict=True):
            ax.plot([0, 1], [0, 1], color="0.6", lw=0.6)
            for name, place, inside in zip(data["names"], data["places"], data[f"{label}_{i}"],
                                           strict=True):  # fmt: skip
                look = method_style(int(place))
                ax.plot(data["nominal"], inside, lw=0.9, ms=3, label=str(name),
                        markevery=(1 + int(place) % 4, 4), **look)  # fmt: skip
            ax.set_title(f"{text}, {what}")
        line[0].set_ylabel("share of the truth inside")
    for ax in axes[1]:
        ax.set_xlabel("content of the region")
    handles, texts = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, texts, loc="outside lower center", ncols=5)
    fig.suptitle(str(data["title"]), fontsize=8)
    return fig
