"""Merging, splitting and drawing: known offsets, no star on two sides, known occupancies."""

import numpy as np
import pandas as pd
import pytest

from cemp.catalogues.common import LABEL_TABLE
from cemp.constants import LABELS, rng
from cemp.errors import BadInputError
from cemp.sample import (
    assign_folds,
    balanced_draw,
    count_bins,
    draw_training,
    merge_sources,
    spectrum_paths,
    split_by_star,
)
from cemp.sources import MergeSettings, combine_entries, compare_sources, robust_sigma


def entries(rows):
    """Matched entries from dictionaries; what is not given is missing."""
    table = pd.DataFrame(rows).reindex(columns=["star_id", "sep_arcsec", *LABEL_TABLE])
    table["c_h_limit"] = table["c_h_limit"].fillna(False).astype(bool)
    numbers = [*LABELS, *(f"e_{label}" for label in LABELS)]
    table[numbers] = table[numbers].astype(float)
    return table.assign(sep_arcsec=0.1, reference=table["reference"].astype(object).fillna("P"))


def entry(star, source, fe_h, c_h=None, limit=False, **more):
    return {"star_id": star, "source": source, "teff": 5000.0, "logg": 2.0, "fe_h": fe_h,
            "c_h": c_h, "c_h_limit": limit, **more}  # fmt: skip


def test_entries_of_one_star_are_combined_by_the_median():
    table = combine_entries(entries([
        entry("s", "saga", -3.0, -2.0, reference="B"), entry("s", "saga", -3.2, -2.2),
        entry("s", "saga", -2.1, -0.2),  # an outlier, as one literature pair in five
        entry("s", "saga", -3.1, -2.9, limit=True), entry("t", "apogee", -1.0, e_fe_h=0.02),
    ]))  # fmt: skip
    star = table.set_index("star_id").loc["s"]
    assert star["fe_h"] == pytest.approx(-3.05) and star["n_entries"] == 4
    assert star["c_h"] == pytest.approx(-2.0) and not star["c_h_limit"]  # the limit is no entry
    assert star["e_fe_h"] == pytest.approx(1.2533 * 0.10 / 2)
    assert star["e_c_h"] == pytest.approx(1.2533 * 0.21 / 3**0.5)
    assert star["reference"] == "B; P"
    other = table.set_index("star_id").loc["t"]
    assert other["e_fe_h"] == pytest.approx(0.02) and np.isnan(other["c_h"])
    assert np.isnan(other["e_c_h"]) and not other["c_h_limit"]


def test_limits_stay_limits_until_somebody_detects_carbon():
    rows = [entry("only", "saga", -3.0, -1.5, limit=True), entry("only", "saga", -3.0, -1.8, True),
            entry("seen", "subaru", -3.0, -1.5, limit=True), entry("seen", "apogee", -2.4, -2.0),
            entry("two", "subaru", -3.0, -1.5, limit=True), entry("two", "saga", -3.0, -1.9, True),
            entry("none", "apogee", -0.5)]  # fmt: skip
    labels = merge_sources(combine_entries(entries(rows))).set_index("star_id")
    assert labels.loc["only", ["c_h", "c_h_limit"]].tolist() == [-1.8, True]
    assert labels.loc["two", ["c_h", "c_h_limit", "c_source"]].tolist() == [-1.9, True, "saga"]
    seen = labels.loc["seen"]
    assert seen["c_h"] == -2.0 and not seen["c_h_limit"] and seen["c_source"] == "apogee"
    assert seen["fe_h"] == -3.0 and seen["source"] == "subaru" and seen["n_sources"] == 2
    assert np.isnan(labels.loc["none", "c_h"]) and not labels.loc["none", "c_h_limit"]
    assert labels["e_c_h"].isna().tolist() == [True, True, False, True]
    assert len(labels) == 4  # a star without carbon is not dropped


def overlapping(n, offset, span=2.0, seed=1):
    """Two sources of n common stars; the second gives [Fe/H] higher by `offset`."""
    generator = np.random.default_rng(seed)
    fe_h = -3.0 + span * generator.random(n)
    rows = []
    for k in range(n):
        rows.append(entry(f"s{k:03d}", "subaru", fe_h[k], fe_h[k] + 0.5))
        noisy = fe_h[k] + offset + generator.normal(0, 0.1)
        rows.append(entry(f"s{k:03d}", "saga", noisy, fe_h[k] + 0.5))
    return rows


