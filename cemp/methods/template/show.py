"""One star as template matching sees it: the arrays of its figure."""

import numpy as np

from cemp.constants import C_KMS, LABELS
from cemp.errors import BadInputError
from cemp.methods.template.fit import NAMES
from cemp.methods.template.posterior import sample, surface

#: Half widths of the surfaces' frames in standard deviations of the chain, and their points.
REACH, N_GRID = 3.5, 41
#: Pairs of parameters whose chi-square is shown.
PAIRS = (("fe_h", "c_fe"), ("teff", "logg"))


def star_arrays(method, spectrum, seed=0, n_kept=1500, **steps):
    """Fit and sample one star and collect what its figure shows.

    Parameters
    ----------
    method : cemp.methods.template.TemplateMatching
        Fitted, with `refine`.
    spectrum : cemp.spectrum.Spectrum
    seed : int
    n_kept : int
        Samples kept for the figure, drawn evenly.
    **steps
        Passed to `cemp.methods.template.posterior.sample`.

    Returns
    -------
    dict of str to ndarray
        ``wave`` (rest frame), ``flux``, ``model`` (over the pseudo-continuum), ``residual``
        [sigma], all (m,); ``samples`` (n, 5): teff, logg, fe_h, c_fe, rv; ``best`` (5,) and
        ``error`` (5,) of the fit; for each of `PAIRS` ``surface_K`` (41, 41) with ``first_K`` and
        ``second_K``; ``acceptance``, ``length``, ``chi2``.

    Raises
    ------
    BadInputError
        If the star cannot be fitted.
    """
    fit, = method.fit_spectra([spectrum])
    if isinstance(fit, str):
        raise BadInputError(f"obsid {spectrum.obsid} cannot be fitted ({fit}): choose another")
    posterior = method.posterior(spectrum, fit)
    chain = sample(posterior, seed=seed, **steps)
    columns = [NAMES.index(name) for name in ("teff", "logg", "fe_h", "c_fe", "rv")]
    every = max(1, len(chain.values) // n_kept)
    out = {"samples": chain.values[::every][:n_kept, columns], "best": fit.values[columns],
           "error": np.sqrt(np.diag(fit.covariance))[columns], "chi2": fit.chi2,
           "acceptance": chain.acceptance, "length": chain.length}
    return out | _spectrum_arrays(method, spectrum, fit) | _surfaces(posterior, chain)


def _spectrum_arrays(method, spectrum, fit):
    """Flux and model over the pseudo-continuum, and the residuals."""
    problem = method.problem(method.pixels(spectrum, fit.values[6]))
    pixels, (model, _) = problem.pixels, problem.model(fit.x)
    used = method.weigh(problem, fit)
    kept = np.isin(pixels.wave, used.wave)
    residual = np.full(pixels.wave.size, np.nan)
    residual[kept] = (used.flux - model[kept]) / used.sigma
    return {"wave": pixels.wave / (1 + fit.values[6] / C_KMS), "flux": pixels.flux / pixels.cont,
            "model": model / pixels.cont, "residual": residual}


def _surfaces(posterior, chain):
    """Chi-square surfaces about the fit, as wide as the chain."""
    out = {}
    for k, names in enumerate(PAIRS):
        grids = []
        for name in names:
            column = NAMES.index(name)
            centre, half = posterior.fit.values[column], REACH * chain.values[:, column].std()
            low = max(centre - half, posterior.low[column])
            grids.append(np.linspace(low, min(centre + half, posterior.high[column]), N_GRID))
        out |= {f"surface_{k}": surface(posterior, names, grids), f"first_{k}": grids[0],
                f"second_{k}": grids[1]}
    return out


def choose_giant(rows, fe_h=-2.0, c_fe=1.0):
    """Choose the brightest carbon-enhanced metal-poor giant.

    Parameters
    ----------
    rows : pandas.DataFrame
        obsid, snrg and the labels of stars, one row a spectrum.
    fe_h, c_fe : float
        Limits.

    Returns
    -------
    int
        Its obsid.

    Raises
    ------
    BadInputError
        If there is none.
    """
    teff, logg, iron, carbon = (rows[name] for name in LABELS)
    found = rows[(logg < 3.0) & (iron < fe_h) & (carbon - iron > c_fe) & teff.between(4500, 5600)]
    if found.empty:
        raise BadInputError("no carbon-enhanced metal-poor giant among these rows: add stars")
    return int(found.sort_values("snrg").iloc[-1]["obsid"])


def error_arrays(table, found, truth, snr):
    """Collect residuals on matched and on mismatched physics.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `cemp.methods.template.inject.injection_test`: stars of the library itself.
    found, truth : ndarray, shape (n, 4)
        Labels of the mock's spectra, predicted and true: the other half of the grid, and physics
        that the library lacks.
    snr : ndarray, shape (n,)
        Of these.

    Returns
    -------
    dict of str to ndarray
        What the figure ``08_template_errors`` shows.
    """
    done = table[table["converged"]]
    matched = np.array([done[name] - done[f"{name}_true"] for name in LABELS]).T
    return {"matched": matched, "matched_snr": done["snr"].to_numpy(),
            "mock": np.asarray(found) - truth, "mock_snr": np.asarray(snr)}
