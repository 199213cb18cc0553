"""Principal components of spectra and the networks that predict their scores.

What is trained is what is wanted: the error of the *spectrum* at the resolving power of the survey.
To first order it is a quadratic form of the errors of the scores, a small matrix for each spectrum
(`flux_metric`), so that no step has to build a spectrum.
"""

from contextlib import contextmanager

import numpy as np

#: Width in ln(wavelength) over which flux errors are averaged before they are squared: 0.7 of the
#: FWHM at R = 1800. Finer structure is lost in the surveys' spectra.
LN_BLOCK = 4e-4


@contextmanager
def one_thread():
    """Compute sums in one order, so that the spectra do not depend on the number of cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def components(values, n, weights=None):
    """Principal components of spectra, by the smaller of the two covariance matrices.

    Parameters
    ----------
    values : array_like, shape (n_row, n_pix)
    n : int
        Components wanted; fewer come back if there are fewer rows.
    weights : ndarray, shape (n_pix,), optional
        What an error of a pixel counts.

    Returns
    -------
    mean : ndarray of float32, shape (n_pix,)
    rows : ndarray of float32, shape (n, n_pix)
        ``mean + scores @ rows`` restores the spectra; orthonormal once multiplied by `weights`.
    scores : ndarray, shape (n_row, n)
    """
    import torch

    values = np.asarray(values, dtype=float)
    weights = np.ones(values.shape[1]) if weights is None else weights
    mean = values.mean(axis=0)
    with one_thread():
        x = torch.as_tensor((values - mean) * weights)
        power, left = torch.linalg.eigh(x @ x.T)
        n = min(n, len(x) - 1)
        left = left[:, -n:].flip(1)
        size = power[-n:].flip(0).sqrt()
        rows = (left.T @ x / size[:, None]).numpy()
    scores = (left * size).numpy()
    return mean.astype(np.float32), (rows / weights).astype(np.float32), scores


def flux_metric(rows, slopes, weights, ln_step):
    """Matrices that turn errors of scores into the mean square error of a spectrum.

    Parameters
    ----------
    rows : ndarray, shape (n_score, n_pix)
        Components of the stretched flux.
    slopes : ndarray, shape (n_row, n_pix)
        d(flux) / d(stretched flux) of each spectrum.
    weights : ndarray, shape (n_pix,)
        What an error of a pixel counts.
    ln_step : float
        Step in ln(wavelength).

    Returns
    -------
    ndarray of float32, shape (n_row, n_score, n_score)
        Errors ``d`` of the scores of spectrum i make a mean square error ``d @ metric[i] @ d``.
    """
    block = max(1, int(round(LN_BLOCK / ln_step)))
    used = rows.shape[1] // block * block
    out = np.empty((len(slopes), len(rows), len(rows)), np.float32)
    scale = weights / np.sqrt(np.mean(weights**2))
    for i, slope in enumerate(slopes):
        response = (rows * (slope * scale).astype(np.float32))[:, :used]
        response = response.reshape(len(rows), -1, block).mean(axis=2)
        out[i] = response @ response.T / response.shape[1]
    return out


def train_network(inputs, scores, metric, settings, seed):
    """Train one network from standardised labels to scores.

    The loss is the mean over the spectra of the *logarithm* of their mean square error. A plain
    mean would be the handful of cool carbon stars, whose errors are twenty times those of the rest.

    Parameters
    ----------
    inputs : ndarray, shape (n_row, n_input)
    scores : ndarray, shape (n_row, n_score)
    metric : ndarray, shape (n_row or 1, n_score, n_score)
        From `flux_metric`.
    settings : cemp.synthesis.emulator.EmulatorSettings
        ``width``, ``depth``, ``n_steps``, ``rate``, ``weight_decay`` and ``floor`` are used.
    seed : int

    Returns
    -------
    list of ndarray of float32
        Matrix and offset of each layer; the last layer gives the scores themselves.
    """
    import torch
    from torch import nn

    scale = scores.std(axis=0)
    with one_thread():
        torch.manual_seed(seed)
        x, y, scale_, m = (torch.as_tensor(a, dtype=torch.float32)
                           for a in (inputs, scores / scale, scale, metric))
        sizes = [x.shape[1], *[settings.width] * settings.depth]
        layers = [layer for pair in zip(sizes[:-1], sizes[1:], strict=True)
                  for layer in (nn.Linear(*pair), nn.SiLU())]
        net = nn.Sequential(*layers, nn.Linear(sizes[-1], y.shape[1]))
        adam = torch.optim.AdamW(net.parameters(), settings.rate,
                                 weight_decay=settings.weight_decay)
        plan = torch.optim.lr_scheduler.OneCycleLR(adam, settings.rate, settings.n_steps,
                                                   pct_start=0.1)
        for _ in range(settings.n_steps):
            adam.zero_grad()
            error = (net(x) - y) * scale_
            square = ((error[:, None] @ m)[:, 0] * error).sum(dim=1)
            torch.log(square + settings.floor**2).mean().backward()
            adam.step()
            plan.step()
    arrays = [p.detach().numpy().T for p in net.parameters()]
    arrays[-2:] = [a * scale for a in arrays[-2:]]
    return [np.ascontiguousarray(a, dtype=np.float32) for a in arrays]


def apply_network(arrays, x):
    """Evaluate a trained network in numpy, so that many processes need no torch.

    Parameters
    ----------
    arrays : list of ndarray
        From `train_network`.
    x : ndarray of float32, shape (n, n_input)

    Returns
    -------
    ndarray of float32, shape (n, n_score)
    """
    for k in range(0, len(arrays), 2):
        x = x @ arrays[k] + arrays[k + 1]
        if k < len(arrays) - 2:
            x = x / (1 + np.exp(-x))
    return x
