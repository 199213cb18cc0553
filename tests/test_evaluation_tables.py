from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cemp.constants import LABELS
from cemp.evaluate.bootstrap import BootstrapSettings
from cemp.evaluate.present import bin_arrays, difference_table, pick, wide
from cemp.evaluate.samples import (
    CEMP_GIANT,
    carbon_normal_twin,
    clear_spectra,
    evaluation_frame,
    nearest,
    predict_labels,
    read_truth,
    samples,
)
from cemp.evaluate.scores import paired_difference, score, score_bins
from cemp.evaluate.tex import bin_rows, hidden_rows, method_rows, metric_rows

QUICK = BootstrapSettings(n_boot=300)


def observed(obsid, fold="test"):
    star = [f"s{i // 10}" for i in obsid]
    return pd.DataFrame({"obsid": obsid, "star_id": star, "fold": fold, "snrg": 50.0,
                         "good_fraction": 0.99})


def test_every_reference_finds_its_spectrum_whatever_the_order():
    obsid = np.array([31, 10, 20, 11])
    predictions = pd.DataFrame({"obsid": obsid, **{k: obsid / 10 for k in (*LABELS, "c_fe")}})
    cannon = predictions.iloc[::-1].add_prefix("cannon_").rename(columns={"cannon_obsid": "obsid"})
    labels = pd.DataFrame({"star_id": ["s2", "s1"], "source": ["saga", "apogee"]})
    labels = labels.assign(**{k: [2.0, 1.0] for k in LABELS}, c_h_limit=[True, False])
    truth = pd.DataFrame({"obsid": [20, 31], **{f"true_{k}": [2.0, 3.1] for k in LABELS}})
    frame = evaluation_frame(
        observed([10, 11, 20, 31]), labels, truth.assign(true_c_fe=0.0), [predictions, cannon]
    ).set_index("obsid")
    assert frame.index.tolist() == obsid.tolist()
    assert (frame["cannon_teff"] == frame["teff"]).all()
    reference = frame["ref_teff"].to_dict()
    assert reference == pytest.approx({31: np.nan, 10: 1, 20: 2, 11: 1}, nan_ok=True)
    assert np.isnan(frame.loc[20, "ref_c_h"]) and frame.loc[20, "true_c_h"] == 2.0
    judged = samples(frame.reset_index())
    counts = {name: len(rows) for name, (rows, _) in judged.items()}
    assert counts == {"apogee": 2, "beyond": 1, "labels": 3, "truth": 2, "corner": 0}


def test_no_truth_leaves_its_samples_empty(tmp_path):
    truth = read_truth(tmp_path)
    assert len(truth) == 0 and truth["obsid"].dtype == np.int64 and "true_c_fe" in truth


def test_predictions_keep_the_order_asked_for():
    store = SimpleNamespace(read=lambda ids: SimpleNamespace(flux=np.asarray(ids)[:, None]))
    frame = predict_labels(lambda v: v.flux * [1, 2, 3, 4.0], store, [5, 3, 9, 1, 7], chunk=2)
    assert frame["obsid"].tolist() == frame["teff"].tolist() == [5, 3, 9, 1, 7]
    assert (frame["c_fe"] == frame["obsid"]).all()


def test_a_twin_differs_in_carbon_and_not_in_the_rest():
    frame = pd.DataFrame(
        {"obsid": [1, 2, 3, 4], "teff": [4900.0, 4900, 4950, 6000], "logg": [2.0, 2, 2.1, 4],
         "fe_h": [-2.6, -2.6, -2.5, -2.6], "c_fe": [1.6, 1.5, 0.2, 0.1]}
    )  # fmt: skip
    giant = nearest(frame, CEMP_GIANT).iloc[0]
    assert giant["obsid"] == 1 and carbon_normal_twin(frame, giant) == 3


def test_only_clear_unseen_spectra_are_shown_if_there_are_any():
    frame = pd.DataFrame(
        {"obsid": [1, 2, 3, 4], "fold": ["test", "search", "search", "validation"],
         "snrg": [60.0, 40, 70, 90], "good_fraction": [0.99, 0.99, 0.5, 0.99]}
    )  # fmt: skip
    assert clear_spectra(frame)["obsid"].tolist() == [1]
    assert clear_spectra(frame.iloc[1:])["obsid"].tolist() == [2, 3]


def test_tables_say_what_the_scores_say():
    random = np.random.default_rng(1)
    truth, error = random.uniform(-3, 0, 500), random.normal(0.05, 0.2, 500)
    frame = pd.DataFrame(
        {"star_id": np.arange(500), "snrg": 30.0, "true_c_h": truth, "c_h": truth + error,
         "cannon_c_h": truth + 3 * error}
    )  # fmt: skip
    table = score(frame, "c_h", settings=QUICK).assign(sample="truth")
    assert wide(table).loc[0, ["method", "n_stars"]].tolist() == ["MACRN", 500]
    rmse = pick(table, "rmse", sample="truth")
    (row,) = metric_rows(table)
    assert row[:4] == ["mock truth", "[C/H]", "500", "500"]
    assert row[7].startswith(f"${rmse['value']:.3f}_{{-")
    assert rmse["value"] == pytest.approx(np.hypot(0.05, 0.2), rel=0.1)
    differences = difference_table(
        {"truth": (frame, "true_")}, ["c_h"], partial(paired_difference, settings=QUICK)
    )
    assert method_rows(differences)[0][-1] == "MACRN"
    bins = score_bins(frame, ["c_h"], "snrg", [5, 20, 50], settings=QUICK)
    arrays = bin_arrays(bins, "snr")
    assert arrays["snr_c_h_n"].tolist() == [0, 500]
    assert arrays["snr_c_h_macrn_scatter"][0, 1] == pytest.approx(0.2, rel=0.1)
    assert bin_rows(bins, ["c_h"], ["5 to 20", "> 20"])[0] == [
        "$5$ to $20$", 0, r"\nodata", r"\nodata"]


def test_control_windows_become_their_extremes():
    columns = ["region", "pixels", "shift", "rmse", "rmse_hidden", "increase", "low", "high"]
    lines = [("C2 5165", 87, -0.1, 0.2, 0.5, 0.3, 0.2, 0.4)]
    lines += [(f"control {k}", 35, -k, 0.2, 0.2 + k / 100, k / 100, k / 100 - 0.005,
               k / 100 + 0.005) for k in (3, 1, 2)]  # fmt: skip
    rows = hidden_rows(pd.DataFrame(lines, columns=columns))
    assert rows[0] == ["C$_2$ 5165", 87, "$-0.100$", "$0.500$", "$0.300_{-0.100}^{+0.100}$"]
    assert [row[2] for row in rows[1:]] == ["$-1.000$", "$-3.000$"]
    assert [row[-1] for row in rows[1:]] == [
        "$0.010_{-0.005}^{+0.005}$", "$0.030_{-0.005}^{+0.005}$"]
