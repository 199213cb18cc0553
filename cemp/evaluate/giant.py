"""One carbon-enhanced giant, with all that the opening figure says of it."""

import numpy as np

from cemp.candidates.probability import p_cemp, to_c_fe
from cemp.constants import LABELS


def place(row, model):
    """Say where a star lies in the plane of [Fe/H] and [C/Fe], and how surely.

    Parameters
    ----------
    row : pandas.Series
        Predicted labels, snrg, and the reference labels where there are any.
    model : cemp.candidates.errors.ResidualCovariance

    Returns
    -------
    dict
        centre, known (2,): predicted and reference [Fe/H], [C/Fe] (NaN if unknown);
        covariance (2, 2); known_name, text (str); probability of CEMP.
    """
    labels, snr = row[list(LABELS)].to_numpy(float)[None], np.array([row["snrg"]], dtype=float)
    covariance = model.predict(labels, snr)
    joint, error = to_c_fe(covariance)[0], model.errors(labels, snr)[0]
    prefix = "true_" if np.isfinite(row["true_fe_h"]) else "ref_"
    probability = float(p_cemp([row["fe_h"]], [row["c_fe"]], covariance)[0])
    lines = [
        f"$T_\\mathrm{{eff}}$ = {row['teff']:.0f} ± {error[0]:.0f} K",
        f"$\\log g$ = {row['logg']:.2f} ± {error[1]:.2f}",
        f"[Fe/H] = {row['fe_h']:.2f} ± {error[2]:.2f}",
        f"[C/Fe] = {row['c_fe']:.2f} ± {np.sqrt(joint[1, 1]):.2f}",
        f"P(CEMP) = {probability:.3f}",
    ]
    return {
        "centre": row[["fe_h", "c_fe"]].to_numpy(float),
        "known": row[[f"{prefix}fe_h", f"{prefix}c_fe"]].to_numpy(float),
        "known_name": "mock truth" if prefix == "true_" else "catalogue",
        "covariance": joint,
        "text": "\n".join(lines).replace("-", "\N{MINUS SIGN}"),
        "probability": probability,
    }
