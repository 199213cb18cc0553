"""The GAN's task in the comparison: fill the rare corners, and tell whether it helps."""

import numpy as np
import pandas as pd

from cemp.constants import LABELS, rng
from cemp.evaluate.bootstrap import BootstrapSettings
from cemp.evaluate.samples import evaluation_frame, read_truth
from cemp.methods.adapters import as_sample
from cemp.methods.gan import GanSpectra
from cemp.methods.gan_use import corner_labels, help_table, index_table, judge, library_spectra
from cemp.paths import ROOT
from cemp.synthesis.emulator import load_emulator

#: Ways to fill the corners, as tables call them; each arm has as many spectra as the others.
SEEDS = (1, 2, 3, 4, 5)


def fill_corners(job, data):
    """Train a GAN, fill the corners with its spectra or with the library's, and judge.

    Parameters
    ----------
    job : cemp.methods.jobs.Job
    data : cemp.methods.jobs.Data

    Returns
    -------
    dict of str to pandas.DataFrame
        ``help``: error of each arm in the corners (`cemp.methods.gan_use.help_table`);
        ``indices``: line indices of made against real bright spectra of the same labels, for all
        and for the two corners; ``values``: the indices themselves, for the figure.
    """
    rows = np.isfinite(data.train.labels).all(axis=1)
    sample = as_sample(data.train, data.train.labels, rows)
    gan = GanSpectra(**({"steps": 40} if job.quick else {})).fit(sample, sample.labels)
    emulator = load_emulator("library", cache=ROOT / "build" / "emulator")

    def wanted(seed):
        return corner_labels(len(sample) // 2, sample.labels, rng("08 corner", seed))

    def library(seed):
        errors = rng("08 library", seed)
        return library_spectra(wanted(seed), sample, sample.labels, emulator, errors)

    frame, labels = judged_rows(job, data)
    spectra = data.store.read(frame["obsid"])
    extra = {"GAN": lambda seed: gan.generate(wanted(seed), seed), "library": library}
    quick = {"seeds": SEEDS[:1], "steps": 60} if job.quick else {"seeds": SEEDS}
    predicted = judge(sample, extra, spectra, **quick)
    settings = BootstrapSettings(n_boot=200 if job.quick else 1000)
    table = help_table(predicted, labels, frame["star_id"].to_numpy(), settings=settings)
    bright = (frame["snrg"] >= 50).to_numpy()
    return {"help": table, **_indices(gan, data.store.read(frame["obsid"][bright]), labels[bright])}


def judged_rows(job, data):
    """Give the judged spectra with a reference: a frame (obsid, star_id, snrg) and labels (n, 4).

    The reference is the mock's truth of test and search spectra, or without a mock the catalogue
    labels of the test spectra.
    """
    build = job.place.paths.build
    observations = pd.read_parquet(build / "01" / "observations.parquet",
                                   columns=["obsid", "star_id", "fold", "snrg"])
    observations = observations.assign(good_fraction=1.0)
    labels = pd.read_parquet(build / "01" / "labels.parquet")
    truth = read_truth(job.place.paths.truth)
    frame = evaluation_frame(observations, labels, truth, [pd.DataFrame({"obsid": data.judged})])
    prefix = "true_" if len(truth) else "ref_"
    columns = [f"{prefix}{name}" for name in LABELS]
    folds = frame["fold"].isin(["test", "search"])
    frame = frame[folds & frame[columns].notna().all(axis=1)].reset_index(drop=True)
    return frame, frame[columns].to_numpy(float)


def _indices(gan, real, labels):
    """Tables of line indices of made and real spectra of the same labels."""
    made = gan.generate(labels, 99)
    fe_h, c_fe = labels[:, 2], labels[:, 3] - labels[:, 2]
    groups = {"all": fe_h < 9, "[Fe/H] < -2.5": fe_h < -2.5,
              "carbon-rich": (fe_h < -2) & (c_fe > 0.7)}  # fmt: skip
    tables, values = [], index_table(made, real)[1]
    for name, rows in groups.items():
        if rows.sum() >= 20:
            pair = [as_sample(spectra, labels, rows) for spectra in (made, real)]
            tables.append(index_table(*pair)[0].rename_axis("index").reset_index().assign(group=name))
    columns = {f"{what} {name}": column for name, pair in values.items()
               for what, column in zip(("real", "made"), pair, strict=True)}  # fmt: skip
    return {"indices": pd.concat(tables, ignore_index=True),
            "values": pd.DataFrame(columns).assign(rich=groups["carbon-rich"])}  # fmt: skip