def test_known_offset_is_measured_and_taken_off():
    table = combine_entries(entries(overlapping(100, 0.20)))
    comparison, moved = compare_sources(table)
    row = comparison.query("source == 'saga' and label == 'fe_h'").iloc[0]
    assert row["n"] == 100 and abs(row["offset"] - 0.20) < 3 * row["e_offset"]
    assert row["e_offset"] == pytest.approx(1.2533 * row["scatter"] / 10)
    assert row["scatter"] == pytest.approx(0.1, abs=0.03) and row["applied"]
    again = compare_sources(moved)[0].query("source == 'saga' and label == 'fe_h'").iloc[0]
    assert abs(again["offset"]) < 1e-9 and not again["applied"]
    others = comparison[(comparison["source"] == "saga") & (comparison["label"] != "fe_h")]
    assert not others["applied"].any()
    np.testing.assert_array_equal(
        moved.query("source == 'subaru'")["fe_h"], table.query("source == 'subaru'")["fe_h"]
    )


@pytest.mark.parametrize("case", ["few", "insignificant", "extrapolated"])
def test_offsets_that_are_shown_but_not_applied(case):
    rows = overlapping(15 if case == "few" else 60, 0.01 if case == "insignificant" else 0.3)
    if case == "extrapolated":  # most of the source's stars are far from the common ones
        rows += [entry(f"x{k}", "saga", 0.3 * k / 100, 0.0) for k in range(600)]
        rows += [entry(f"y{k}", "saga", -7.0, 0.0) for k in range(200)]
    table = combine_entries(entries(rows))
    comparison, moved = compare_sources(table)
    row = comparison.query("source == 'saga' and label == 'fe_h'").iloc[0]
    assert np.isfinite(row["offset"]) and not row["applied"]
    pd.testing.assert_frame_equal(moved, table)


def test_limits_do_not_enter_the_comparison():
    rows = [entry(f"s{k}", s, -3.0, -2.0, limit=s == "saga") for k in range(30)
            for s in ("subaru", "saga")]  # fmt: skip
    comparison, _ = compare_sources(combine_entries(entries(rows)), MergeSettings())
    assert comparison.query("label == 'c_h' and source == 'saga'")["n"].tolist() == [0]


def test_robust_sigma_of_a_normal_sample():
    values = np.random.default_rng(2).normal(3, 2, 200_000)
    assert robust_sigma(values) == pytest.approx(2, rel=0.01)


def some_labels(n=2000):
    generator = np.random.default_rng(7)
    fe_h = np.where(generator.random(n) < 0.8, generator.normal(-0.4, 0.3, n), -2.6)
    return pd.DataFrame({
        "star_id": [f"G{k:05d}" for k in generator.permutation(n)], "fe_h": fe_h,
        "source": np.where(fe_h < -1.5, "saga", "apogee"), "c_h_limit": False,
        "c_h": fe_h + np.where(generator.random(n) < 0.05, 1.5, 0.1),
    })  # fmt: skip


def repeated_observations(labels):
    """Each labelled star up to four times, plus unlabelled stars and rejected spectra."""
    generator = np.random.default_rng(8)
    stars = np.concatenate([labels["star_id"].repeat(generator.integers(1, 5, len(labels))),
                            [f"S{k}" for k in range(300)]])  # fmt: skip
    stars = generator.permutation(stars)
    n = len(stars)
    return pd.DataFrame({
        "obsid": np.arange(n) + 10, "star_id": stars, "snrg": generator.uniform(5, 150, n),
        "cls": np.where(generator.random(n) < 0.02, "GALAXY", "STAR"),
        "z": np.where(generator.random(n) < 0.01, np.nan, 1e-4),
    })  # fmt: skip


