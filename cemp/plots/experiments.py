"""Figures of 09_experiments: ablation, cost, faint spectra, stars beyond the training."""

import numpy as np

from cemp.figures import figure
from cemp.plots.style import COLOURS, PAGE, subplots

#: Scores of the ablation as axes name them.
SCORE_TEXT = {
    "f1": "F1 of CEMP", "rmse_fe_h": "RMSE [Fe/H]", "rmse_c_h": "RMSE [C/H]",
    "rmse_c_h_cemp": "RMSE [C/H], CEMP", "rmse_c_h_faint": "RMSE [C/H], S/N < 20",
}  # fmt: skip
#: Colour by verdict, and a marker that tells it in grey.
VERDICTS = {"worse": (COLOURS[5], "s"), "better": (COLOURS[2], "^"), "neither": ("0.45", "o")}
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "h", "p")


@figure("09_ablation")
def draw_ablation(data):
    """Draw how much each variant differs from the base, score by score.

    Parameters
    ----------
    data : dict of ndarray
        what (n,) names of variants; score (s,); difference, low, high (n, s); verdict (n, s);
        title.

    Returns
    -------
    matplotlib.figure.Figure
    """
    n_variant, scores = len(data["what"]), data["score"]
    fig, axes = subplots(1, len(scores), width=PAGE, height=0.19 * n_variant + 1.1, sharey=True,
                         squeeze=False)  # fmt: skip
    places = np.arange(n_variant)[::-1]
    for k, ax in enumerate(axes[0]):
        ax.axvline(0, color="0.7", lw=0.8)
        for i, y in enumerate(places):
            colour, marker = VERDICTS[str(data["verdict"][i, k])]
            ax.plot([data["low"][i, k], data["high"][i, k]], [y, y], color=colour, lw=1.0)
            ax.plot(data["difference"][i, k], y, marker, color=colour, ms=3.5)
        ax.set_xlabel(SCORE_TEXT[str(scores[k])], fontsize=6.5)
        ax.locator_params(axis="x", nbins=3)
        ax.tick_params(labelsize=6)
    axes[0, 0].set_yticks(places, [str(name) for name in data["what"]], fontsize=6)
    axes[0, len(scores) // 2].set_title(str(data["title"]))
    return fig


@figure("09_cost")
def draw_cost(data):
    """Draw time a spectrum against the number of labels, and the size of the library.

    Parameters
    ----------
    data : dict of ndarray
        n_labels, templates, search_s, refine_s, tuned_s, paper_s (n,); title.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, ax = subplots(height=2.7)
    shown = (("search_s", "search of a library"), ("refine_s", "fit with an emulator"),
             ("paper_s", "MACRN, paper"), ("tuned_s", "MACRN, tuned"))  # fmt: skip
    for (name, text), marker, colour in zip(shown, MARKERS, COLOURS, strict=False):
        ax.plot(data["n_labels"], 1e3 * data[name], marker + "-", ms=4, color=colour, label=text)
    for x, y, n in zip(data["n_labels"], 1e3 * data["search_s"], data["templates"], strict=True):
        ax.annotate(f"{int(n):,}", (x, y), (0, 5), textcoords="offset points", ha="center",
                    fontsize=5.5)  # fmt: skip
    ax.set(yscale="log", xlabel="labels", ylabel="processor time a spectrum [ms]",
           title=str(data["title"]), xticks=data["n_labels"])  # fmt: skip
    ax.margins(y=0.12)
    ax.legend(fontsize=6)
    return fig


@figure("09_faint")
def draw_faint(data):
    """Draw scatter and bias of [C/Fe] against S/N, for all stars and for CEMP stars.

    Parameters
    ----------
    data : dict of ndarray
        method (m,); group (2,); snr (b,) bin names; bias and scatter (2, m, b, 3): value and
        interval; title.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, axes = subplots(2, len(data["group"]), width=PAGE, height=4.4, sharex=True, sharey="row")
    place, n_method = np.arange(len(data["snr"])), len(data["method"])
    for row, statistic in enumerate(("scatter", "bias")):
        for column, group in enumerate(data["group"]):
            ax = axes[row, column]
            ax.axhline(0, color="0.8", lw=0.6)
            for k, method in enumerate(data["method"]):
                value, low, high = data[statistic][column, k].T
                x = place + 0.7 * ((k + 0.5) / n_method - 0.5)
                colour = COLOURS[k % len(COLOURS)]
                ax.errorbar(x, value, [value - low, high - value], fmt=MARKERS[k % len(MARKERS)],
                            ms=2.8, lw=0.7, color=colour, label=str(method))  # fmt: skip
            ax.set_ylabel(f"{statistic} of [C/Fe] [dex]" if column == 0 else "")
            if row == 0:
                ax.set_title(f"{group}, {data['title']}")
    for ax in axes[1]:
        ax.set_xticks(place, [str(name) for name in data["snr"]])
        ax.set_xlabel("S/N in g")
    handles, texts = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, texts, loc="outside lower center", ncols=min(n_method, 7), fontsize=6)
    return fig


@figure("09_beyond")
def draw_beyond(data):
    """Draw the bias beyond the cut, with training beyond it and without.

    Parameters
    ----------
    data : dict of ndarray
        method (m,); group (g,) names; bias (g, m, 2, 3): by cut (without, with training beyond),
        value and interval; title.

    Returns
    -------
    matplotlib.figure.Figure
    """
    n_method = len(data["method"])
    fig, axes = subplots(1, len(data["group"]), width=PAGE, height=0.22 * n_method + 1.2,
                         sharey=True, squeeze=False)  # fmt: skip
    places = np.arange(n_method)[::-1]
    styles = (("o", COLOURS[5], "cut out of training"), ("s", COLOURS[0], "in training"))
    for ax, group, bias in zip(axes[0], data["group"], data["bias"], strict=True):
        ax.axvline(0, color="0.7", lw=0.8)
        for k, (marker, colour, text) in enumerate(styles):
            value, low, high = bias[:, k].T
            ax.errorbar(value, places + 0.12 - 0.24 * k, xerr=[value - low, high - value],
                        fmt=marker, ms=3.5, lw=0.9, color=colour, label=text)  # fmt: skip
        ax.set_xlabel(f"bias, {group} [dex]")
    axes[0, 0].set_yticks(places, [str(name) for name in data["method"]])
    axes[0, 0].set_title(str(data["title"]))
    axes[0, -1].legend(fontsize=6)
    return fig
