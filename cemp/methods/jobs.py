"""What a method of the comparison is fitted to and asked about, and what its result rests on."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from cemp.methods import registry
from cemp.models.data import labelled_sample
from cemp.models.describe import fold_rows
from cemp.paths import ROOT
from cemp.rows import read_rows
from cemp.vectors import open_vectors
from cemp.workflow.inputs import code_hash, modules_used


@dataclass(frozen=True)
class Job:
    """One method to be fitted and applied.

    Parameters
    ----------
    key : str
        Of `cemp.methods.registry.METHODS`.
    place : cemp.methods.registry.Place
        The profile; products go to its ``08/<name>``.
    settings : dict
        Constructor arguments in place of the method's own.
    quick : bool
        Settings that only show that it runs.
    without : str
        Catalogue whose stars are kept out of training and validation, and judged instead of the
        held-out stars.
    search : bool
        Predict spectra without labels too; only a mock's truth makes use of them.
    snrg_min : float
        Least S/N in g of training spectra.
    n_judged : int
        Most spectra to predict, evenly taken from all; 0 for all.
    """

    key: str
    place: registry.Place
    settings: dict = field(default_factory=dict)
    quick: bool = False
    without: str = ""
    search: bool = True
    snrg_min: float = 50.0
    n_judged: int = 0

    @property
    def name(self):
        """Folder of its products."""
        return f"{self.key}-without-{self.without}" if self.without else self.key

    @property
    def folder(self):
        """Path of that folder."""
        return self.place.paths.stage("08") / self.name


@dataclass(frozen=True)
class Data:
    """What a method learns from and is asked about.

    Parameters
    ----------
    train, validation : cemp.models.data.Sample
    judged : ndarray (m,) of int
        obsid of the spectra to predict.
    store : cemp.vectors.VectorStore
    """

    train: object
    validation: object
    judged: np.ndarray
    store: object


def load_data(job):
    """Read the rows of a job.

    Parameters
    ----------
    job : Job

    Returns
    -------
    Data
        Training rows: fold ``train``, bright enough, with labels. Judged rows: every usable
        spectrum of the folds validation, test and (with `job.search`) search, whatever its S/N;
        or all spectra of the catalogue that is left out.
    """
    build = job.place.paths.build
    folds = ["train", "validation", "test", "search"][: 4 if job.search else 3]
    observations = read_rows(build / "01" / "observations.parquet",
                             ["obsid", "star_id", "fold", "snrg"], folds)
    labels = pd.read_parquet(build / "01" / "labels.parquet")
    store = open_vectors(build / "02" / "vectors")
    judged = observations.loc[observations["fold"].isin(folds[1:]), "obsid"]
    if job.without:
        out = labels.loc[labels["source"] == job.without, "star_id"]
        judged = observations.loc[observations["star_id"].isin(out), "obsid"]
        labels = labels[labels["source"] != job.without]
        observations = observations[~observations["star_id"].isin(out)]
    train, validation = (
        labelled_sample(store, fold_rows(observations, labels, fold, least))
        for fold, least in (("train", job.snrg_min), ("validation", None))
    )
    judged = np.sort(judged[store.has(judged)].to_numpy())
    if 0 < job.n_judged < len(judged):
        judged = judged[np.linspace(0, len(judged) - 1, job.n_judged).astype(int)]
    return Data(train, validation, judged, store)


def fingerprint(job, data):
    """Hash all that decides a job's result: rows, spectra, settings, code.

    Parameters
    ----------
    job : Job
    data : Data

    Returns
    -------
    str
    """
    digest = hashlib.sha256()
    for sample in (data.train, data.validation):
        for array in (sample.obsid, sample.flux, sample.ivar, sample.labels):
            digest.update(np.ascontiguousarray(array))
    digest.update(data.judged)
    about = registry.entry(job.key)
    for name in about.reads:
        path = Path(getattr(job.place, name))
        files = sorted(path.glob("*.pt")) or [path]
        for file in files:
            digest.update(file.read_bytes())
    modules = modules_used(f"import {about.module}", ROOT)
    code = {name: code_hash(path.read_text()) for name, path in modules.items()}
    rest = [job.name, job.settings, about.quick if job.quick else {}, job.snrg_min, code]
    digest.update(json.dumps(rest, sort_keys=True, default=str).encode())
    return digest.hexdigest()
