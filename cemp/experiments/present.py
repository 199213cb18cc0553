"""Tables of the experiments on their way to figures, to the notebook and to the paper."""

import json
import re

import numpy as np
import pandas as pd

from cemp.errors import BadInputError
from cemp.evaluate.present import bin_texts
from cemp.experiments import bench
from cemp.methods import registry
from cemp.paths import ROOT
from cemp.plots.experiments import SCORE_TEXT
from cemp.synthesis.grid import grid_hash

#: Where the committed tables are.
FOLDER = ROOT / "cemp" / "data" / "experiments"


def read(name, folder=FOLDER):
    """Read a committed table and where it comes from.

    Parameters
    ----------
    name : str
        Table, such as ``"ablation"``.
    folder : pathlib.Path

    Returns
    -------
    table : pandas.DataFrame
    about : dict
        Provenance; empty for a table that another one's provenance covers.

    Raises
    ------
    BadInputError
        If it is not there.
    """
    path = folder / f"{name}.csv"
    if not path.is_file():
        target = "ablation" if name.startswith("ablation") else "thesis"
        raise BadInputError(f"no {path.name} in {path.parent}: run `make {target}`")
    about = path.with_suffix(".json")
    return pd.read_csv(path), json.loads(about.read_text()) if about.is_file() else {}


def provenance(paths, names=("ablation", "cost", "beyond", "without"), folder=FOLDER):
    """Say what the committed tables rest on.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The run that reads them.
    names : sequence of str
        Tables.
    folder : pathlib.Path

    Returns
    -------
    pandas.DataFrame
        By table: profile, cpu_h (processor hours, where they were kept), grid (whether the
        synthetic spectra were those of today), survey (whether spectra, labels and truth were
        this run's, to the last bit; tables that do not say count as another's), torch.
    """
    made, today, survey = {}, grid_hash(), bench.data_mark(paths)
    for name in names:
        about = read(name, folder)[1]
        made[name] = {"profile": about.get("profile", ""),
                      "cpu_h": sum(about.get("cpu_seconds", {}).values()) / 3600 or np.nan,
                      "grid": "today's" if about["grid"] == today else "an earlier one",
                      "survey": _survey(about, survey),
                      "torch": about["versions"]["torch"]}  # fmt: skip
    return pd.DataFrame.from_dict(made, orient="index")


def _survey(about, mark):
    """Say whose survey a table rests on; times (no profile) rest on none."""
    if "profile" not in about:
        return "none needed"
    return "this run's" if about.get("data_mark") == mark else "another one"


def ablation_sentences(table):
    """Say of every variant what its intervals show.

    Parameters
    ----------
    table : pandas.DataFrame
        From `cemp.experiments.paired.ablation_table`.

    Returns
    -------
    dict of str to str
        By variant, such as ``"worse in F1 of CEMP, RMSE [C/H]"`` or ``"no difference shown"``.
    """
    said = {}
    for variant, part in table.groupby("variant", sort=False):
        counted = [f"{verdict} in {', '.join(SCORE_TEXT[name] for name in rows['score'])}"
                   for verdict, rows in part[part["verdict"] != "neither"].groupby("verdict")]
        said[variant] = "; ".join(counted) or "no difference shown"
    return said


def ablation_values(table, runs, about):
    """Numbers of the ablation for the paper.

    Parameters
    ----------
    table, runs : pandas.DataFrame
        ``ablation.csv`` and ``ablation_runs.csv``.
    about : dict
        Provenance.

    Returns
    -------
    dict of str to tuple
        Arguments of `cemp.results.Value` by macro: counts; the comparisons that luck alone would
        let seem to differ; and for each variant its difference in F1 and its sentence.
    """
    values = {
        "ExpRuns": (len(runs), ",d", "runs of the ablation"),
        "ExpSeeds": (int(runs["seed"].nunique()), "d", "seeds of each variant"),
        "ExpDraws": (int(about["epochs"]), "d", "draws of the training sample a run"),
        "ExpComparisons": (len(table), "d", "comparisons of the ablation"),
        "ExpDiffer": (int((table["verdict"] != "neither").sum()), "d", "that exclude zero"),
        "ExpByLuck": (0.05 * len(table), ".0f", "that luck alone would let exclude zero"),
    }
    f1 = table[table["score"] == "f1"].set_index("variant")["difference"]
    for variant, sentence in ablation_sentences(table).items():
        name = "".join(part.capitalize() for part in variant.split("_"))
        values[f"ExpFOne{name}"] = (f1[variant], "+.3f", f"F1 less the base's: {variant}")
        values[f"ExpSays{name}"] = (tex(sentence), "", f"what the intervals show: {variant}")
    return values


def claim_values(table):
    """Give what was found of each claim and its verdict, for `cemp.results.Value`."""
    values = {}
    for _, row in table.iterrows():
        values[f"Exp{row['key']}"] = (tex(row["found"]), "", row["claim"])
        values[f"Exp{row['key']}Verdict"] = (row["verdict"], "", f"verdict: {row['claim']}")
    return values


