"""Why one recipe finds another share of CEMP stars in another sample: where the stars lie."""

import numpy as np
import pandas as pd

from cemp.selection.rates import distance_outside


def depth_table(samples, near=0.3):
    """Compare how deep in the corner of Table 1 samples of CEMP stars lie, and what is found.

    Parameters
    ----------
    samples : dict of str to pandas.DataFrame
        CEMP stars or spectra: fe_h, c_fe (true, or by label), snrg, found (bool).
    near : float
        Distance from the limits of Table 1 [dex] up to which a star lies near them.

    Returns
    -------
    pandas.DataFrame
        One row a sample: how many, medians of [Fe/H], [C/Fe] and S/N(g), the share near the limits,
        and the shares found of all, of those near the limits and of those deeper inside; NaN where
        there is nothing to count.
    """
    rows = {}
    for name, part in samples.items():
        close = -distance_outside(part["fe_h"], part["c_fe"]) < near
        found = part["found"].to_numpy(dtype=float)
        shares = [np.mean(found[which]) if which.any() else np.nan
                  for which in (np.full(len(part), True), close, ~close)]  # fmt: skip
        rows[name] = {
            "CEMP": len(part), "[Fe/H] [dex]": part["fe_h"].median(),
            "[C/Fe] [dex]": part["c_fe"].median(), "S/N(g)": part["snrg"].median(),
            "share near": np.mean(close) if len(part) else np.nan,
            **dict(zip(("found", "found near", "found deeper"), shares, strict=True)),
        }  # fmt: skip
    return pd.DataFrame(rows).T.astype({"CEMP": int})
