"""The experiments: known differences are found, no others; a stop costs one run."""

import json

import numpy as np
import pandas as pd
import pytest

from cemp.constants import LABELS
from cemp.errors import BadInputError
from cemp.evaluate.bootstrap import BootstrapSettings
from cemp.experiments import (
    ablation,
    bench,
    beyond,
    claims,
    collect,
    cost,
    faint,
    paired,
    present,
    run,
    thesis,
)
from cemp.models.data import Sample
from cemp.models.tuned import TunedConfig, TunedMacrn
from cemp.paths import Paths

FEW = BootstrapSettings(n_boot=300)


@pytest.fixture(scope="module")
def stars():
    """Two hundred stars, a fifth of them CEMP, with two spectra each."""
    random = np.random.default_rng(1)
    fe_h = random.uniform(-3.2, 0, 200)
    c_fe = np.where(random.random(200) < 0.4, random.uniform(0.9, 1.8, 200), 0.1)
    truth = np.stack([np.full(200, 5000.0), np.full(200, 2.0), fe_h, fe_h + c_fe], axis=1)
    about = pd.DataFrame({
        "obsid": np.arange(400), "star_id": np.repeat(np.arange(200), 2).astype(str),
        "snrg": np.tile([8.0, 60.0], 200),
    })  # fmt: skip
    return np.repeat(truth, 2, axis=0), about


def predictions(truth, scatter, seeds, bias=0.0):
    """Predictions of known scatter and bias [dex] in iron and carbon."""
    made = []
    for seed in seeds:
        error = scatter * np.random.default_rng(seed).standard_normal((len(truth), 4)) + bias
        made.append(truth + error * [0, 0, 1, 1])
    return np.stack(made)


# ---- ablation -----------------------------------------------------------------------------------

def test_a_worse_variant_is_called_worse(stars):
    truth, about = stars
    base, worse = predictions(truth, 0.1, range(5)), predictions(truth, 0.2, range(10, 15))
    table = paired.differences(base, worse, truth, about, FEW).set_index("score")
    assert table.loc["rmse_c_h", "base"] == pytest.approx(0.1, abs=0.01)
    assert table.loc["rmse_c_h", "difference"] == pytest.approx(0.1, abs=0.015)
    assert (table["verdict"].drop("f1") == "worse").all() and table.loc["f1", "difference"] < 0
    back = paired.differences(worse, base, truth, about, FEW).set_index("score")
    assert (back["verdict"].drop("f1") == "better").all()


def test_variants_that_differ_by_luck_are_not_told_apart(stars):
    truth, about = stars
    base, other = predictions(truth, 0.15, range(5)), predictions(truth, 0.15, range(20, 25))
    table = paired.differences(base, other, truth, about, FEW)
    assert (table["verdict"] == "neither").sum() >= 4
    same = paired.differences(base, base, truth, about, FEW)
    assert (same[["difference", "low", "high"]] == 0).all(axis=None)


def test_luck_of_seeds_widens_the_interval(stars):
    truth, about = stars
    base = predictions(truth, 0.1, range(5))
    steady = np.stack([truth + 1.2 * (p - truth) for p in base])
    lucky = np.stack([truth + f * (p - truth)
                      for f, p in zip((0.6, 0.9, 1.2, 1.5, 1.8), base, strict=True)])
    width = {}
    for name, variant in (("steady", steady), ("lucky", lucky)):
        row = paired.differences(base, variant, truth, about, FEW).set_index("score")
        width[name] = row.loc["rmse_c_h", "high"] - row.loc["rmse_c_h", "low"]
    # the seeds' own standard deviation, 0.047 dex over five seeds: 0.08 wide at 95%
    assert width["lucky"] > 5 * width["steady"]
    assert width["lucky"] == pytest.approx(2 * 1.96 * 0.0474 / np.sqrt(5), rel=0.25)


def test_seed_shares_add_up():
    shares = paired.seed_weights(5, 1000)
    assert np.allclose(shares.sum(axis=1), 1)
    assert shares.mean(axis=0) == pytest.approx(np.full(5, 0.2), abs=0.02)