def ablation_arrays(table):
    """Arrays of the figure of the ablation.

    Parameters
    ----------
    table : pandas.DataFrame
        From `cemp.experiments.paired.ablation_table`.

    Returns
    -------
    dict of ndarray
        See `cemp.plots.experiments.draw_ablation`.
    """
    order, scores = list(dict.fromkeys(table["what"])), list(dict.fromkeys(table["score"]))
    arrays = {"what": np.array(order), "score": np.array(scores)}
    for column in ("difference", "low", "high", "verdict"):
        wide = table.pivot(index="what", columns="score", values=column)
        arrays[column] = wide.loc[order, scores].to_numpy()
    return arrays


def ablation_view(table):
    """One line a variant: differences with an asterisk where their interval excludes zero."""
    text = table["difference"].map("{:+.3f}".format)
    text += np.where(table["verdict"] == "neither", "", "*")
    wide = table.assign(text=text).pivot(index="what", columns="score", values="text")
    order, scores = dict.fromkeys(table["what"]), list(dict.fromkeys(table["score"]))
    return wide.loc[list(order), scores]


def faint_arrays(table, names=None):
    """Arrays of the figure of faint spectra.

    Parameters
    ----------
    table : pandas.DataFrame
        From `cemp.experiments.faint.faint_table`.
    names : dict of str to str, optional
        Names to show for methods.

    Returns
    -------
    dict of ndarray
        See `cemp.plots.experiments.draw_faint`.
    """
    part = table[table["label"] == "c_fe"]
    methods, groups = list(dict.fromkeys(part["method"])), list(dict.fromkeys(part["group"]))
    edges = [*sorted(part["low_snr"].unique()), part["high_snr"].max()]
    arrays = {"method": np.array([(names or {}).get(m, m) for m in methods]),
              "group": np.array(groups), "snr": np.array(bin_texts(edges))}  # fmt: skip
    for statistic in ("scatter", "bias"):
        rows = part[part["statistic"] == statistic].set_index(["group", "method", "low_snr"])
        rows = rows.sort_index()
        arrays[statistic] = np.array([
            [rows.loc[(g, m), ["value", "low", "high"]].to_numpy() for m in methods]
            for g in groups])  # fmt: skip
    return arrays


def beyond_arrays(table):
    """Arrays of the figure of stars beyond the cut (`cemp.plots.experiments.draw_beyond`)."""
    methods = list(dict.fromkeys(table["method"]))
    bias = [_biases(table, group, methods) for group in ("fe_h", "c_fe")]
    texts = ("[Fe/H] of stars below -3.5", "[C/Fe] of stars above 2")
    return {"method": np.array(methods), "group": np.array(texts), "bias": np.array(bias)}


def _biases(table, label, methods):
    """Biases (m, 2, 3) of the label that lies beyond: value and interval, cut first."""
    part = table[(table["group"] == label) & (table["label"] == label)]
    part = part.set_index(["method", "cut"])[["bias", "bias_low", "bias_high"]]
    keys = [[(method, cut) for cut in (True, False)] for method in methods]
    return [[part.loc[key].to_numpy() if key in part.index else [np.nan] * 3 for key in pair]
            for pair in keys]  # fmt: skip


def beyond_view(table):
    """One line a method: bias and RMSE of the label beyond the cut, cut out and in training."""
    part = table[(table["group"] == table["label"])].copy()
    part["training"] = np.where(part["cut"], "cut", "all")
    wide = part.pivot(index="method", columns=["group", "training"], values=["bias", "rmse"])
    order = list(dict.fromkeys(part["method"]))
    return wide.loc[order].swaplevel(0, 1, axis=1).sort_index(axis=1)


def method_names(keys):
    """Names of methods as tables call them, by key."""
    return {key: registry.entry(key).load().name for key in keys if key in registry.METHODS}


def signed(value):
    r"""Write a difference in TeX, with its sign; NaN becomes ``\nodata``.

    >>> signed(0.0123), signed(-0.0001)
    ('$+0.012$', '$+0.000$')
    """
    return f"${value:+z.3f}$" if np.isfinite(value) else r"\nodata"


def ablation_tex(table, scores=("f1", "rmse_fe_h", "rmse_c_h_cemp")):
    r"""Rows of the paper's table of the ablation.

    Parameters
    ----------
    table : pandas.DataFrame
    scores : sequence of str

    Returns
    -------
    list of list of str
        Variant, then each difference with its interval; a dagger where it excludes zero.
    """
    rows = []
    for what, part in table.groupby("what", sort=False):
        part, cells = part.set_index("score"), [what]
        for name in scores:
            row = part.loc[name]
            mark = "" if row["verdict"] == "neither" else r"\tablenotemark{a}"
            low, high = (signed(row[end]) for end in ("low", "high"))
            cells.append(f"{signed(row['difference'])}{mark} ({low}, {high})")
        rows.append(cells)
    return rows


def tex(text):
    r"""Put relations and signs of a text into TeX's mathematics.

    >>> tex("-0.1 at S/N < 15")
    '$-$0.1 at S/N $<$ 15'
    """
    return re.sub(r"([<>]|[-+](?=\d))", r"$\1$", str(text))


def claim_tex(table):
    """Rows of the paper's table of claims."""
    return [[tex(row[name]) for name in ("claim", "found", "verdict")]
            for _, row in table.iterrows()]  # fmt: skip
