"""Errors, repeats, the catalogue's round trip, and what a selection is worth."""

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits

from cemp.candidates.assess import (
    binomial_interval,
    brier_score,
    purity_at,
    purity_bounds,
    rates,
    rates_by,
    reliability,
)
from cemp.candidates.catalogue import COLUMNS, designation, read_fits, write_csv, write_fits
from cemp.candidates.errors import ResidualCovariance, features
from cemp.candidates.stars import add_classes, combine_repeats, covariance_of
from cemp.candidates.tables import candidate_rows, class_counts, class_rows
from cemp.errors import BadInputError

N = 1500
IRON, CARBON, RHO = [-2.2, -0.6, 0.0, -0.2, 0.0], [-1.8, -0.7, 0.3, 0.0, 0.0], [0.6, -0.4, 0, 0, 0]


@pytest.fixture(scope="module")
def sample():
    """Labels, S/N, label errors and residuals of a known covariance, 5% of them spoilt."""
    rng = np.random.default_rng(5)
    fe_h = rng.uniform(-3.5, 0.3, N)
    labels = np.column_stack([rng.uniform(4200, 6500, N), rng.uniform(1, 4.5, N), fe_h,
                              fe_h + rng.normal(0.3, 0.6, N)])
    snr = 10 ** rng.uniform(0.8, 2.4, N)
    design, normal = features(labels, snr), rng.normal(size=(N, 4))
    sigma = np.column_stack([100 * np.exp(-0.5 * design[:, 1]), np.full(N, 0.2),
                             np.exp(design @ IRON), np.exp(design @ CARBON)])
    rho = np.tanh(design @ RHO)
    normal[:, 3] = rho * normal[:, 2] + np.sqrt(1 - rho**2) * normal[:, 3]
    label_error = np.tile([70.0, 0.1, 0.1, 0.1], (N, 1))
    residual = sigma * normal + label_error * rng.normal(size=(N, 4))
    spoilt = rng.random(N) < 0.05
    residual[spoilt] += rng.normal(size=(spoilt.sum(), 4)) * [700, 1.5, 1.5, 1.5]
    residual[rng.random(N) < 0.3, 3] = np.nan
    return {"labels": labels, "snr": snr, "residual": residual, "e": label_error,
            "sigma": sigma, "rho": rho}


@pytest.fixture(scope="module")
def model(sample):
    return ResidualCovariance().fit(sample["residual"], sample["labels"], sample["snr"],
                                    sample["e"])


def test_errors_recover_the_injected_widths(sample, model):
    ratio = model.errors(sample["labels"], sample["snr"]) / sample["sigma"]
    assert np.abs(np.median(ratio, axis=0) - 1).max() < 0.08
    assert np.percentile(np.abs(ratio - 1), 90) < 0.25


def test_errors_fall_with_snr_as_injected(sample, model):
    star = np.tile([5000.0, 2.0, -2.0, -1.7], (2, 1))
    ratio = np.divide(*model.errors(star, [20.0, 100.0]))
    assert np.log(ratio[[0, 2, 3]]) / np.log10(5) == pytest.approx([0.5, 0.6, 0.7], abs=0.15)


def test_correlation_is_recovered(sample, model):
    covariance = model.predict(sample["labels"], sample["snr"])
    sigma = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    rho = covariance[:, 0, 1] / sigma.prod(axis=1)
    assert np.median(np.abs(rho - sample["rho"])) < 0.12


def test_label_errors_left_in_widen_the_result(sample, model):
    other = ResidualCovariance().fit(sample["residual"], sample["labels"], sample["snr"])
    wide = other.errors(sample["labels"], sample["snr"])
    assert np.all(np.median(wide / model.errors(sample["labels"], sample["snr"]), axis=0) > 1.05)


def test_no_extrapolation_and_missing_stay_missing(sample, model):
    star = np.array([[5000.0, 2.0, -2.0, -1.7]] * 3)
    star[2, 3] = np.nan
    errors = model.errors(star, [sample["snr"].max(), 1e5, 50.0])
    assert errors[0] == pytest.approx(errors[1], rel=1e-6)
    assert np.isnan(errors[2, 3])