def test_scores_of_a_perfect_and_of_a_blind_method(stars):
    truth, about = stars
    once, snrg = np.ones((1, len(truth))), about["snrg"].to_numpy()
    perfect = ablation.scores(truth, truth, snrg, once)
    assert perfect["f1"][0] == 1 and perfect["rmse_fe_h"][0] == 0
    shifted = ablation.scores(truth + [0, 0, 0, 0.3], truth, snrg, once)
    for name in ("rmse_c_h", "rmse_c_h_cemp", "rmse_c_h_faint"):
        assert shifted[name][0] == pytest.approx(0.3)


def test_every_variant_builds():
    for variant in ablation.VARIANTS.values():
        config, settings = ablation._settings(variant, 1, 1)
        assert TunedMacrn(config).config == config and settings.epochs == 1
    assert len(ablation.SEEDS) >= 5


def test_a_single_kernel_has_as_many_filters():
    single = ablation.VARIANTS["single_kernel"].config
    assert TunedConfig(**single).n_filters == TunedConfig().n_filters


def tiny_bench(labels, limits):
    n, pixels = len(labels), np.ones((len(labels), 3), np.float32)
    sample = Sample(np.arange(n), pixels, pixels, pixels > 0, labels)
    return bench.Bench(sample, sample, sample, limits, None, labels + 0.5)


def test_labels_of_the_variants():
    labels = np.array([[5000, 2, -2, np.nan], [5000, 2, -1, -1.2]])
    made = tiny_bench(labels, np.array([-1.5, np.nan]))
    variants, wrong = ablation.VARIANTS, lambda sample, seed: sample.labels + seed
    get = {n: ablation.training_sample(variants[n], made, 7, wrong).labels for n in variants}
    assert np.array_equal(get["base"], labels, equal_nan=True)
    assert np.array_equal(get["no_limits"], labels, equal_nan=True)
    assert get["limit_value"][:, 3].tolist() == [-1.5, -1.2]
    assert np.array_equal(get["exact_labels"], labels + 0.5, equal_nan=True)
    assert np.array_equal(get["noisy_labels"], labels + 7, equal_nan=True)


def test_label_noise_is_that_of_literature_pairs_and_a_stars_own():
    n = 4000
    labels = np.zeros((n, 4))
    sample = Sample(np.arange(n), None, None, None, labels)
    star_id = np.arange(n) // 2
    one, two = (bench.noisy_labels(sample, star_id, seed) for seed in (1, 2))
    assert np.array_equal(one[::2], one[1::2])
    scatter = (one - two).std(axis=0)[:3]
    assert scatter == pytest.approx(bench.LABEL_NOISE[:3], rel=0.06)
    assert np.mean(np.abs((one - two)[:, 3]) > 0.4) == pytest.approx(0.2, abs=0.05)


# ---- runs ---------------------------------------------------------------------------------------

@pytest.fixture
def runs(tmp_path, monkeypatch, stars):
    """Runs of a made-up survey whose training costs nothing."""
    truth, about = stars
    build = tmp_path / "build" / "demo"
    (tmp_path / "notebooks" / "profiles").mkdir(parents=True)
    (tmp_path / "notebooks" / "profiles" / "demo.yaml").touch()
    for name in ("01/labels.parquet", "02/processed.csv"):
        (build / name).parent.mkdir(parents=True)
        (build / name).write_text("survey")
    pixels = np.ones((len(truth), 1), np.float32)
    sample = Sample(about["obsid"].to_numpy(), pixels, pixels, pixels > 0, truth)
    made = bench.Bench(sample, sample, sample, np.full(len(truth), np.nan), about, truth)
    monkeypatch.setattr(run.Runs, "bench", lambda self, spectra="rest": made)

    def learn(name, seed, *_):
        scatter = {"no_noise": 0.3, "no_lstm": 0.1}.get(name, 0.1)
        return predictions(truth, scatter, [seed])[0], 0.1

    monkeypatch.setattr(ablation, "run", learn)
    return run.Runs(Paths("demo", tmp_path))


NAMES, SEEDS = ("base", "no_noise"), (1, 2, 3)


