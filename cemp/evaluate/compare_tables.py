"""Score tables of many methods on their way to the reader: wide tables, arrays, TeX."""

import json

import numpy as np
import pandas as pd

from cemp.constants import LABELS
from cemp.evaluate.compare import Measure
from cemp.evaluate.detection import corner_distance, precision_recall
from cemp.evaluate.tex import count, digits, number, span

#: Quantities by which the ranking is shown.
RANKED = (("scatter", "fe_h"), ("scatter", "c_h"), ("f1", ""), ("area", ""))
LABELS5 = (*LABELS, "c_fe")
_TEXT = {"teff": "Teff", "logg": "log g", "fe_h": "[Fe/H]", "c_h": "[C/H]", "c_fe": "[C/Fe]",
         "f1": "F1", "area": "area, precision-recall"}  # fmt: skip


def label_measures(statistics, labels=LABELS5, reference="true_"):
    """List the measures of several statistics and labels."""
    return [Measure(name, label, reference) for label in labels for name in statistics]


def measure_text(statistic, label=""):
    """Name a measure.

    >>> measure_text("scatter", "fe_h"), measure_text("f1")
    ('scatter of [Fe/H]', 'F1')
    """
    return f"{statistic} of {_TEXT[label]}" if label else _TEXT.get(statistic, statistic)


def wide(table, names, rows="method"):
    """One line a method, one column a label and statistic.

    Parameters
    ----------
    table : pandas.DataFrame
        Long, from `cemp.evaluate.compare`.
    names : dict of str to str
        Name of each method by key, in the order of lines.
    rows : str
        Column whose values become lines.

    Returns
    -------
    pandas.DataFrame
    """
    columns = ["label", "statistic"] if table["label"].astype(bool).any() else ["statistic"]
    values = table.pivot(index=rows, columns=columns, values="value")
    kept = list(dict.fromkeys(table[columns].itertuples(index=False, name=None)))
    values = values[kept if len(columns) > 1 else [name for (name,) in kept]]
    return values.reindex(list(names)).rename(index=names).rename_axis(None)


def scores_of(table, keys, statistic, label=""):
    """Value and interval of one measure for all methods, shape (3, n); NaN where not scored."""
    rows = table[(table["statistic"] == statistic) & (table["label"] == label)]
    return rows.set_index("method")[["value", "low", "high"]].reindex(list(keys)).to_numpy().T


def label_arrays(table, names):
    """Arrays of the figure of scatter and bias; see `cemp.plots.methods.draw_labels`."""
    arrays = {f"{name}_{label}": scores_of(table, names, name, label)
              for name in ("scatter", "bias") for label in LABELS5}  # fmt: skip
    return arrays | {"names": list(names.values())}


def group_arrays(table, names, groups, statistic="scatter"):
    """Arrays of the figure by groups.

    Parameters
    ----------
    table : pandas.DataFrame
        From `cemp.evaluate.compare.score_groups`, with a column `grouping`.
    names : dict of str to str
    groups : dict of str to dict of str to ndarray of bool
        From `cemp.evaluate.groups.all_groups`.
    statistic : str

    Returns
    -------
    dict of str to ndarray
        See `cemp.plots.methods.draw_groups`.
    """
    arrays = {"names": list(names.values()), "groupings": list(groups)}
    kept = table[table["statistic"] == statistic]
    for i, (grouping, members) in enumerate(groups.items()):
        part = kept[kept["grouping"] == grouping]
        for label in ("fe_h", "c_h"):
            cells = part[part["label"] == label].pivot(
                index="method", columns="group", values="value")
            arrays[f"{label}_{i}"] = cells.reindex(list(names))[list(members)].to_numpy()
        arrays[f"groups_{i}"] = list(members)
        arrays[f"n_{i}"] = [int(rows.sum()) for rows in members.values()]
    return arrays


def class_arrays(frame, classes, names, reference, true):
    """Arrays of the figure of classes.

    Parameters
    ----------
    frame : pandas.DataFrame
    classes : pandas.DataFrame
        From `cemp.evaluate.compare.score_methods`.
    names : dict of str to str
    reference : str
    true : ndarray of bool
        Rows that are CEMP by the reference.

    Returns
    -------
    dict of str to ndarray
        See `cemp.plots.methods.draw_classes`.
    """
    known = np.isfinite(frame[f"{reference}c_fe"].to_numpy(float))
    arrays = {"names": list(names.values()), "share": true[known].mean(),
              "f1": scores_of(classes, names, "f1"), "area": scores_of(classes, names, "area"),
              "cut": np.array([scores_of(classes, names, name)[0]
                               for name in ("precision", "recall")])}  # fmt: skip
    for i, key in enumerate(names):
        score = corner_distance(frame[f"{key}_fe_h"], frame[f"{key}_c_fe"])[known]
        curve = precision_recall(score, true[known])
        arrays[f"precision_{i}"], arrays[f"recall_{i}"] = curve
    return arrays


