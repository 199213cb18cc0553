"""First claim for networks: the cost of templates grows with the labels' number, a network's not.

What is measured: the search of a library as matrix products, where the library's size is that of
an even grid in as many labels; Levenberg-Marquardt with an emulator, which needs no grid; and the
network with as many outputs. The number of spectra a library holds is arithmetic, times are not.
"""

import time

import numpy as np
import pandas as pd
import torch
from scipy.optimize import least_squares

from cemp.constants import N_PIX, rng
from cemp.models.macrn import Macrn
from cemp.models.predict import predict as predict_paper
from cemp.models.tuned import TunedConfig, TunedMacrn
from cemp.models.tuned import predict as predict_tuned

#: Range and spacing of each label: those of a usual library in four labels, spaced as finely
#: as a coarse search needs (PHOENIX and MARCS libraries: 100-250 K and 0.5 dex); then [alpha/Fe]
#: and [N/Fe], as the grid of this repository has them.
AXES = {
    "teff": (4000.0, 6500.0, 250.0), "logg": (1.0, 4.5, 0.5), "fe_h": (-4.0, 0.0, 0.5),
    "c_fe": (0.0, 3.0, 0.5), "alpha_fe": (-0.2, 0.6, 0.2), "n_fe": (-0.3, 1.5, 0.45),
}  # fmt: skip
#: Templates in memory at once: 80 MB.
BLOCK = 2000


def library_size(n_labels):
    """Count the templates of an even grid in the first labels of `AXES`.

    Parameters
    ----------
    n_labels : int

    Returns
    -------
    int

    Examples
    --------
    >>> [library_size(n) for n in (2, 4)]
    [88, 5544]
    """
    axes = list(AXES.values())[:n_labels]
    return int(np.prod([round((high - low) / step) + 1 for low, high, step in axes]))