def test_a_stopped_ablation_goes_on(runs):
    said = []
    log = lambda text, **_: said.append(text)  # noqa: E731
    assert run.run_all(runs, NAMES, SEEDS, 1, minutes=-1, log=log) == 6
    runs.run("base", 1, 1)
    assert runs.waiting(NAMES, SEEDS, 1)[:2] == [("no_noise", 1), ("base", 2)]
    assert run.run_all(runs, NAMES, SEEDS, 1, log=log) == 0 and len(said) == 5
    assert run.run_all(runs, NAMES, SEEDS, 1, log=log) == 0 and len(said) == 5


def test_other_settings_or_another_survey_make_runs_stale(runs):
    run.run_all(runs, NAMES, SEEDS, 1, log=lambda *_, **__: None)
    assert len(runs.waiting(NAMES, SEEDS, 2)) == 6
    (runs.paths.build / "02" / "processed.csv").write_text("another survey")
    other = run.Runs(runs.paths)
    assert len(other.waiting(NAMES, SEEDS, 1)) == 6


def test_spectra_of_another_survey_are_preprocessed_again(runs, monkeypatch):
    asked = []
    monkeypatch.setattr(bench, "respectra", lambda paths, kind, folder: asked.append(folder))
    for text in ("one", "two"):
        (runs.paths.build / "02" / "processed.csv").write_text(text)
        run.Runs(runs.paths).respectra("observed")
        asked[-1].mkdir(parents=True)
    assert len(set(asked)) == 2 and not asked[0].exists()


def test_nothing_is_collected_of_nothing(runs):
    runs.folder.mkdir(parents=True)
    runs.run("base", 1, 1)
    with pytest.raises(BadInputError, match="make ablation"):
        collect.write(runs, SEEDS, 1)


def test_collected_tables_say_what_is_worse_and_where_they_come_from(runs, monkeypatch):
    run.run_all(runs, NAMES, SEEDS, 1, log=lambda *_, **__: None)
    collect.write(runs, SEEDS, 1, log=lambda *_: None)
    folder = collect.folder(runs.paths)
    table = pd.read_csv(folder / "ablation.csv").set_index(["variant", "score"])
    assert table.loc[("no_noise", "rmse_fe_h"), "verdict"] == "worse"
    assert table.loc[("no_noise", "rmse_fe_h"), "value"] == pytest.approx(0.3, abs=0.02)
    by_snr = pd.read_csv(folder / "ablation_faint.csv")
    assert set(by_snr["method"]) == {"base", "no_noise"}
    about = json.loads((folder / "ablation.json").read_text())
    assert about["runs"] == 6 and about["seeds"] == [1, 2, 3] and len(about["marks"]) == 6


def test_tables_say_whether_their_survey_is_this_runs(runs):
    run.run_all(runs, NAMES, SEEDS, 1, log=lambda *_, **__: None)
    collect.write(runs, SEEDS, 1, log=lambda *_: None)
    folder = collect.folder(runs.paths)
    collect.write_tables({"cost.csv": pd.DataFrame({"a": [1]})}, {}, folder, "cost",
                         log=lambda *_: None)  # fmt: skip
    survey = lambda: present.provenance(  # noqa: E731
        runs.paths, ("ablation", "cost"), folder)["survey"].to_dict()
    assert survey() == {"ablation": "this run's", "cost": "none needed"}
    about = json.loads((folder / "ablation.json").read_text())
    about.pop("data_mark")  # as tables were written before they said it
    (folder / "ablation.json").write_text(json.dumps(about))
    assert survey()["ablation"] == "another one"
    collect.write(runs, SEEDS, 1, log=lambda *_: None)
    (runs.paths.build / "02" / "processed.csv").write_text("another survey")
    assert survey()["ablation"] == "another one"
    (runs.paths.build / "02" / "processed.csv").unlink()
    with pytest.raises(BadInputError, match="make stages"):
        survey()


# ---- the draft's thesis -------------------------------------------------------------------------

