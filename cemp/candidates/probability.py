"""How likely a star belongs to a class of Table 1, given its labels and their joint error."""

import numpy as np
from scipy.special import ndtr

from cemp.candidates.classes import CEMP_C_FE, CEMP_FE_H, EMP_FE_H, VMP_FE_H

#: Gauss-Legendre nodes of the correlation integral: 48 keep the error below 1e-7 for |rho| < 0.99.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)

#: Beyond this the two labels are one number and the integral is no longer accurate.
_RHO_MAX = 0.9999


def to_c_fe(covariance):
    """Turn the covariance of ([Fe/H], [C/H]) into that of ([Fe/H], [C/Fe]).

    Parameters
    ----------
    covariance : array_like, shape (n, 2, 2)
        Covariance of ([Fe/H], [C/H]) [dex^2].

    Returns
    -------
    ndarray, shape (n, 2, 2)
        J C J^T with J = [[1, 0], [-1, 1]]: var([C/Fe]) = var([C/H]) + var([Fe/H]) - 2 cov.
    """
    jacobian = np.array([[1.0, 0.0], [-1.0, 1.0]])
    return jacobian @ np.asarray(covariance, dtype=float) @ jacobian.T


def bivariate_cdf(h, k, rho):
    """Evaluate the standard bivariate normal probability that X < h and Y < k.

    Parameters
    ----------
    h, k : array_like, shape (n,)
        Limits in standard deviations; infinite ones are allowed.
    rho : array_like, shape (n,)
        Correlation; held within +-0.9999.

    Returns
    -------
    ndarray, shape (n,)

    Notes
    -----
    Plackett's (1954, Biometrika 41, 351) integral over the correlation in the form of Drezner &
    Wesolowsky (1990, J. Stat. Comput. Simul. 35, 101):
    Phi(h) Phi(k) + 1/(2 pi) int_0^{asin rho} exp(-(h^2 + k^2 - 2 h k sin t) / (2 cos^2 t)) dt.
    """
    h, k = (np.clip(np.asarray(x, dtype=float), -40.0, 40.0)[..., None] for x in (h, k))
    half = 0.5 * np.arcsin(np.clip(np.asarray(rho, dtype=float), -_RHO_MAX, _RHO_MAX))[..., None]
    angle = half * (1 + _NODES)
    exponent = (h**2 + k**2 - 2 * h * k * np.sin(angle)) / (2 * np.cos(angle) ** 2)
    integral = (half * np.exp(-exponent)) @ _WEIGHTS / (2 * np.pi)
    return np.clip(ndtr(h[..., 0]) * ndtr(k[..., 0]) + integral, 0.0, 1.0)


def _margin(distance, sigma):
    """Distance inside a limit in sigmas; without an error it is infinite, on the flag's side."""
    edge = np.where(distance > 0, np.inf, -np.inf)
    ratio = np.divide(distance, sigma, out=edge, where=sigma > 0)
    return np.where(np.isfinite(distance) & np.isfinite(sigma), ratio, np.nan)


def p_cemp(fe_h, c_fe, covariance):
    """Probability that [Fe/H] < -2.0 and [C/Fe] > 0.7.

    Parameters
    ----------
    fe_h, c_fe : array_like, shape (n,)
        Predicted labels [dex].
    covariance : array_like, shape (n, 2, 2)
        Error covariance of ([Fe/H], [C/H]) [dex^2]; zero is allowed.

    Returns
    -------
    ndarray, shape (n,)
        NaN where a label or the covariance is missing.
    """
    fe_h, c_fe = np.asarray(fe_h, dtype=float), np.asarray(c_fe, dtype=float)
    joint = to_c_fe(covariance)
    s_fe, s_c = (np.sqrt(np.maximum(joint[..., i, i], 0.0)) for i in (0, 1))
    product = s_fe * s_c
    rho = np.divide(joint[..., 0, 1], product, out=np.zeros_like(product), where=product > 0)
    h = _margin(CEMP_FE_H - fe_h, s_fe)
    k = _margin(c_fe - CEMP_C_FE, s_c)
    # Carbon has to lie ABOVE its limit: -[C/Fe] below it, so the correlation changes sign.
    return bivariate_cdf(h, k, -rho)


def probabilities(fe_h, c_fe, covariance):
    """Probabilities of the classes of Table 1 under a joint Gaussian error.

    Parameters
    ----------
    fe_h, c_fe : array_like, shape (n,)
        Predicted labels [dex].
    covariance : array_like, shape (n, 2, 2)
        Error covariance of ([Fe/H], [C/H]) [dex^2].

    Returns
    -------
    dict of str to ndarray, shape (n,)
        ``p_cemp``, ``p_emp`` ([Fe/H] < -3) and ``p_vmp`` (-2.5 <= [Fe/H] < -1.5). They are not
        exclusive and do not add up to one. NaN where a label they need is missing.

    Examples
    --------
    >>> probabilities([-3.0], [2.0], [[[0.04, 0.0], [0.0, 0.04]]])["p_emp"]
    array([0.5])
    """
    fe_h = np.asarray(fe_h, dtype=float)
    sigma = np.sqrt(np.asarray(covariance, dtype=float)[..., 0, 0])
    low, high = VMP_FE_H
    vmp = [ndtr(_margin(limit - fe_h, sigma)) for limit in (low, high)]
    return {
        "p_cemp": p_cemp(fe_h, c_fe, covariance),
        "p_emp": ndtr(_margin(EMP_FE_H - fe_h, sigma)),
        "p_vmp": vmp[1] - vmp[0],
    }
