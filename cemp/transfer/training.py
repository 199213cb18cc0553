"""Training of the sky model: networks that label real stars, learned from randomised spectra.

``python -m cemp.transfer.training --help``, or ``make sky``. Everything resumes: the training set
part by part, each member epoch by epoch.
"""

import argparse
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from cemp.constants import LABELS, SEED
from cemp.errors import BadInputError
from cemp.models.data import Augment, Sample
from cemp.models.io import save_model
from cemp.models.macrn import MacrnConfig
from cemp.models.predict import predict_with_covariance
from cemp.models.train import TrainSettings, fit
from cemp.paths import ROOT
from cemp.transfer.randomise import DomainSettings
from cemp.transfer.trainset import make_trainset, read_trainset
from cemp.transfer.windows import readable

#: Where `make sky` works.
FOLDER = ROOT / "build" / "sky"
#: The network of the paper that also tells its errors. Pooling four pixels in the first stage
#: and two in the last leaves 78 steps instead of 104 and trains twice as fast; with tens of
#: thousands of spectra little dropout is needed. Stretches of 200 Angstrom, the G band's width.
CONFIG = MacrnConfig(pools=(4, 4, 2), dropout=0.03, covariance=True, mask_bins=25)
#: What varies from epoch to epoch on top of the randomisation: noise down to S/N = 8, small
#: shifts (the set has +-25 km/s already), lost stretches, and smooth errors of the continuum of up
#: to 1.5%: stars of the development half of MILES are 0.6-0.9% lower than computed 15-40 Angstrom
#: from H-alpha, giants without any wings too, and trials without this made them 100-200 K hotter.
AUGMENT = Augment(noise_fraction=0.5, snr_min=8.0, shift_kms=4.0, mask_fraction=0.4,
                  mask_pixels=200, ripple=0.015)  # fmt: skip
#: Every spectrum once an epoch, as the set is drawn as it should be; larger steps than for a
#: thousand real spectra.
SETTINGS = TrainSettings(
    epochs=16, batch=48, learning_rate=3e-3, weight_decay=1e-4, ema=0.995, balance=False,
    clip_gradient=5.0, augment=AUGMENT,
)  # fmt: skip


def split(sample, n_validation):
    """Hold the last spectra back for validation.

    Parameters
    ----------
    sample : cemp.models.data.Sample
    n_validation : int

    Returns
    -------
    train, validation : Sample
        Views, no copies. Stars are all different, so nothing is on both sides.

    Raises
    ------
    BadInputError
        If too little is left to train on.
    """
    n_train = len(sample) - n_validation
    if n_train < n_validation:
        raise BadInputError(
            f"{len(sample)} spectra leave too few beside {n_validation} for validation: make more"
        )
    return tuple(
        Sample(sample.obsid[rows], sample.flux[rows], sample.ivar[rows], sample.good[rows],
               sample.labels[rows])
        for rows in (slice(0, n_train), slice(n_train, None))
    )  # fmt: skip


def check(model, validation):
    """Measure a network on held-out synthetic spectra.

    Parameters
    ----------
    model : Macrn
        With a covariance.
    validation : Sample

    Returns
    -------
    dict
        For each label ``bias`` (median), ``scatter`` (half the central 68%) and ``pull`` (half
        the central 68% of error over predicted sigma: 1 if the errors are right).
    """
    labels, covariance = predict_with_covariance(model, validation.flux, validation.good)
    error = labels - validation.labels
    pull = error / np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    low, middle, high = np.percentile(error, [16, 50, 84], axis=0)
    pull_low, pull_high = np.percentile(pull, [16, 84], axis=0)
    return {
        name: {"bias": float(middle[k]), "scatter": float((high - low)[k] / 2),
               "pull": float((pull_high - pull_low)[k] / 2)}
        for k, name in enumerate(LABELS)
    }  # fmt: skip


def train_members(trainset, folder, members=3, settings=None, config=None, n=None,
                  n_validation=1000, ignored=(), log=print):  # fmt: skip
    """Train the members of an ensemble, or those that are missing.

    Parameters
    ----------
    trainset : str or pathlib.Path
        Folder of `make_trainset`.
    folder : str or pathlib.Path
        Gets ``member-K/macrn.pt`` and ``macrn.json``.
    members : int
        Networks; they differ in start, order and augmentation, not in spectra.
    settings : TrainSettings, optional
    config : MacrnConfig, optional
        With ``covariance=True``.
    n : int, optional
        Use only the first so many spectra.
    n_validation : int
        The last so many of these are held back.
    ignored : sequence of (float, float)
        Windows [Angstrom] that the networks never see, nor read later: where the synthetic
        spectra are known to be wrong. Kept in ``macrn.json``.
    log : callable
        Takes one line an epoch.

    Returns
    -------
    list of pathlib.Path
        Folders of the members.
    """
    folder, settings, config = Path(folder), settings or SETTINGS, config or CONFIG
    folders = [folder / f"member-{k}" for k in range(members)]
    missing = [k for k in range(members) if not (folders[k] / "macrn.json").is_file()]
    if missing:
        sample, _ = read_trainset(trainset, n)
        sample.good[:, ~readable(ignored)] = False
        train, validation = split(sample, n_validation)
    for k in missing:
        log(f"member {k} of {members}: {len(train)} spectra")
        own = replace(settings, seed=settings.seed + k)
        result = fit(train, validation, config, own, folders[k] / "checkpoint", log)
        result.history.to_csv(folders[k] / "history.csv", index=False, float_format="%.6g")
        save_model(result.model, folders[k], settings=asdict(own), n_spectra=len(train),
                   ignored=[list(w) for w in ignored], best_epoch=result.best_epoch,
                   validation=check(result.model, validation))
    return folders


def main(arguments=None):
    """Make the training set and train the members (``make sky``)."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--n", type=int, default=60_000, help="spectra")
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=SETTINGS.epochs)
    parser.add_argument("--jobs", type=int, default=1, help="processes for the spectra")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--trainset", type=Path, help="folder of the spectra, if not inside")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--no-balmer", action="store_true", help="leave the Balmer cores in LTE")
    parser.add_argument("--spectra-only", action="store_true", help="do not train")
    a = parser.parse_args(arguments)
    trainset = a.trainset or a.folder / "trainset"
    domain = DomainSettings(balmer=not a.no_balmer)
    make_trainset(trainset, a.n, a.seed, a.jobs, domain, tell=_say)
    if not a.spectra_only:
        settings = replace(SETTINGS, epochs=a.epochs, seed=a.seed)
        train_members(trainset, a.folder, a.members, settings, n=a.n, log=_say)


def _say(line):
    """Print at once, so that a log can be followed."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