def test_bias_and_scatter_by_snr(stars):
    truth, about = stars
    made = predictions(truth, 0.0, [1], bias=0.2)[0]
    made[about["snrg"] < 10, LABELS.index("c_h")] += 0.5
    made[5] = np.nan  # at S/N = 60: no answer
    table = faint.faint_table({"one": made}, truth, about, (5, 20, np.inf), FEW)
    get = table[table["group"] == "all"].set_index(["low_snr", "label", "statistic"])
    assert get.loc[(5, "c_fe", "bias"), "value"] == pytest.approx(0.5)
    assert get.loc[(20, "c_h", "bias"), "value"] == pytest.approx(0.2)
    assert get.loc[(20, "fe_h", "scatter"), "value"] == pytest.approx(0, abs=1e-9)
    assert get.loc[(20, "fe_h", "bias"), "failed"] == pytest.approx(1 / 200)
    few = faint.faint_table({"one": made}, truth, about, (5, 7, 20), FEW)
    assert few[few["low_snr"] == 5]["value"].isna().all()  # no stars, no number


def test_a_method_that_stops_at_the_cut_is_biased_beyond_it():
    fe_h = np.linspace(-4, -2, 81)
    truth = np.stack([5000 + 0 * fe_h, 2 + 0 * fe_h, fe_h, fe_h + 0.5], axis=1)
    held = truth.copy()
    held[:, 2] = np.maximum(fe_h, beyond.FE_H_CUT)
    table = beyond.beyond_table({("a", True): held, ("a", False): truth}, truth, np.arange(81),
                                FEW).set_index(["cut", "group", "label"])  # fmt: skip
    assert table.loc[(True, "fe_h", "fe_h"), "bias"] == pytest.approx(0.25, abs=0.02)
    assert table.loc[(False, "fe_h", "fe_h"), "rmse"] == 0
    assert table.loc[(True, "inside", "fe_h"), "rmse"] == 0
    assert table.loc[(False, "fe_h", "fe_h"), "past"] == 1


def test_training_is_cut_where_the_draft_says():
    labels = np.array([[5000, 2, -3.6, -3.0], [5000, 2, -3.4, -1.3], [5000, 2, -3.4, np.nan],
                       [5000, 2, 0.0, 0.1]])
    sample = tiny_bench(labels, np.full(4, np.nan)).train
    assert beyond.cut_training(sample).obsid.tolist() == [2, 3]
    rows = beyond.judged_rows(labels, 1)
    assert rows.tolist() == [0, 1, 2, 3]


def test_a_library_is_cut_where_training_is():
    from cemp.methods.template.library import GRID, LIMITS

    assert beyond.settings_of("cannon", True) == beyond.settings_of("template", False) == {}
    assert beyond.settings_of("template", True) == {"limits": "cut"}
    assert LIMITS["cut"]["fe_h"][0] == -3.5 and LIMITS["cut"]["c_fe"][1] == 2.0
    assert LIMITS["cut"]["teff"] == GRID["teff"]


def test_network_time_does_not_grow_but_the_librarys_size_does():
    sizes = [cost.library_size(n) for n in (2, 3, 4, 5, 6)]
    assert sizes == [88, 792, 5544, 27720, 138600]
    assert cost.search_seconds(1000, 2, 1) > 3 * cost.search_seconds(50, 2, 3)
    two, six = (cost.network_seconds(n, n_spectra=4) for n in (2, 6))
    assert six < 2 * two


def test_inference_is_timed_for_both_networks():
    rates = cost.inference_rates(1, 8)
    assert set(rates) == {"paper", "tuned"} and min(rates.values()) > 1


class Straight:
    """An emulator whose flux is linear in the labels."""

    def emulate(self, labels):
        random = np.random.default_rng(0)
        unit = np.array([1e-3, 0.1, 0.1, 0.1, 0.3, 0.1])
        return [(labels - [5100, 2.6, -1.8, 0.6, 0.25, 0.2]) * unit @ random.normal(size=(6, 400))]


@pytest.mark.parametrize("n_labels", [2, 6])
def test_least_squares_come_back(n_labels):
    made = cost.refine_seconds(Straight(), n_labels, 2, snr=1e4)
    assert made["error"] < 0.01 and made["calls"] > n_labels


def test_a_fit_of_other_code_is_not_used(tmp_path):
    np.savez(tmp_path / "fit.npz", mark="a", labels=np.zeros(3))
    assert thesis.read_fit(tmp_path / "fit.npz", "a") is not None
    assert thesis.read_fit(tmp_path / "fit.npz", "b") is None
    assert thesis.read_fit(tmp_path / "none.npz") is None


# ---- what the notebook shows --------------------------------------------------------------------

