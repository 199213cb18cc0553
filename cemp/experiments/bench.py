"""What the experiments train on and are judged by, with the changes that an ablation asks for."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cemp.constants import LABELS, rng
from cemp.errors import BadInputError
from cemp.evaluate.samples import read_truth
from cemp.lamost import read_spectrum
from cemp.models.data import Sample, labelled_sample
from cemp.models.describe import fold_rows
from cemp.preprocess.pipeline import PreprocessSettings, preprocess
from cemp.vectors import open_vectors, write_part

_C_H = LABELS.index("c_h")
#: Least S/N in g of a training spectrum, as everywhere in the paper.
SNRG_MIN = 50.0
#: What two literature entries of one star differ by [K, dex], over the root of two: added to the
#: training labels by the variant "noisy labels" (842 pairs of JINAbase: 73 K, 0.18, 0.10, 0.21).
LABEL_NOISE = np.array([73.0, 0.18, 0.10, 0.21])
#: A fifth of the pairs differ by more than this in carbon [dex].
OUTLIERS, OUTLIER_SIZE = 0.2, 0.5


@dataclass(frozen=True)
class Bench:
    """Samples of an experiment.

    Parameters
    ----------
    train, validation, judged : cemp.models.data.Sample
        Labels of the first two are those of catalogues; those of `judged` are the mock's truth.
    limits : ndarray (n_train,)
        Upper limits of [C/H] [dex], NaN where there is none.
    about : pandas.DataFrame
        obsid, star_id, snrg of the judged spectra, in their order.
    exact : ndarray (n_train, 4)
        True labels of the training spectra.
    """

    train: Sample
    validation: Sample
    judged: Sample
    limits: np.ndarray
    about: pd.DataFrame
    exact: np.ndarray


def load(paths, store=None):
    """Read the samples of a mock profile.

    Parameters
    ----------
    paths : cemp.paths.Paths
    store : cemp.vectors.VectorStore, optional
        Spectra preprocessed otherwise; those of stage 02 if left out.

    Returns
    -------
    Bench

    Raises
    ------
    BadInputError
        If the profile is no mock: the experiments are judged by the truth.
    """
    stage = paths.build / "01"
    observations = pd.read_parquet(stage / "observations.parquet")
    labels = pd.read_parquet(stage / "labels.parquet")
    truth = read_truth(paths.truth)
    if truth.empty:
        raise BadInputError(f"profile {paths.profile} has no truth: experiments need a mock")
    store = open_vectors(paths.build / "02" / "vectors") if store is None else store
    rows = fold_rows(observations, labels, "train", SNRG_MIN)
    rows = rows[rows["obsid"].isin(store.obsid)]
    exact = truth.set_index("obsid").loc[rows["obsid"], [f"true_{n}" for n in LABELS]].to_numpy()
    limit = rows["c_h_limit"].fillna(False).to_numpy(dtype=bool)
    judged, about = _judged(paths, store)
    return Bench(
        train=labelled_sample(store, rows),
        validation=labelled_sample(store, fold_rows(observations, labels, "validation")),
        judged=judged,
        limits=np.where(limit, rows["c_h"].to_numpy(float), np.nan),
        about=about,
        exact=exact,
    )


def data_mark(paths):
    """Take the fingerprint of a survey: labels, what stage 02 made of the spectra, and the truth.

    Parameters
    ----------
    paths : cemp.paths.Paths
        A profile whose stages 00-02 have run.

    Returns
    -------
    str
        16 hexadecimal digits of the files' bytes: the last bits of a number count.

    Raises
    ------
    BadInputError
        If the profile has not been built.
    """
    digest, build = hashlib.sha256(), paths.build
    files = [build / "01" / "labels.parquet", build / "02" / "processed.csv",
             *sorted((build / "02" / "vectors").glob("*.npy")),
             *sorted(paths.truth.glob("*.parquet"))]  # fmt: skip
    for file in files:
        if not file.is_file():
            raise BadInputError(f"no {file}: run `make stages PROFILE={paths.profile}` first")
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def judged_frame(paths, obsids=None):
    """List the spectra that experiments are judged by: test and search folds of a mock.

    Parameters
    ----------
    paths : cemp.paths.Paths
    obsids : ndarray, optional
        Spectra that there are vectors of; those that stage 02 made if left out.

    Returns
    -------
    pandas.DataFrame
        obsid, star_id, snrg, true_teff ... true_c_fe, by obsid.
    """
    observations = pd.read_parquet(paths.build / "01" / "observations.parquet")
    rows = observations.loc[observations["fold"].isin(["test", "search"]),
                            ["obsid", "star_id", "snrg"]]  # fmt: skip
    if obsids is None:
        obsids = pd.read_csv(paths.build / "02" / "processed.csv", usecols=["obsid"])["obsid"]
    rows = rows[rows["obsid"].isin(obsids)].merge(read_truth(paths.truth), on="obsid")
    return rows.sort_values("obsid", ignore_index=True)


def _judged(paths, store):
    """Judged spectra with the truth as their labels, and what else is known of them."""
    rows = judged_frame(paths, store.obsid)
    vectors = store.read(rows["obsid"].to_numpy())
    labels = rows[[f"true_{name}" for name in LABELS]].to_numpy(float)
    sample = Sample(vectors.obsid, vectors.flux, vectors.ivar, vectors.good, labels)
    return sample, rows[["obsid", "star_id", "snrg"]]


def respectra(paths, kind, folder, size=500, log=print):
    """Preprocess the spectra of the experiments again, with a step left out.

    Parameters
    ----------
    paths : cemp.paths.Paths
    kind : str
        ``"unrepaired"`` leaves out the median repair, ``"observed"`` the shift to rest.
    folder : pathlib.Path
        Of the store; finished parts are kept.
    size : int
        Spectra a part.
    log : callable

    Returns
    -------
    cemp.vectors.VectorStore
    """
    observations = pd.read_parquet(paths.build / "01" / "observations.parquet")
    rows = observations[observations["fold"] != "reject"]
    rows = rows[(rows["fold"] != "train") | (rows["snrg"] >= SNRG_MIN)].sort_values("obsid")
    spectra_dir, folder = paths.survey / "spectra", Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(rows), size):
        name = f"part-{start // size:05d}"
        if (folder / f"{name}.npy").is_file():
            continue
        made = [_vector(spectra_dir / path, kind) for path in rows["path"][start : start + size]]
        made = [vector for vector in made if vector is not None]
        write_part(folder, name, *zip(*((v.obsid, v.flux, v.ivar) for v in made), strict=True))
        log(f"{kind}: {min(start + size, len(rows))} of {len(rows)} spectra")
    return open_vectors(folder)


def _vector(path, kind):
    """Preprocess one spectrum with a step left out; None if it cannot be used."""
    settings = PreprocessSettings(spike_sigma=1e9 if kind == "unrepaired" else 7.0)
    try:
        spectrum = read_spectrum(path)
        return preprocess(replace(spectrum, z=0.0) if kind == "observed" else spectrum, settings)
    except BadInputError:
        return None


def noisy_labels(sample, star_id, seed):
    """Add the disagreement of literature entries to labels, star by star.

    Parameters
    ----------
    sample : cemp.models.data.Sample
    star_id : array_like (n,)
        All spectra of a star keep one error.
    seed : int

    Returns
    -------
    ndarray (n, 4)
        Labels with Gaussian errors of `LABEL_NOISE` over the root of two, and wrong by
        `OUTLIER_SIZE` in carbon for a tenth of the stars (a pair has two chances).
    """
    stars, code = np.unique(np.asarray(star_id, dtype=str), return_inverse=True)
    random = rng("ablation label noise", seed)
    error = random.standard_normal((len(stars), len(LABELS))) * LABEL_NOISE / np.sqrt(2)
    wrong = random.random(len(stars)) < OUTLIERS / 2
    error[wrong, _C_H] += OUTLIER_SIZE * random.choice([-1, 1], wrong.sum())
    return sample.labels + error[code]
