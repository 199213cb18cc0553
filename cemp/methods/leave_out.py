"""Leave one catalogue out of training, and ask what its stars then become."""

from dataclasses import replace

import numpy as np
import pandas as pd

from cemp.errors import BadInputError
from cemp.evaluate.compare import Measure, comparison_frame, rank_pairs, score_methods
from cemp.evaluate.scores import DEFAULT
from cemp.methods import registry
from cemp.methods.adapters import MacrnMethod, as_trained
from cemp.methods.base import Prediction
from cemp.methods.products import read_predictions
from cemp.workflow.profile import read_profile

#: What is asked of the stars left out.
MEASURES = tuple(Measure(statistic, label, "ref_") for label in ("fe_h", "c_h")
                 for statistic in ("bias", "rmse"))  # fmt: skip


def left_out_jobs(jobs, keys, catalogues):
    """Make the jobs: every method without every catalogue.

    Parameters
    ----------
    jobs : sequence of cemp.methods.jobs.Job
        Those with all catalogues.
    keys : sequence of str
        Methods: each is fitted once more a catalogue.
    catalogues : sequence of str
        Such as ``"subaru"``, ``"saga"``: sources of adopted labels.

    Returns
    -------
    list of Job
    """
    return [replace(job, without=catalogue, n_judged=0,
                    settings=job.settings | trained_here(job.key, job.place))
            for job in jobs if job.key in keys for catalogue in catalogues]  # fmt: skip


def trained_here(key, place):
    """Give settings that train what is otherwise read from an earlier notebook, as it did.

    Parameters
    ----------
    key : str
        Of `cemp.methods.registry.METHODS`.
    place : cemp.methods.registry.Place

    Returns
    -------
    dict
        Constructor arguments; empty for a method that is trained where it is compared.

    Raises
    ------
    BadInputError
        If the method cannot but read.
    """
    about = registry.entry(key)
    if "folder" not in about.needs:
        return {}
    if about.load() is not MacrnMethod:
        raise BadInputError(f"{key} only reads the network of 03_training: name macrn instead")
    return as_trained(place.folder, read_profile(place.paths).get("03_training", {}))


def left_out_table(jobs, observations, labels, truth, settings=DEFAULT):
    """Compare methods trained without a catalogue with the same methods trained with it.

    Parameters
    ----------
    jobs : sequence of Job
        Of `left_out_jobs`, run.
    observations, labels, truth : pandas.DataFrame
        As for `cemp.evaluate.compare.comparison_frame`.
    settings : cemp.evaluate.bootstrap.BootstrapSettings

    Returns
    -------
    pandas.DataFrame
        Judged on the same spectra, those of the catalogue's stars in the test fold: catalogue,
        method, label, statistic, n_spectra, n_stars, with, without, gain (of training with it;
        of the rmse only), low, high, ahead.
    """
    lines = []
    for job in jobs:
        frame = _both(job, observations, labels, truth)
        scores = score_methods(frame, ("with", "without"), MEASURES, settings)
        for measure in MEASURES:
            pair = rank_pairs(frame, ("with", "without"), measure, settings).iloc[0]
            here = scores[(scores["label"] == measure.label)
                          & (scores["statistic"] == measure.statistic)]  # fmt: skip
            values = here.set_index("method")["value"].to_dict()
            line = {"catalogue": job.without, "method": job.key, "label": measure.label,
                    "statistic": measure.statistic, **values,
                    "n_spectra": here["n_spectra"].iloc[0], "n_stars": here["n_stars"].iloc[0]}
            if measure.statistic != "bias":
                line |= pair[["gain", "low", "high", "ahead"]].to_dict()
            lines.append(line)
    return pd.DataFrame(lines)


def _both(job, observations, labels, truth):
    """Join predictions with and without the catalogue for its stars in the test fold."""
    whole = replace(job, without="")
    stars = labels.loc[labels["source"] == job.without, "star_id"]
    test = (observations["fold"] == "test") & observations["star_id"].isin(stars)
    wanted = observations.loc[test, "obsid"]
    made = {}
    asked = read_predictions(whole)[0]  # of all judged spectra perhaps only some
    for name, one in (("with", whole), ("without", job)):
        obsid, prediction = read_predictions(one)
        rows = np.isin(obsid, asked) & np.isin(obsid, wanted)
        made[name] = obsid[rows], Prediction(prediction.labels[rows])
    return comparison_frame(observations, labels, truth, made)