def test_paired_comparison_on_faint_spectra(stars):
    truth, about = stars
    made = {"template": predictions(truth, 0.3, [1])[0], "tuned": predictions(truth, 0.1, [2])[0],
            "cannon": predictions(truth, 0.3, [3])[0]}  # fmt: skip
    table = claims.faint_differences(made, truth, about, settings=FEW)
    table = table[(table["group"] == "all") & (table["statistic"] == "scatter")]
    table = table.set_index("method")
    assert table.loc["tuned", "first"] == pytest.approx(0.3 * 2**0.5, rel=0.15)
    assert table.loc["tuned", "high"] < 0 and table.loc["cannon", "low"] < 0 < table.loc[
        "cannon", "high"]
    assert claims.faint_differences({"tuned": made["tuned"]}, truth, about, settings=FEW).empty


def test_cost_claims_follow_from_the_intervals_of_growth():
    times = pd.DataFrame({"n_labels": [2, 3, 4, 5], "search_s": [1, 10, 100, 1000],
                          "refine_s": [1, 3, 1, 3], "tuned_s": [1, 1, 1, 1.001],
                          "paper_s": [2, 2, 2, 2]})  # fmt: skip
    grown = claims.growth(times)
    assert grown.loc["search"].to_numpy() == pytest.approx([10, 10, 10])
    assert grown.loc["refine", "low"] < 1 < grown.loc["refine", "high"]
    rows = claims._cost_claims(grown)
    assert [row[3] for row in rows] == ["holds", "not decided", "holds"]


def test_claims_beyond_the_cut_are_judged_star_by_star():
    fe_h = np.linspace(-4, -3.5, 60)
    truth = np.stack([5000 + 0 * fe_h, 2 + 0 * fe_h, fe_h, fe_h + 0.5], axis=1)
    noise = 0.05 * np.random.default_rng(0).standard_normal((60, 4))
    high = np.array([0, 0, 1.0, 0])
    made = {("Template matching", True): truth + noise + 0.5 * high,
            ("MACRN, tuned", True): truth + noise + 0.4 * high,
            ("MACRN, tuned", False): truth + noise[::-1]}  # fmt: skip
    pairs = claims.beyond_pairs(made, truth, np.arange(60), settings=FEW)
    rows = pd.DataFrame(claims._beyond_claims(pairs, "MACRN, tuned"),
                        columns=["key", "claim", "found", "verdict"]).set_index("key")
    assert rows["verdict"].to_dict() == {
        "BeyondIronBias": "holds", "BeyondIronRmse": "holds", "UnseenIronBias": "does not hold",
        "BeyondCarbonBias": "not tested", "BeyondCarbonRmse": "not tested",
        "UnseenCarbonBias": "not tested"}  # fmt: skip
    assert rows.loc["BeyondIronBias", "found"].startswith("0.39 against 0.49 dex (-0.10")


def test_a_bias_that_moves_across_zero_has_moved():
    fe_h = np.linspace(-4, -3.5, 60)
    truth = np.stack([5000 + 0 * fe_h, 2 + 0 * fe_h, fe_h, fe_h + 0.5], axis=1)
    high = np.array([0, 0, 1.0, 0])
    made = {("MACRN, tuned", True): truth + 0.2 * high, ("MACRN, tuned", False): truth - 0.2 * high}
    pairs = claims.beyond_pairs(made, truth, np.arange(60), settings=FEW)
    assert pairs.loc[pairs["statistic"] == "shift", "difference"].iloc[0] == pytest.approx(0.4)
    key, _, _, verdict = claims._beyond_claims(pairs, "MACRN, tuned")[0]
    assert (key, verdict) == ("UnseenIronBias", "does not hold")


def test_a_network_read_from_an_earlier_notebook_is_trained_anew_on_cut_stars(monkeypatch):
    monkeypatch.setattr(beyond, "trained_here", lambda key, place: {"folder": None, "of": place})
    assert beyond.settings_of("macrn", True, "here") == {"folder": None, "of": "here"}
    assert beyond.settings_of("macrn", False) == {}


