"""What a training run is made of, as tables and arrays for the notebook that shows it."""

import numpy as np
import pandas as pd
import torch

from cemp.constants import LABELS, N_PIX, rng
from cemp.errors import BadInputError
from cemp.models.data import label_array, to_input
from cemp.models.macrn import Macrn, count_parameters
from cemp.sample import balanced_draw

_FE_H, _C_H = LABELS.index("fe_h"), LABELS.index("c_h")


def fold_rows(observations, labels, fold, snrg_min=None):
    """Join the spectra of a fold with their stars' labels, by star.

    Parameters
    ----------
    observations : pandas.DataFrame
        Columns obsid, star_id, fold, snrg.
    labels : pandas.DataFrame
        One row a star: star_id, the four labels, c_h_limit.
    fold : str
        ``"train"`` or ``"validation"``.
    snrg_min : float, optional
        Least S/N in g.

    Returns
    -------
    pandas.DataFrame
        obsid, star_id, snrg, the labels and c_h_limit, one row a spectrum.

    Raises
    ------
    BadInputError
        If nothing is left.
    """
    rows = observations.loc[observations["fold"] == fold, ["obsid", "star_id", "snrg"]]
    if snrg_min is not None:
        rows = rows[rows["snrg"] >= snrg_min]
    columns = ["star_id", *LABELS, "c_h_limit"]
    rows = rows.merge(labels[columns], on="star_id", validate="many_to_one")
    if rows.empty:
        raise BadInputError(
            f"no {fold} spectra with labels in 01/observations.parquet: lower snrg_min or "
            "add labelled stars"
        )
    return rows.sort_values("obsid", ignore_index=True)


def _counts(rows, sample):
    labels = label_array(rows)
    c_fe = labels[:, _C_H] - labels[:, _FE_H]
    cemp = (labels[:, _FE_H] < -2) & (c_fe > 0.7)
    return {
        "spectra": len(rows),
        "without usable vector": len(rows) - len(sample),
        "stars": rows["star_id"].nunique(),
        **{f"with {name}": int(np.isfinite(labels[:, i]).sum()) for i, name in enumerate(LABELS)},
        "carbon only a limit": int(rows["c_h_limit"].sum()),
        "stars with [Fe/H] < -2": rows.loc[labels[:, _FE_H] < -2, "star_id"].nunique(),
        "stars labelled CEMP": rows.loc[cemp, "star_id"].nunique(),
    }


def label_counts(rows, samples):
    """Count spectra, stars and labels.

    Parameters
    ----------
    rows : dict of str to pandas.DataFrame
        Of `fold_rows`, by fold.
    samples : dict of str to Sample
        What of them could be read.

    Returns
    -------
    pandas.DataFrame
        One column a fold.
    """
    return pd.DataFrame({fold: _counts(rows[fold], samples[fold]) for fold in rows})


def balance(fe_h, width, seed, n_epochs=10):
    """Tell how much of a sample the balanced draw of one and of several epochs uses.

    Parameters
    ----------
    fe_h : ndarray (n,)
        Of the training rows [dex].
    width : float
        Bin [dex].
    seed : int
    n_epochs : int

    Returns
    -------
    pandas.DataFrame
        By number of draws: rows drawn in each, different rows used, fraction of all.
    """
    random, used, table = rng("03 balance", seed), set(), {}
    for n in range(1, n_epochs + 1):
        drawn = balanced_draw(fe_h, random, width=width)
        used.update(drawn.tolist())
        table[n] = {"drawn in each": len(drawn), "different": len(used), "of": len(fe_h)}
    return pd.DataFrame(table).T.rename_axis("draws").loc[[1, n_epochs]]


def parameter_table(model):
    """Count parameters by part of the network; the last row is their sum."""
    table = {name: count_parameters(part) for name, part in model.named_children()}
    table = {name: n for name, n in table.items() if n}
    return pd.Series({**table, "all": count_parameters(model)}, name="parameters").to_frame()


def architecture(config):
    """Take from a configuration what the architecture figure shows (a dict of arrays)."""
    return {
        "kernels": np.array(config.kernels),
        "stage_filters": np.array(config.channels),
        "stage_lengths": np.array(config.stage_lengths),
        "n_pix": N_PIX,
        "n_filters": config.n_filters,
        "n_steps": config.n_steps,
        "bottleneck": config.n_filters // config.reduction,
        "lstm_units": config.lstm_units,
        "step_features": config.step_features,
        "head_units": config.head_units,
        "n_parameters": count_parameters(Macrn(config)),
    }


def attention_weights(model, flux, good, batch=128):
    """Attention weights (n, f) that a network gives the filters of each spectrum."""
    weights, device = [], model.label_mean.device
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(flux), batch):
            part = slice(start, start + batch)
            features = model.features(to_input(flux[part], good[part]).to(device))
            weights.append(model.attention.weights(features).cpu().numpy())
    return np.concatenate(weights)


def attention_groups(model, sample):
    """Average attention weights over metal-rich, metal-poor and carbon-enhanced spectra.

    Parameters
    ----------
    model : Macrn
    sample : Sample
        Groups follow its labels; a group without spectra is left out.

    Returns
    -------
    dict of ndarray
        kernel (f,), group (g,), weight (g, f), spread (f,).
    """
    weights = attention_weights(model, sample.flux, sample.good)
    fe_h, c_fe = sample.labels[:, _FE_H], sample.labels[:, _C_H] - sample.labels[:, _FE_H]
    groups = {
        "[Fe/H] > −1": fe_h > -1,
        "[Fe/H] < −2, [C/Fe] < 0.7": (fe_h < -2) & (c_fe < 0.7),
        "[Fe/H] < −2, [C/Fe] > 0.7": (fe_h < -2) & (c_fe > 0.7),
    }
    groups = {name: rows for name, rows in groups.items() if rows.any()}
    return {
        "kernel": np.repeat(model.config.kernels, model.config.channels[-1]),
        "group": np.array(list(groups)),
        "weight": np.array([weights[rows].mean(axis=0) for rows in groups.values()]),
        "spread": weights.std(axis=0),
    }


def _scatter(residual):
    known = residual[np.isfinite(residual)]
    if known.size < 5:
        return known.size, np.nan, np.nan
    robust = 1.4826 * np.median(np.abs(known - np.median(known)))
    return known.size, np.sqrt(np.mean(known**2)), robust


def scatter_table(predicted, labels, snrg):
    """Tabulate residuals, all together and by metallicity and S/N.

    Parameters
    ----------
    predicted, labels : ndarray (n, 4)
        NaN where a label is missing.
    snrg : ndarray (n,)

    Returns
    -------
    pandas.DataFrame
        For each label n, RMSE and robust scatter (1.4826 median absolute deviation), in the
        label's unit; NaN below five spectra.
    """
    fe_h = labels[:, _FE_H]
    groups = {"all": fe_h == fe_h, "[Fe/H] > -1": fe_h > -1, "[Fe/H] < -2": fe_h < -2,
              "S/N(g) >= 50": snrg >= 50, "S/N(g) < 20": snrg < 20}  # fmt: skip
    table = {}
    for group, rows in groups.items():
        row = {}
        for name, residual in zip(LABELS, (predicted - labels)[rows].T, strict=True):
            row[f"{name} n"], rmse, robust = _scatter(residual)
            digits = 0 if name == "teff" else 3
            row[f"{name} RMSE"], row[f"{name} robust"] = round(rmse, digits), round(robust, digits)
        table[group] = row
    return pd.DataFrame(table).T
