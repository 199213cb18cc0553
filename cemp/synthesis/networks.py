"""Principal components of spectra and the networks that predict their scores."""

from contextlib import contextmanager

import numpy as np


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


def train_network(inputs, scores, importance, settings, seed):
    """Train one network from standardised labels to scores.

    The loss is the mean over the spectra of the *logarithm* of their mean square error. A plain
    mean would be the handful of cool carbon stars, whose errors are twenty times those of the rest.
    Small batches matter as much: at equal cost they leave half the error of whole-sample steps.

    Parameters
    ----------
    inputs : ndarray, shape (n_row, n_input)
    scores : ndarray, shape (n_row, n_score)
    importance : ndarray, shape (n_row,)
        Mean square error in flux that a unit sum of squared score errors makes in each spectrum.
    settings : cemp.synthesis.emulator.EmulatorSettings
        ``width``, ``depth``, ``n_steps``, ``batch``, ``rate``, ``weight_decay`` and ``floor`` are
        used.
    seed : int

    Returns
    -------
    list of ndarray of float32
        Matrix and offset of each layer; the last layer gives the scores themselves.
    """
    import torch

    scale = scores.std(axis=0)
    with one_thread():
        torch.manual_seed(seed)
        x, y, unit, weight = (torch.as_tensor(a, dtype=torch.float32)
                              for a in (inputs, scores / scale, scale, importance))
        net = _build(x.shape[1], y.shape[1], settings)
        adam = torch.optim.AdamW(net.parameters(), settings.rate,
                                 weight_decay=settings.weight_decay)
        plan = torch.optim.lr_scheduler.OneCycleLR(adam, settings.rate, settings.n_steps,
                                                   pct_start=0.1)
        for rows in _batches(len(x), settings.batch, settings.n_steps):
            adam.zero_grad()
            square = (((net(x[rows]) - y[rows]) * unit) ** 2).sum(dim=1) * weight[rows]
            torch.log(square + settings.floor**2).mean().backward()
            adam.step()
            plan.step()
    arrays = [p.detach().numpy().T for p in net.parameters()]
    arrays[-2:] = [a * scale for a in arrays[-2:]]
    return [np.ascontiguousarray(a, dtype=np.float32) for a in arrays]


def _build(n_in, n_out, settings):
    """Network with ``depth`` hidden layers of ``width`` units."""
    from torch import nn

    sizes = [n_in, *[settings.width] * settings.depth]
    layers = [layer for pair in zip(sizes[:-1], sizes[1:], strict=True)
              for layer in (nn.Linear(*pair), nn.SiLU())]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], n_out))


def _batches(n, size, n_steps):
    """Row numbers of each step: the sample in random order, again and again."""
    import torch

    size, done = min(size, n), 0
    while done < n_steps:
        order = torch.randperm(n)
        for rows in order[:n // size * size].split(size)[:n_steps - done]:
            yield rows
            done += 1


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
