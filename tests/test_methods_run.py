"""Registry, run and tuning of the methods, on a small made-up survey."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cemp.constants import LABELS, WAVE
from cemp.errors import BadInputError
from cemp.evaluate.bootstrap import BootstrapSettings
from cemp.methods import adapters, leave_out, registry, run, tune
from cemp.methods.base import Method, Prediction
from cemp.methods.jobs import Job, fingerprint, load_data
from cemp.methods.leave_out import left_out_jobs, left_out_table
from cemp.methods.products import read_predictions
from cemp.models.data import Augment
from cemp.models.io import save_model
from cemp.models.macrn import Macrn, MacrnConfig
from cemp.models.train import TrainSettings
from cemp.paths import Paths
from cemp.vectors import write_part

N = 160
FOLDS = np.array(["train", "train", "validation", "test", "search"])


class Lines(Method):
    """Each label from the depth of its own line: exact without noise, by construction."""

    name = "Lines"
    TRIALS = ({}, {"gain": 1.2}, {"gain": 0.5})

    def __init__(self, gain=1.0, seen=None):
        self.gain, self.seen = gain, seen

    def fit(self, spectra, labels, validation=None):
        depth = 1 - spectra.flux[:, [100, 200, 300, 400]]
        known = np.isfinite(labels).all(axis=1)
        self.mean_, self.middle_ = labels[known].mean(axis=0), depth[known].mean(axis=0)
        centred = depth[known] - self.middle_
        self.slope_ = np.linalg.lstsq(centred, labels[known] - self.mean_, rcond=None)[0]
        return self

    def predict(self, spectra):
        depth = 1 - spectra.flux[:, [100, 200, 300, 400]]
        labels = self.gain * ((depth - self.middle_) @ self.slope_) + self.mean_
        self.report_ = pd.DataFrame({"obsid": spectra.obsid})
        return Prediction(labels, np.tile(np.diag([1e4, 0.04, 0.01, 0.02]), (len(labels), 1, 1)))

    @property
    def n_parameters(self):
        return self.slope_.size + 4


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A profile whose spectra hold one line for each label."""
    root, random = tmp_path_factory.mktemp("survey"), np.random.default_rng(3)
    (root / "notebooks/profiles").mkdir(parents=True)
    (root / "notebooks/profiles/tiny.yaml").write_text("{}\n")
    paths = Paths("tiny", root)
    unit = random.uniform(0, 1, (N, 4))
    values = [4500, 1, -3, -3] + unit * [1500, 3, 2.5, 2.5]
    flux = np.ones((N, WAVE.size)) + 0.001 * random.standard_normal((N, WAVE.size))
    flux[:, [100, 200, 300, 400]] = 1 - unit
    vectors, ivar = paths.stage("02") / "vectors", np.full_like(flux, 1e6)
    write_part(vectors, "part-0", 1000 + np.arange(N), flux, ivar)
    star = [f"s{i}" for i in range(N)]
    fold = np.resize(FOLDS, N)
    observations = pd.DataFrame({
        "obsid": 1000 + np.arange(N), "star_id": star, "fold": fold, "good_fraction": 1.0,
        "snrg": np.where(np.arange(N) % 10 == 1, 20.0, 90.0), "path": "none"})  # fmt: skip
    labels = pd.DataFrame(values, columns=list(LABELS)).assign(
        star_id=star, c_h_limit=False, source=np.resize(["apogee", "apogee", "subaru"], N))
    observations.to_parquet(paths.stage("01") / "observations.parquet")
    labels[fold != "search"].to_parquet(paths.stage("01") / "labels.parquet")
    return registry.Place(paths)


@pytest.fixture
def lines(monkeypatch):
    """`Lines` in the registry, run in this process."""
    entry = registry.Entry(f"{__name__}:Lines", "lines", "a test")
    monkeypatch.setitem(registry.METHODS, "lines", entry)
    monkeypatch.setattr(run, "_in_processes",
                        lambda function, tasks, n_jobs: map(function, tasks))  # fmt: skip


# ---- registry -----------------------------------------------------------------------------------