def test_noise_is_judged_the_other_way_round():
    noise = pd.DataFrame([("no_noise", "rmse_c_h_faint", 0.2, 0.3, 0.1, 0.05, 0.15)], columns=[
        "variant", "score", "base", "value", "difference", "low", "high"])
    ((key, _, found, verdict),) = claims._noise_claim(noise)
    assert (key, verdict) == ("Noise", "holds")
    assert found == "0.20 against 0.30 dex (-0.10, -0.15 to -0.05)"
    assert claims._noise_claim(noise.iloc[:0]) == []


def test_predictions_are_read_in_the_order_asked_for(tmp_path):
    (tmp_path / "notebooks" / "profiles").mkdir(parents=True)
    (tmp_path / "notebooks" / "profiles" / "demo.yaml").touch()
    folder = tmp_path / "build" / "demo" / "08" / "cannon"
    folder.mkdir(parents=True)
    table = pd.DataFrame({"obsid": [1, 2, 3]} | {name: [10.0, 20.0, 30.0] for name in LABELS})
    table.to_parquet(folder / "predictions.parquet")
    made = claims.read_methods(Paths("demo", tmp_path), np.array([3, 7, 1]))
    assert list(made) == ["cannon"]
    assert made["cannon"][:, 0].tolist()[::2] == [30, 10] and np.isnan(made["cannon"][1]).all()


def test_tables_for_figures_and_paper(stars):
    truth, about = stars
    runs = {name: {s: predictions(truth, size, [s])[0] for s in (1, 2)}
            for name, size in (("base", 0.1), ("no_lstm", 0.3))}  # fmt: skip
    table = paired.ablation_table(runs, truth, about, FEW)
    arrays = present.ablation_arrays(table)
    assert arrays["difference"].shape == (1, 5)
    assert arrays["verdict"][0, list(arrays["score"]).index("rmse_fe_h")] == "worse"
    assert present.ablation_view(table).iloc[0]["rmse_fe_h"].endswith("*")
    cells = present.ablation_tex(table)[0]
    assert cells[0] == ablation.VARIANTS["no_lstm"].what and "tablenotemark" in cells[2]
    by_snr = faint.faint_table({"cannon": runs["base"][1]}, truth, about, (5, 20, 99), FEW)
    assert present.faint_arrays(by_snr)["scatter"].shape == (2, 1, 2, 3)
    claim = pd.DataFrame({"key": ["Faint"], "claim": ["S/N < 15"], "found": ["-0.1"],
                          "verdict": ["holds"]})  # fmt: skip
    assert present.claim_tex(claim) == [["S/N $<$ 15", "$-$0.1", "holds"]]
    assert present.claim_values(claim)["ExpFaintVerdict"][0] == "holds"


def test_every_variant_has_its_sentence_and_its_numbers(stars):
    truth, about = stars
    runs = {name: {s: predictions(truth, size, [s + shift])[0] for s in (1, 2)} for
            name, size, shift in (("base", 0.1, 0), ("no_lstm", 0.3, 0), ("squared", 0.1, 0))}
    table = paired.ablation_table(runs, truth, about, FEW)
    said = present.ablation_sentences(table)
    assert said["squared"] == "no difference shown"
    assert said["no_lstm"].startswith("worse in") and "RMSE [C/H], CEMP" in said["no_lstm"]
    records = pd.DataFrame({"seed": [1, 2] * 3})
    values = present.ablation_values(table, records, {"epochs": 8})
    assert values["ExpFOneSquared"][0] == 0 and values["ExpComparisons"][0] == 10


def test_missing_tables_say_what_to_run(tmp_path):
    for name, target in (("ablation", "make ablation"), ("without", "make thesis")):
        with pytest.raises(BadInputError, match=target):
            present.read(name, tmp_path)


def test_tables_say_whether_the_grid_has_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "data_mark", lambda paths: "mark")
    collect.write_tables({"cost.csv": pd.DataFrame({"a": [1]})}, {"cpu_seconds": {"x": 1800}},
                         tmp_path, "cost", log=lambda *_: None)  # fmt: skip
    row = present.provenance(None, ("cost",), tmp_path).loc["cost"]
    assert row["grid"] == "today's" and row["cpu_h"] == 0.5
    monkeypatch.setattr(present, "grid_hash", lambda: "another")
    assert present.provenance(None, ("cost",), tmp_path).loc["cost", "grid"] == "an earlier one"
