"""The selection function: the chance that a star of given labels and S/N becomes a candidate.

A list of candidates says nothing about how many stars there are. With the selection function it
does: in a count of CEMP stars each one found stands for 1 / selection.
"""

import json
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from cemp.atomic import atomic_path
from cemp.candidates.assess import reliability
from cemp.errors import BadInputError
from cemp.mock.carbon import carbon_ceiling
from cemp.mock.tracks import in_grid
from cemp.paths import ROOT
from cemp.selection.sets import FUNCTION_C_FE, FUNCTION_FE_H

#: The committed function of the recipe's default form.
SHIPPED = ROOT / "cemp" / "data" / "selection" / "function.json"
#: Middle and scale of what it depends on: Teff [K], log g, [Fe/H], [C/Fe], ln S/N(g).
SCALES = ((5400.0, 900.0), (2.8, 1.3), (-2.4, 0.9), (1.2, 1.0), (3.8, 0.9))
#: S/N(g) beyond which no spectrum of the simulation lies: brighter ones count as this.
SNR_MAX = 300.0


def _terms(teff, logg, fe_h, c_fe, snr, degree):
    """Polynomial terms up to a degree in the five scaled quantities, shape (n, n_term)."""
    values = [teff, logg, fe_h, c_fe, np.log(np.clip(snr, 1.0, SNR_MAX))]
    x = np.stack([(np.asarray(v, dtype=float) - m) / s
                  for v, (m, s) in zip(values, SCALES, strict=True)])  # fmt: skip
    columns = [np.ones(x.shape[1])]
    for power in range(1, degree + 1):
        for which in combinations_with_replacement(range(len(x)), power):
            columns.append(np.prod(x[list(which)], axis=0))
    return np.stack(columns, axis=1)