def search_seconds(n_templates, n_spectra=32, repeats=3):
    """Time a chi-square search over a library: two matrix products a block of templates.

    Parameters
    ----------
    n_templates : int
        Larger libraries go over the same block again and again: the time is that of as many.
    n_spectra : int
        Spectra searched together.
    repeats : int
        The fastest counts: other programs only ever make it slower.

    Returns
    -------
    float
        Processor seconds a spectrum, on one core.
    """
    random = rng("cost search")
    n_block = min(n_templates, BLOCK)
    templates = 1 - 0.1 * random.random((n_block, N_PIX), dtype=np.float32)
    squares = templates**2
    flux = 1 - 0.1 * random.random((n_spectra, N_PIX), dtype=np.float32)
    weight = np.full_like(flux, 400.0)
    n_passes = -(-n_templates // n_block)
    best = np.inf
    for _ in range(repeats):
        start, least = time.process_time(), np.full(n_spectra, np.inf, np.float32)
        for _ in range(n_passes):
            chi2 = weight @ squares.T - 2 * (weight * flux) @ templates.T
            least = np.minimum(least, chi2.min(axis=1))
        best = min(best, time.process_time() - start)
    return best * n_templates / (n_passes * n_block) / n_spectra


def refine_seconds(emulator, n_labels, n_spectra=12, snr=30.0):
    """Time least squares with an emulator, of which the first labels are free.

    Parameters
    ----------
    emulator : cemp.synthesis.emulator.Emulator
        Of six labels (those of `AXES`).
    n_labels : int
    n_spectra : int
        Spectra of known labels with noise, fitted one after another.
    snr : float

    Returns
    -------
    dict
        ``seconds`` of processor time a spectrum, ``calls`` of the emulator a spectrum, and the
        largest ``error`` of [Fe/H] where it is free [dex]: a fit that does not come back is no
        fit.
    """
    random = rng("cost refine")
    truth = np.array([5100.0, 2.6, -1.8, 0.6, 0.25, 0.2])
    steps = np.array([250.0, 0.5, 0.5, 0.5, 0.2, 0.45])
    seconds, calls, errors = [], [], [0.0]
    for _ in range(n_spectra):
        clean = emulator.emulate(truth[None])[0][0]
        noisy = clean + random.standard_normal(clean.size) / snr

        def residual(x, noisy=noisy):
            calls.append(1)
            labels = truth.copy()
            labels[:n_labels] = truth[:n_labels] + x * steps[:n_labels]
            return (emulator.emulate(labels[None])[0][0] - noisy) * snr

        begun, x0 = time.process_time(), random.uniform(-0.5, 0.5, n_labels)
        found = least_squares(residual, x0, method="lm", diff_step=0.02, xtol=1e-4, ftol=1e-6)
        seconds.append(time.process_time() - begun)
        if n_labels > 2:
            errors.append(abs(found.x[2] * steps[2]))
    return {"seconds": np.median(seconds), "calls": len(calls) / n_spectra, "error": max(errors)}


def network_seconds(n_labels, build=None, n_spectra=64, repeats=12):
    """Time a network with as many outputs as labels.

    Parameters
    ----------
    n_labels : int
    build : callable, optional
        Makes the network; the tuned MACRN if left out.
    n_spectra, repeats : int
        Spectra a batch; the fastest of the repeats counts.

    Returns
    -------
    float
        Processor seconds a spectrum, on one core.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = (build or (lambda: TunedMacrn(TunedConfig())))().eval()
    model.labels = torch.nn.Linear(model.config.head_units, n_labels)
    x = torch.rand(n_spectra, 2, N_PIX)
    best = np.inf
    with torch.inference_mode():
        model(x)  # the first call also makes room and plans
        for _ in range(repeats):
            start = time.process_time()
            model(x)
            best = min(best, time.process_time() - start)
    return best / n_spectra


def inference_rates(threads=2, n_spectra=1024, repeats=5):
    """Time both networks on spectra in memory, everything from arrays to labels included.

    Parameters
    ----------
    threads : int
        Of the processor; the time is by the clock, so nothing else should run.
    n_spectra : int
        Their content, and the weights, do not change the time.
    repeats : int
        The median of as many calls is given.

    Returns
    -------
    dict of str to float
        Spectra a second of ``"paper"`` (labels) and ``"tuned"`` (labels and covariances).
    """
    flux = 1 + 0.05 * rng("inference").standard_normal((n_spectra, N_PIX), dtype=np.float32)
    good, rates, before = np.ones(flux.shape, dtype=bool), {}, torch.get_num_threads()
    ivar = np.full_like(flux, 400.0)
    calls = {"paper": (predict_paper, Macrn(), good),
             "tuned": (predict_tuned, TunedMacrn(TunedConfig()), ivar)}  # fmt: skip
    torch.set_num_threads(threads)
    for name, (call, model, second) in calls.items():
        call(model, flux[:64], second[:64])  # the first call also makes room and plans
        taken = []
        for _ in range(repeats):
            start = time.perf_counter()
            call(model, flux, second)
            taken.append(time.perf_counter() - start)
        rates[name] = n_spectra / float(np.median(taken))
    torch.set_num_threads(before)
    return rates


def cost_table(emulator, dimensions=(2, 3, 4, 5, 6)):
    """Measure the cost against the number of label dimensions.

    Parameters
    ----------
    emulator : cemp.synthesis.emulator.Emulator
        Of the library half.
    dimensions : sequence of int

    Returns
    -------
    pandas.DataFrame
        One row a number of labels: templates, search_s, refine_s, refine_calls, refine_error
        [dex in Fe/H], tuned_s, paper_s (MACRN as the paper has it); processor seconds a spectrum.
    """
    rows, networks = [], {}
    for _ in range(3):  # in turn, and the fastest counts: the clock of a processor drifts
        for n in dimensions:
            pair = network_seconds(n), network_seconds(n, Macrn)
            networks[n] = np.minimum(networks.get(n, np.inf), pair)
    for n in dimensions:
        size, refined = library_size(n), refine_seconds(emulator, n)
        rows.append({
            "n_labels": n, "templates": size,
            "search_s": search_seconds(size, n_spectra=32 if size < 20000 else 8,
                                       repeats=3 if size < 20000 else 1),
            "refine_s": refined["seconds"], "refine_calls": refined["calls"],
            "refine_error": refined["error"], "tuned_s": networks[n][0],
            "paper_s": networks[n][1],
        })  # fmt: skip
    return pd.DataFrame(rows)