def test_error_model_survives_json(tmp_path, sample, model):
    model.to_json(tmp_path / "errors.json")
    again = ResidualCovariance.from_json(tmp_path / "errors.json")
    arguments = sample["labels"][:9], sample["snr"][:9]
    assert np.array_equal(again.predict(*arguments), model.predict(*arguments))


def test_too_few_held_out_labels_are_refused(sample):
    residual = sample["residual"][:30].copy()
    residual[5:, 3] = np.nan
    with pytest.raises(BadInputError, match="c_h"):
        ResidualCovariance().fit(residual, sample["labels"][:30], sample["snr"][:30])


def spectra():
    """Three spectra of two stars, with errors."""
    table = pd.DataFrame({
        "obsid": [11, 12, 13], "star_id": ["b", "a", "b"], "snrg": [50.0, 30.0, 20.0],
        "teff": [5000.0, 6000.0, 5090.0], "logg": [2.0, 4.0, 2.0], "fe_h": [-2.5, -1.0, -2.2],
        "c_h": [-1.0, -1.0, -1.0], "cov_fe_h_c_h": 0.005,
        "e_teff": [30.0, 50.0, 60.0], "e_logg": 0.1, "e_fe_h": [0.1, 0.1, 0.2],
        "e_c_h": [0.1, 0.1, 0.2],
        "gaia_source_id": np.array([3_000_000_000_000_000_001, 0, 3_000_000_000_000_000_001]),
        "ra": [10.0, 359.999999, 10.0], "dec": [-0.5, 89.5, -0.5], "gmag": [14.0, 15.0, 14.0],
    })
    return table


def test_repeats_are_combined_by_inverse_variance_with_the_error_of_the_best():
    stars = combine_repeats(spectra()).set_index("star_id")
    assert list(stars["n_obs"]) == [1, 2]
    assert stars.loc["b", "teff"] == pytest.approx((5000 / 900 + 5090 / 3600) / (5 / 3600))
    assert stars.loc["b", "fe_h"] == pytest.approx((-2.5 * 4 - 2.2) / 5)
    assert stars.loc["b", ["obsid", "e_teff", "snrg"]].tolist() == [11, 30.0, 50.0]


def test_a_missing_label_does_not_spoil_the_other_spectrum():
    table = spectra()
    table.loc[0, "c_h"] = np.nan
    assert combine_repeats(table).set_index("star_id").loc["b", "c_h"] == pytest.approx(-1.0)
    table.loc[2, "c_h"] = np.nan
    assert np.isnan(combine_repeats(table).set_index("star_id").loc["b", "c_h"])


def test_carbon_error_holds_the_covariance():
    stars = add_classes(combine_repeats(spectra())).set_index("star_id")
    assert stars.loc["a", "e_c_fe"] == pytest.approx(np.sqrt(0.01 + 0.01 - 0.01))
    assert stars.loc["b", "c_fe"] == pytest.approx(1.44)
    assert stars.loc["b", "a_c"] == pytest.approx(7.43)
    assert bool(stars.loc["b", "cemp"])
    assert stars.loc["b", "p_cemp"] > 0.99 > 0.01 > stars.loc["a", "p_cemp"]
    assert covariance_of(stars)[0] == pytest.approx(np.array([[0.01, 0.005], [0.005, 0.01]]))


def test_designation_is_that_of_astropy_truncated():
    rng = np.random.default_rng(2)
    ra, dec = rng.uniform(0, 360, 200), rng.uniform(-89, 89, 200)
    for name, sky in zip(designation(ra, dec), SkyCoord(ra, dec, unit="deg"), strict=True):
        back = SkyCoord(f"{name[8:10]}h{name[10:12]}m{name[12:17]}s",
                        f"{name[17:20]}d{name[20:22]}m{name[22:]}s")
        assert (back.ra.deg <= sky.ra.deg + 1e-8) and abs(back.dec.deg) <= abs(sky.dec.deg) + 1e-8
        assert sky.separation(back).arcsec < 0.19
    assert designation([0.0, 360.0], [-0.001, 0.0])[0].endswith("J000000.00-000003.6")


def full_table():
    table = add_classes(combine_repeats(spectra()))
    table["designation"] = designation(table["ra"], table["dec"])
    for name in ("gband", "e_gband", "gband_normal", "gband_excess", "gband_power"):
        table[name] = [1.25, np.nan]
    return table.assign(gband_grade=["confirmed", "untested"])