def test_every_method_can_be_made_and_says_what_it_is():
    assert {"cannon", "macrn"} <= set(registry.available())
    for key in registry.available():
        about = registry.entry(key)
        assert about.name and about.what and about.source
        assert issubclass(about.load(), Method)
        assert 1 <= len(registry.trials(key)) <= tune.MAX_TRIALS


def test_names_differ():
    names = [registry.entry(key).name for key in registry.available()]
    assert len(set(names)) == len(names)


def test_an_unknown_method_is_named():
    with pytest.raises(BadInputError, match="no method 'canon'; there are: .*cannon"):
        registry.available(["canon"])


def test_settings_replace_the_quick_ones(place):
    assert registry.make("cannon", place, quick=True).n_starts == 16
    assert registry.make("cannon", place, quick=True, n_starts=7).n_starts == 7


# ---- run ----------------------------------------------------------------------------------------

def test_rows_are_those_of_the_folds(place):
    data = load_data(Job("cannon", place))
    fold = np.resize(FOLDS, N)
    snrg = np.where(np.arange(N) % 10 == 1, 20.0, 90.0)
    assert set(data.train.obsid) == set(1000 + np.flatnonzero((fold == "train") & (snrg > 50)))
    assert set(data.judged) == set(1000 + np.flatnonzero(fold != "train"))
    assert not set(data.train.obsid) & set(data.judged)
    assert len(load_data(Job("cannon", place, search=False)).judged) == (fold == "test").sum() * 2
    assert len(load_data(Job("cannon", place, n_judged=9)).judged) == 9


def test_a_catalogue_left_out_is_in_no_training_row(place):
    data = load_data(Job("cannon", place, without="subaru"))
    left = 1000 + np.flatnonzero(np.arange(N) % 3 == 2)
    assert not set(left) & (set(data.train.obsid) | set(data.validation.obsid))
    assert set(data.judged) == set(left[np.resize(FOLDS, N)[left - 1000] != "search"])


def test_predictions_and_record_come_back(place, lines):
    job = Job("lines", place)
    record = run.run_jobs([job], tell=lambda line: None)["lines"]
    obsid, prediction = read_predictions(job)
    labels = pd.read_parquet(place.paths.stage("01") / "labels.parquet").set_index("star_id")
    truth = labels.reindex([f"s{i - 1000}" for i in obsid])[list(LABELS)].to_numpy()
    known = np.isfinite(truth).all(axis=1)
    assert np.abs(prediction.labels[known] - truth[known]).max() < 0.01
    assert prediction.covariance[0] == pytest.approx(np.diag([1e4, 0.04, 0.01, 0.02]))
    assert record["n_parameters"] == 20 and record["n_failed"] == 0
    assert record["n_judged"] == len(obsid) == len(pd.read_parquet(job.folder / "report.parquet"))


def test_nothing_changed_is_not_fitted_again(place, lines):
    said = []
    run.run_jobs([Job("lines", place)], tell=said.append)
    run.run_jobs([Job("lines", place)], tell=said.append)
    assert said[-1] == "lines: as before, not fitted again"
    run.run_jobs([Job("lines", place, settings={"gain": 1.1})], tell=said.append)
    assert said[-1].startswith("Lines: ")


def test_the_fingerprint_follows_settings_spectra_and_rows(place):
    job = Job("cannon", place)
    data = load_data(job)
    mark = fingerprint(job, data)
    assert fingerprint(job, data) == mark
    assert fingerprint(replace(job, settings={"margin": 1.0}), data) != mark
    assert fingerprint(job, replace(data, judged=data.judged[1:])) != mark
    other = replace(data.train, flux=data.train.flux + np.float32(1e-3))
    assert fingerprint(job, replace(data, train=other)) != mark


def test_left_out_table_compares_with_and_without(place, lines):
    jobs = [Job("lines", place)]
    again = left_out_jobs(jobs, ["lines"], ["subaru"])
    run.run_jobs(jobs + again, tell=lambda line: None)
    observations = pd.read_parquet(place.paths.stage("01") / "observations.parquet")
    labels = pd.read_parquet(place.paths.stage("01") / "labels.parquet")
    truth = pd.DataFrame({"obsid": pd.Series(dtype="int64")})
    table = left_out_table(again, observations, labels, truth, BootstrapSettings(50, min_stars=5))
    rmse = table[table["statistic"] == "rmse"]
    subaru_test = (np.arange(N) % 3 == 2) & (np.resize(FOLDS, N) == "test")
    assert (rmse["n_spectra"] == subaru_test.sum()).all()
    assert (rmse["with"] < 1e-3).all() and (rmse["without"] < 1e-3).all()
    assert np.abs(rmse["gain"]).max() < 1e-3