def test_no_star_stands_on_two_sides():
    labels = some_labels()
    labels["fold"] = split_by_star(labels, rng("split"))
    observations = repeated_observations(labels)
    observations["fold"] = assign_folds(observations, labels)
    used = observations[observations["fold"] != "reject"]
    assert used["star_id"].duplicated().any()
    assert (used.groupby("star_id")["fold"].nunique() == 1).all()
    assert set(used["fold"]) == {"train", "validation", "test", "search"}
    assert (used["fold"] == "search").eq(used["star_id"].str.startswith("S")).all()
    rejected = observations[observations["fold"] == "reject"]
    assert ((rejected["cls"] != "STAR") | rejected["z"].isna()).all() and len(rejected) > 50


def test_split_keeps_its_shares_in_every_stratum():
    labels = some_labels()
    fold = split_by_star(labels, rng("split"))
    shares = fold.value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.60, abs=0.002)
    assert shares["test"] == pytest.approx(0.25, abs=0.002)
    rich = labels["c_h"] - labels["fe_h"] > 0.7
    for part in (labels["source"] == "saga", labels["source"] == "apogee", rich):
        counts = fold[part].value_counts()
        for name, share in {"train": 0.60, "validation": 0.15, "test": 0.25}.items():
            assert abs(counts[name] - share * part.sum()) <= 4
    # the same seed gives the same split whatever the order of the rows; another one does not
    order = np.random.default_rng(1).permutation(len(labels))
    again = split_by_star(labels.iloc[order].reset_index(drop=True), rng("split"))
    assert again.tolist() == fold.iloc[order].tolist()
    assert split_by_star(labels, rng("split", 1)).tolist() != fold.tolist()


def test_split_refuses_a_star_listed_twice():
    labels = pd.concat([some_labels(10)] * 2, ignore_index=True)
    with pytest.raises(BadInputError, match="listed twice"):
        split_by_star(labels, rng("split"))


def test_balanced_draw_by_hand():
    # bins of 12, 6 and 3: mean 7
    fe_h = np.concatenate([np.full(12, -0.1), np.full(6, -1.1), np.full(3, -3.1)])
    rows = balanced_draw(fe_h, np.random.default_rng(4))
    assert count_bins(fe_h[rows])[1].to_dict() == {-3.25: 7, -1.25: 7, -0.25: 7}
    full = rows[rows < 12]
    assert len(set(full.tolist())) == 7  # without replacement
    assert set(rows[rows >= 12].tolist()) == set(range(12, 21))  # none lost, some repeated
    with pytest.raises(BadInputError, match="no spectrum to draw from"):
        balanced_draw([], np.random.default_rng(4))


def test_draw_uses_bright_training_spectra_only():
    labels = some_labels()
    labels["fold"] = split_by_star(labels, rng("split"))
    observations = repeated_observations(labels)
    observations["fold"] = assign_folds(observations, labels)
    draw, counts = draw_training(observations, labels, rng("draw"), snrg_min=50.0)
    drawn = observations.set_index("obsid").loc[draw["obsid"]]
    assert (drawn["fold"] == "train").all() and (drawn["snrg"] >= 50).all()
    assert (drawn["star_id"].to_numpy() == draw["star_id"].to_numpy()).all()
    assert counts["drawn"][counts["bright"] > 0].nunique() == 1
    assert counts["drawn"].sum() == len(draw)
    assert counts["spectra"].sum() == (observations["fold"] == "train").sum()
    # validation and test keep every S/N and their natural mix
    held = observations[observations["fold"].isin(["validation", "test"])]
    assert held["snrg"].min() < 10


def test_paths_follow_the_pattern():
    rows = pd.DataFrame({"lmjd": [56001, -1], "planid": ["HD1", ""], "spid": [1, -1],
                         "fiberid": [7, -1]})  # fmt: skip
    pattern = "{planid}/spec-{lmjd:05d}-{planid}_sp{spid:02d}-{fiberid:03d}.fits.gz"
    assert spectrum_paths(rows, pattern).tolist() == ["HD1/spec-56001-HD1_sp01-007.fits.gz", ""]


def test_catalogues_without_a_common_star_are_refused():
    with pytest.raises(BadInputError, match="no star of the survey is in any label table"):
        combine_entries(entries([entry("s", "saga", -3.0)]).iloc[:0])