class SelectionFunction:
    """Logistic regression on polynomial terms of the labels and ln S/N.

    Parameters
    ----------
    degree : int
        Of the polynomial. Held-out stars tell whether it is high enough (`calibration`).
    strength : float
        Inverse of the penalty on the squared coefficients.

    Attributes
    ----------
    coefficients_ : ndarray, shape (n_term,)
    about_ : dict
        Recipe and provenance.
    """

    def __init__(self, degree=4, strength=1.0):
        self.degree, self.strength, self.about_ = degree, strength, {}

    def fit(self, table, about=None):
        """Fit simulated stars.

        Parameters
        ----------
        table : pandas.DataFrame
            true_teff, true_logg, true_fe_h, true_c_fe, snrg, selected. Spectra below the
            recipe's least S/N are left out: their chance is 0.
        about : dict, optional
            Recipe (key ``recipe``, as a dict) and provenance; kept in the file.

        Returns
        -------
        SelectionFunction
            Itself.

        Raises
        ------
        BadInputError
            If no star, or every star, was selected.
        """
        self.about_ = dict(about or {})
        table = table[table["snrg"] >= self.least_snr()]
        if table["selected"].nunique() < 2:
            raise BadInputError(f"{len(table)} simulated spectra, all or none selected: no fit")
        columns = [table[f"true_{n}"] for n in ("teff", "logg", "fe_h", "c_fe")]
        terms = _terms(*columns, table["snrg"], self.degree)
        model = LogisticRegression(C=self.strength, fit_intercept=False, max_iter=3000)
        self.coefficients_ = model.fit(terms, table["selected"]).coef_[0]
        return self

    def least_snr(self):
        """S/N(g) below which the recipe selects nothing."""
        return self.about_.get("recipe", {}).get("min_snr_g", 0.0)

    def __call__(self, teff, logg, fe_h, c_fe, snr):
        """Give the chance that a star is selected from one usable spectrum.

        Parameters
        ----------
        teff, logg, fe_h, c_fe, snr : array_like
            True labels [K, dex, dex, dex] and S/N(g) of the spectrum; they broadcast.

        Returns
        -------
        ndarray
            0 to 1; NaN outside what was simulated: [Fe/H] of -3.98 to -1.2, [C/Fe] of -0.3 to
            the grid's limit (3.5, or [C/H] = 0.3), Teff and log g of the grid. 0 below the
            recipe's least S/N.
        """
        values = np.broadcast_arrays(*(np.asarray(v, dtype=float)
                                       for v in (teff, logg, fe_h, c_fe, snr)))  # fmt: skip
        shape = values[0].shape
        teff, logg, fe_h, c_fe, snr = (np.ravel(v) for v in values)
        with np.errstate(invalid="ignore"):
            inside = (fe_h >= FUNCTION_FE_H[0]) & (fe_h <= FUNCTION_FE_H[1]) & np.isfinite(snr)
            inside &= (c_fe >= FUNCTION_C_FE) & (c_fe <= carbon_ceiling(fe_h))
            inside &= in_grid(teff, logg)
        out = np.full(teff.size, np.nan)
        x = _terms(*(v[inside] for v in (teff, logg, fe_h, c_fe, snr)), self.degree)
        chance = 1 / (1 + np.exp(-np.clip(x @ self.coefficients_, -50, 50)))
        out[inside] = np.where(snr[inside] >= self.least_snr(), chance, 0.0)
        return out.reshape(shape)

    def calibration(self, table, edges=(0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1)):
        """Compare stated chances with the selected share of stars that it was not fitted to.

        Parameters
        ----------
        table : pandas.DataFrame
            As for `fit`.
        edges : sequence of float
            Bins of the stated chance.

        Returns
        -------
        pandas.DataFrame
            As of `cemp.candidates.assess.reliability`.
        """
        chance = self(*(table[f"true_{n}"] for n in ("teff", "logg", "fe_h", "c_fe")),
                      table["snrg"])  # fmt: skip
        return reliability(chance, table["selected"], np.asarray(edges, dtype=float))

    def to_json(self, path):
        """Write the function.

        Parameters
        ----------
        path : str or pathlib.Path
        """
        content = {"degree": self.degree, "strength": self.strength, "about": self.about_,
                   "coefficients": [float(f"{c:.6g}") for c in self.coefficients_]}  # fmt: skip
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n")

    @classmethod
    def from_json(cls, path=SHIPPED):
        """Read a function that `to_json` wrote.

        Parameters
        ----------
        path : str or pathlib.Path

        Returns
        -------
        SelectionFunction

        Raises
        ------
        BadInputError
            If it cannot be read.
        """
        try:
            content = json.loads(Path(path).read_text())
            function = cls(content["degree"], content["strength"])
            function.about_ = content["about"]
            function.coefficients_ = np.array(content["coefficients"], dtype=float)
        except (OSError, KeyError, ValueError) as error:
            raise BadInputError(f"{path}: no selection function ({error}); run notebook 10"
                                ) from error  # fmt: skip
        return function


def selection(teff, logg, fe_h, c_fe, snr, path=SHIPPED):
    """Give the chance that the mock's chain and recipe select a star.

    Parameters
    ----------
    teff, logg, fe_h, c_fe, snr : array_like
        True labels [K, dex, dex, dex] and S/N(g).
    path : str or pathlib.Path
        The function; the shipped one belongs to the demo's network.

    Returns
    -------
    ndarray
        As of `SelectionFunction.__call__`: NaN where nothing was simulated.

    Examples
    --------
    >>> float(selection(4800, 1.8, -2.8, 2.0, 2.0))   # below the recipe's least S/N
    0.0
    """
    return SelectionFunction.from_json(path)(teff, logg, fe_h, c_fe, snr)


def halves(table, share=0.25, seed=0):
    """Split simulated spectra by star into those to fit and those to judge.

    Parameters
    ----------
    table : pandas.DataFrame
        set and star.
    share : float
        Of the stars to judge.
    seed : int

    Returns
    -------
    fit, judge : pandas.DataFrame
    """
    stars = table[["set", "star"]].drop_duplicates()
    apart = stars.sample(frac=share, random_state=seed)
    key = pd.MultiIndex.from_frame(table[["set", "star"]])
    held = key.isin(pd.MultiIndex.from_frame(apart))
    return table[~held], table[held]