def test_a_network_is_trained_without_a_catalogue_as_it_was_with_it(place, monkeypatch):
    """Not with the defaults: 03_training's parameters and the network's own form."""
    small = MacrnConfig(lstm_units=12, dropout=0.2)
    save_model(Macrn(small), place.folder)
    monkeypatch.setattr(leave_out, "read_profile", lambda paths: {"03_training": {
        "epochs": 3, "batch": 7, "snrg_min": 50.0, "noise_snr_min": 9.0, "shift_kms": 2.0}})
    job, = left_out_jobs([Job("macrn", place)], ["macrn"], ["subaru"])
    json.dumps(job.settings)  # the record of a run keeps them
    asked = {}
    monkeypatch.setattr(adapters, "fit", lambda train, validation, config, settings, *_, **__:
                        asked.update(config=config, settings=settings) or SimpleNamespace(
                            model=None, history=pd.DataFrame({"seconds": [1.0]})))
    data = load_data(job)
    method = registry.make(job.key, place, **job.settings)
    method.fit(data.train, data.train.labels, (data.validation, data.validation.labels))
    assert asked["config"] == small
    assert asked["settings"] == TrainSettings(
        epochs=3, batch=7, augment=Augment(snr_min=9.0, shift_kms=2.0))
    with pytest.raises(BadInputError, match="name macrn instead"):
        left_out_jobs([Job("dropout", place)], ["dropout"], ["subaru"])


# ---- tuning -------------------------------------------------------------------------------------

def test_tuning_chooses_the_best_trial_and_keeps_the_others(place, lines, tmp_path):
    data = load_data(Job("lines", place))
    table = tune.tune_method("lines", place, data, tell=lambda line: None)
    assert table["chosen"].tolist() == [True, False, False]
    assert table["loss"][0] < 1e-4 < table["loss"][1]
    merged = tune.merge(table, tmp_path, {"profile": "tiny"})
    other = table.assign(method="cannon")
    merged = tune.merge(other, tmp_path)
    assert merged["method"].tolist() == ["cannon"] * 3 + ["lines"] * 3
    assert json.loads((tmp_path / "tuning.json").read_text())["lines"] == {"profile": "tiny"}
    assert tune.summary(merged).loc["lines", "chosen"] == "{}"


def test_tuning_stops_with_its_budget(place, lines):
    data, said = load_data(Job("lines", place)), []
    table = tune.tune_method("lines", place, data, budget=0.0, tell=said.append)
    assert len(table) == 1 and "budget ended before trial 1 of 3" in said[-1]


def test_a_trial_is_not_run_twice(place, lines, monkeypatch):
    data = load_data(Job("lines", place))
    tune.tune_method("lines", place, data, tell=lambda line: None)
    monkeypatch.setattr(tune, "run_trial", None)
    assert len(tune.tune_method("lines", place, data, tell=lambda line: None)) == 3


def test_a_known_answer_is_asked_of_the_method_as_it_was_tuned(place, lines, monkeypatch):
    """A gain of 1.2 was chosen: a fifth of each label's distance from the mean is wrong."""
    monkeypatch.setattr(tune, "chosen", lambda key: {"gain": 1.2})
    monkeypatch.setattr(tune, "known_answer", lambda method: pd.DataFrame(
        {"rms": 100 * (method.gain - 1), "bias": 0.0, "pull": 1.0}, index=list(LABELS)))
    table = tune.known_rows("lines", place)
    assert table["label"].tolist() == list(LABELS) and table["method"].unique() == ["lines"]
    np.testing.assert_allclose(table["rms"], 20.0)


@pytest.mark.parametrize("key", tune.BARE)
def test_networks_that_are_asked_take_nothing_from_the_survey(place, key):
    method = registry.make(key, place, **tune.BARE[key])
    assert getattr(method, "folder", None) is None and getattr(method, "catalogue", None) is None