def cost_table(records):
    """Tabulate what each method costs.

    Parameters
    ----------
    records : dict of str to dict
        From `cemp.methods.run.run_jobs`.

    Returns
    -------
    pandas.DataFrame
        By key: name, fit_s and predict_s (CPU seconds of one core), spectra_per_s, n_parameters,
        memory_gib (peak of the process, data included), n_judged, n_failed.
    """
    kept = ("name", "fit_s", "predict_s", "spectra_per_s", "n_parameters", "n_judged", "n_failed")
    lines = {key: {name: record[name] for name in kept} for key, record in records.items()}
    table = pd.DataFrame.from_dict(lines, orient="index")
    return table.assign(memory_gib=[r["peak_bytes"] / 2**30 for r in records.values()])


def cost_rows(cost):
    """Rows of the paper's table of costs."""
    return [[line["name"], number(line["fit_s"], ".0f"), count(round(line["spectra_per_s"])),
             count(line["n_parameters"]), number(line["memory_gib"], ".1f"),
             count(line["n_failed"])] for line in cost.to_dict("records")]  # fmt: skip


def score_rows(table, names, statistics=("bias", "scatter", "mae")):
    """Rows of the paper's table of labels: method, then for every label the statistics."""
    rows = []
    for key, name in names.items():
        cells = [number(scores_of(table, [key], statistic, label)[0, 0], digits(label))
                 for label in LABELS5 for statistic in statistics]  # fmt: skip
        rows.append([name, *cells])
    return rows


def class_rows(table, names):
    """Rows of the paper's table of classes: precision, recall, F1, areas with intervals."""
    statistics = ("precision", "recall", "f1", "area", "area_p")
    return [[name, *(span(*scores_of(table, [key], statistic)[:, 0], ".3f")
                     for statistic in statistics)] for key, name in names.items()]  # fmt: skip


def standing(pairs, names):
    """Count for each method how many others it is ahead of and behind.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Of several measures, with a column `measure`.
    names : dict of str to str

    Returns
    -------
    pandas.DataFrame
        One line a method; for each measure ``+a -b``: ahead of a, behind b.
    """
    lines = {}
    for measure, part in pairs.groupby("measure", sort=False):
        both = pd.concat([part[["first", "ahead"]].set_axis(["method", "ahead"], axis=1),
                          part[["second", "ahead"]].set_axis(["method", "ahead"], axis=1).assign(
                              ahead=-part["ahead"])])  # fmt: skip
        grouped = both.groupby("method")["ahead"]
        ahead, behind = grouped.agg(lambda x: int((x > 0).sum())), grouped.agg(
            lambda x: int((x < 0).sum()))  # fmt: skip
        lines[measure] = {names[key]: f"+{ahead[key]} -{behind[key]}" for key in names}
    return pd.DataFrame(lines)


def standing_rows(table):
    r"""Rows of the paper's table of standings.

    >>> standing_rows(pd.DataFrame({"F1": ["+2 -0"]}, index=["A"]))
    [['A', '$+2$ $-0$']]
    """
    return [[name, *(" ".join(f"${part}$" for part in cell.split()) for cell in line)]
            for name, line in zip(table.index, table.to_numpy(), strict=True)]  # fmt: skip


def tuning_rows(summary, names):
    """Rows of the paper's table of tuning: method, trials, CPU minutes, losses, what was chosen."""
    return [[names[key], line["trials"], number(line["CPU min"], ".1f"),
             number(line["worst"], ".3f"), number(line["chosen loss"], ".3f"),
             settings_text(line["chosen"])]
            for key, line in summary.iterrows() if key in names]  # fmt: skip


def settings_text(settings):
    r"""Write chosen settings in TeX.

    >>> settings_text('{"n_units": 3}'), settings_text("{}")
    ('n\\_units = 3', 'defaults')
    """
    found = json.loads(settings)
    text = ", ".join(f"{key} = {value}" for key, value in found.items()) or "defaults"
    return text.replace("_", r"\_")


def method_values(names, scores, classes, cost):
    """Collect what the paper's text may say of each method.

    Parameters
    ----------
    names : dict of str to str
    scores, classes, cost : pandas.DataFrame
        Of labels, of classes, and from `cost_table`.

    Returns
    -------
    dict of str to tuple
        Arguments of `cemp.results.Value` by macro, ``Methods<Quantity><Key>``.
    """
    quantities = (("FOne", classes, "f1", "", "F1 of the plain cut"),
                  ("Area", classes, "area", "", "area, precision-recall"),
                  ("FeHScatter", scores, "scatter", "fe_h", "scatter of [Fe/H] [dex]"),
                  ("CHScatter", scores, "scatter", "c_h", "scatter of [C/H] [dex]"))  # fmt: skip
    values = {}
    for key, name in names.items():
        for macro, table, statistic, label, what in quantities:
            value = scores_of(table, [key], statistic, label)[0, 0]
            values[f"Methods{macro}{key.title()}"] = (value, ".3f", f"{what}, {name}")
        line = cost.loc[key]
        values[f"MethodsRate{key.title()}"] = (line["spectra_per_s"], ",.0f",
                                               f"spectra a second on a core, {name}")
        values[f"MethodsFit{key.title()}"] = (line["fit_s"], ",.0f", f"CPU s to fit, {name}")
    return values
