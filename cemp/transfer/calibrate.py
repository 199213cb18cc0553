"""Measure what the training of a sky model covers, and keep it beside its weights.

``python -m cemp.transfer.calibrate --folder build/sky`` draws synthetic spectra that no member was
trained on, lets the members label them, and writes ``domain.npz`` and ``domain.json``.
"""

import argparse
from pathlib import Path

import numpy as np

from cemp.constants import SEED, rng
from cemp.models.data import ripples
from cemp.transfer.model import SkyModel
from cemp.transfer.outside import Domain
from cemp.transfer.reconstruct import typical_snr
from cemp.transfer.training import AUGMENT
from cemp.transfer.trainset import make_trainset, read_trainset
from cemp.transfer.windows import readable

#: Added to the training seed: other stars, other noise, drawn alike.
SEED_OFFSET = 1
#: Spectra: 4,000 leave 1,300 for thresholds at 1%, 13 of them beyond.
N_SPECTRA = 4000


def make_domain(folder, trainset, n=N_SPECTRA, seed=SEED + SEED_OFFSET, n_jobs=1, log=print):
    """Fit the domain of a sky model on fresh synthetic spectra and write it.

    Parameters
    ----------
    folder : str or pathlib.Path
        Holds the members; gets ``domain.npz`` and ``domain.json``.
    trainset : str or pathlib.Path
        Folder for the fresh spectra; made there if missing.
    n : int
        Spectra.
    seed : int
        Must not be that of the members' own training set.
    n_jobs : int
        Processes that make spectra.
    log : callable
        Takes a line of progress.

    Returns
    -------
    cemp.transfer.outside.Domain

    Raises
    ------
    BadInputError
        If there are no members.
    """
    model = SkyModel.load(folder)
    make_trainset(trainset, n, seed=seed, n_jobs=n_jobs, tell=log)
    sample, _ = read_trainset(trainset, n)
    # as in training: without these errors of the continuum each real spectrum looks strange
    flux = sample.flux * ripples(len(sample), rng("domain", seed), AUGMENT)
    flux = flux.astype(np.float32)
    good = sample.good & readable(model.ignored)
    log(f"fitting components to {len(flux)} spectra")
    domain = Domain().fit(flux, sample.ivar, good, sample.labels)
    # Errors need fewer spectra than components, and networks are slow.
    rows = slice(0, len(flux) // 2)
    log("labelling half of them")
    _, covariance, spread = model.predict(flux[rows], good[rows])
    alone = len(model.members) == 1
    domain.fit_error(typical_snr(sample.ivar[rows], good[rows]), covariance,
                     None if alone else spread)  # fmt: skip
    domain.save(folder)
    return domain


def main(arguments=None):
    """Fit the domain of a trained sky model."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/sky"))
    parser.add_argument("--trainset", type=Path, help="fresh spectra (default: FOLDER/domain)")
    parser.add_argument("--n", type=int, default=N_SPECTRA)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args(arguments)
    make_domain(options.folder, options.trainset or options.folder / "domain", options.n,
                n_jobs=options.jobs)  # fmt: skip


if __name__ == "__main__":
    main()