def test_fits_catalogue_round_trip_with_units_and_provenance(tmp_path):
    table, path = full_table(), tmp_path / "candidates.fits"
    write_fits(table, path, {"PROFILE": ("demo", "profile"), "MOCK": (True, "mock survey")})
    pd.testing.assert_frame_equal(read_fits(path), table[list(COLUMNS)], check_dtype=False)
    header = fits.getheader(path, "CANDIDATES")
    number = list(COLUMNS).index("teff") + 1
    assert header[f"TUNIT{number}"] == "K"
    assert header[f"TCOMM{number}"] == "effective temperature"
    assert (header["PROFILE"], header["MOCK"]) == ("demo", True)


def test_csv_catalogue_says_the_same(tmp_path):
    table, path = full_table(), tmp_path / "candidates.csv"
    write_csv(table, path, {"PROFILE": ("demo", "profile")})
    back = pd.read_csv(path, comment="#")
    pd.testing.assert_frame_equal(back, table[list(COLUMNS)], check_dtype=False, rtol=1e-8)
    assert "# teff [K]: effective temperature" in path.read_text().splitlines()


def test_catalogue_refuses_a_table_without_a_column(tmp_path):
    with pytest.raises(BadInputError, match="p_cemp"):
        write_fits(full_table().drop(columns="p_cemp"), tmp_path / "x.fits", {})
    assert not (tmp_path / "x.fits").exists()


def test_binomial_interval_known_values():
    low, high = binomial_interval([0, 5, 10], [10, 10, 10], 0.95)
    assert low == pytest.approx([0.0, 0.1871, 0.6915], abs=1e-4)
    assert high == pytest.approx([0.3085, 0.8129, 1.0], abs=1e-4)
    assert [float(x) for x in binomial_interval(0, 0)] == [0.0, 1.0]


def test_rates_count_what_they_should():
    true = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
    selected = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 0], dtype=bool)
    table = rates(selected, true)
    assert table["value"].to_dict() == pytest.approx(
        {"completeness": 0.75, "purity": 0.75, "false_alarm": 1 / 6})
    binned = rates_by(np.arange(10), [0, 4, 9], selected, true)
    assert binned.query("rate == 'completeness'")["trials"].tolist() == [4, 0]
    assert binned.query("rate == 'false_alarm'")["trials"].tolist() == [0, 6]


def test_purity_follows_prevalence_and_zero_counts_give_a_bound():
    assert purity_at(0.01, 0.8, 0.002) == pytest.approx(0.008 / (0.008 + 0.00198))
    assert np.isnan(purity_at(np.array([0.01]), 0.0, 0.0)).all()
    true = np.r_[np.ones(50, bool), np.zeros(200, bool)]
    value, lower = purity_bounds(0.01, rates(true, true))
    upper = 1 - 0.05 ** (1 / 200)  # exact one-sided 95% limit on no event in 200
    assert float(value) == 1.0
    assert float(lower) == pytest.approx(0.01 / (0.01 + 0.99 * upper))


def test_reliability_and_brier_score():
    rng = np.random.default_rng(8)
    probability = rng.random(20_000)
    true = rng.random(20_000) < probability
    table = reliability(probability, true, np.linspace(0, 1, 6))
    assert np.abs(table["value"] - table["stated"]).max() < 0.03
    assert table["trials"].sum() == 20_000
    assert brier_score(probability, true) == pytest.approx(1 / 6, abs=0.01)
    assert brier_score([0.0, np.nan, 1.0], [False, True, True]) == 0.0


def test_paper_rows_hold_counts_and_tex():
    rows = class_rows(class_counts(full_table()))
    assert rows[0] == ("Table 1: [Fe/H] $<$ $-$2.0 and [C/Fe] $>$ 0.7", "1", "$1$")
    assert rows[3][0] == r"$-$3 $\le$ [Fe/H] $<$ $-$2.5 and [C/Fe] $\le$ 0.7"
    assert rows[3][2] == r"\nodata"
    star = candidate_rows(full_table())[1]
    assert star[0] == "J004000.00$-$003000.0"
    assert star[4] == r"$-2.44\pm0.10$"
    assert star[-1] == r"\nodata"
