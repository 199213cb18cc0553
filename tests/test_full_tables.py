"""Tables of a whole survey: read by column, written in parts, and never all spectra at once."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from cemp.candidates.stars import combine_repeats
from cemp.candidates.tables import ranked
from cemp.constants import LABELS
from cemp.figures import thin
from cemp.identity import count_stars, stars_by_fold
from cemp.paths import Paths
from cemp.rows import join_rows, parts_of, read_rows, row_slices, write_parts
from cemp.sample import observation_parts
from cemp.workflow import fullstages

#: What 04 and 05 may read of the table of observations, of its 20 columns.
NEEDED = {"obsid", "star_id", "fold", "snrg", "ra", "dec", "gmag", "gaia_source_id"}
PATTERN = "{planid}/spec-{lmjd:05d}-{planid}_sp{spid:02d}-{fiberid:03d}.fits.gz"


def made_observations(n, n_stars):
    """Rows with all columns that notebook 01 writes; the first 600 stars are labelled."""
    rng = np.random.default_rng(3)
    star = np.sort(rng.integers(0, n_stars, n))
    folds = np.array(["train", "validation", "test"])[star % 3]
    table = pd.DataFrame({
        "obsid": 10 * np.arange(n) + 10_000, "star_id": [f"G{k + 10**9}" for k in star],
        "path": "", "ra": rng.uniform(0, 360, n), "dec": rng.uniform(-5, 60, n), "z": 0.0,
        **{f"snr{band}": rng.uniform(5, 200, n) for band in "guriz"},
        "gaia_source_id": pd.array(star + 10**9, dtype="Int64"), "lmjd": 56000,
        "planid": "HD01", "spid": 3, "fiberid": np.arange(n) % 250, "cls": "STAR",
        "subclass": "G1", "gmag": 15.0, "fold": np.where(star < 600, folds, "search"),
    })  # fmt: skip
    return table.assign(path=[f"spec-{k}.fits.gz" for k in table["obsid"]])


def made_products(paths, n=4000):
    """Write what stages 01 and 02 leave: the labels are the made ones, a little off."""
    observations = made_observations(n, 2500)
    write_parts(paths.stage("01") / "observations.parquet", parts_of(observations, size=700))
    known = observations[observations["fold"] != "search"].drop_duplicates("star_id")
    values = fullstages.made_labels(known["obsid"])
    rng = np.random.default_rng(4)
    labels = pd.DataFrame({"star_id": known["star_id"], "source": "saga", "c_h_limit": False,
                           "fold": known["fold"]})  # fmt: skip
    for name, column in zip(LABELS, values.T, strict=True):
        error = 60.0 if name == "teff" else 0.15
        labels[name], labels[f"e_{name}"] = column + rng.normal(0, error, len(known)), error
    labels.to_parquet(paths.stage("01") / "labels.parquet")
    draw = observations.loc[observations["fold"] == "train", ["obsid", "star_id"]]
    draw.to_parquet(paths.stage("01") / "draw.parquet")
    fullstages.made_processed(paths)
    return observations


@pytest.fixture
def survey(tmp_path, monkeypatch):
    """A made survey for notebooks 04 and 05, and the columns that they read of its tables."""
    (tmp_path / "notebooks" / "profiles").mkdir(parents=True)
    (tmp_path / "notebooks" / "profiles" / "dr11.yaml").touch()
    paths = Paths("dr11", tmp_path)
    observations = made_products(paths)
    made = fullstages.replacements(paths, paths, len(observations))
    store = made["cemp.vectors.open_vectors"](None)
    made["cemp.vectors.open_vectors"] = lambda folder: store
    for name, replacement in made.items():
        monkeypatch.setattr(name, replacement)
    read, original = [], pq.ParquetFile.iter_batches

    def iter_batches(self, batch_size=65536, columns=None, **more):
        assert columns is not None, "a table of spectra is read whole"
        read.extend(columns)
        return original(self, batch_size, columns=columns, **more)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", iter_batches)
    whole = pd.read_parquet

    def read_parquet(path, columns=None, **more):
        assert columns is not None or path.stem in ("labels", "draw"), f"{path.name} is read whole"
        read.extend(columns or ())
        return whole(path, columns=columns, **more)

    monkeypatch.setattr(pd, "read_parquet", read_parquet)
    return paths, observations, store, read


def test_evaluation_and_search_read_columns_and_batches(survey):
    paths, observations, store, read = survey
    given = {"profile": "dr11", "n_boot": 5, "cannon_search": False}
    fullstages.run_stage("04", given)
    judged = observations[(observations["fold"] != "train") & store.has(observations["obsid"])]
    # the few that are drawn and the training sample come by themselves, all others in batches
    training = (observations["fold"] == "train").sum()
    assert store.most <= max(1000, training) < len(judged)
    found = pq.read_table(paths.stage("04") / "predictions.parquet").to_pandas()
    assert found["obsid"].tolist() == judged["obsid"].tolist()
    np.testing.assert_array_equal(found[list(LABELS)], fullstages.made_labels(judged["obsid"]))
    is_search = found["fold"] == "search"
    assert found.loc[is_search, "cannon_teff"].isna().all()
    np.testing.assert_array_equal(found.loc[~is_search, "cannon_teff"],
                                  found.loc[~is_search, "teff"])  # fmt: skip
    store.most = 0
    names = fullstages.run_stage("05", given)
    assert store.most <= 500
    assert names["search"] is None, "05 holds a row a star, not all spectra"
    assert set(read) <= NEEDED | set(LABELS)
    searched = judged[judged["fold"] == "search"]
    assert len(names["stars"]) == searched["star_id"].nunique()
    assert names["n_searched"] == len(searched)
    assert pq.ParquetFile(paths.stage("05") / "search.parquet").metadata.num_rows == len(searched)


def test_observations_are_written_in_parts_and_in_order(tmp_path):
    table = made_observations(1000, 700).sample(frac=1.0, random_state=1)
    columns = ["obsid", "path", "fold"]
    parts = list(observation_parts(table.drop(columns="path"), columns, PATTERN, size=300))
    assert [len(part) for part in parts] == [300, 300, 300, 100]
    assert write_parts(tmp_path / "a.parquet", parts) == 1000
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 4
    back = pd.read_parquet(tmp_path / "a.parquet")
    assert back["obsid"].tolist() == sorted(table["obsid"])
    assert back["path"][7] == "HD01/spec-56000-HD01_sp03-007.fits.gz"
    assert list(back) == columns


def test_rows_are_read_by_fold_and_joined_by_identifier(tmp_path):
    table = made_observations(1000, 700)
    write_parts(tmp_path / "a.parquet", parts_of(table, size=300))
    test = read_rows(tmp_path / "a.parquet", ["obsid", "snrg", "gaia_source_id"], ["test"],
                     keep=lambda obsid: obsid % 100 != 0)  # fmt: skip
    wanted = table[(table["fold"] == "test") & (table["obsid"] % 100 != 0)]
    pd.testing.assert_frame_equal(
        test, wanted[["obsid", "snrg", "gaia_source_id"]].reset_index(drop=True))
    other = pd.DataFrame({"obsid": wanted["obsid"][::-2], "x": -wanted["obsid"][::-2]})
    joined = join_rows(test, other, ["x"])
    assert joined["obsid"].tolist() == sorted(other["obsid"])
    assert (joined["x"] == -joined["obsid"]).all()
    assert not len(join_rows(test, other.iloc[:0], ["x"]))
    assert row_slices(0) == [slice(0, 0)]


def test_stars_are_counted_by_fold():
    table = pd.DataFrame({"star_id": ["G12", "J1", "G12", "G7", "J1"],
                          "fold": ["test", "search", "test", "search", "test"]})  # fmt: skip
    assert stars_by_fold(table).sum().to_dict() == {"search": 2, "test": 2}
    assert (stars_by_fold(table).sum(axis=1) > 1).sum() == 1  # J1 is on two sides
    assert count_stars(table["star_id"]) == 3 and count_stars(table["star_id"][:0]) == 0


def test_repeats_are_combined_as_by_star_and_brightness():
    rng = np.random.default_rng(8)
    table = made_observations(600, 200).sample(frac=1.0, random_state=2)
    for name in LABELS:
        table[name], table[f"e_{name}"] = rng.normal(0, 1, (2, 600))
    table.loc[table.index[:40], "c_h"] = np.nan
    table.loc[table.index[30:60], "snrg"] = np.nan
    found = combine_repeats(table).set_index("star_id")
    assert found.index.tolist() == sorted(set(table["star_id"]))
    for star, rows in table.groupby("star_id"):
        rows = rows.sort_values(["snrg", "obsid"], ascending=[False, True])
        assert found.loc[star, "obsid"] == rows["obsid"].iloc[0]
        assert found.loc[star, "n_obs"] == len(rows)
        good = rows["c_h"].notna()
        mean = (np.average(rows["c_h"][good], weights=rows["e_c_h"][good] ** -2.0)
                if good.any() else np.nan)  # fmt: skip
        assert found.loc[star, "c_h"] == pytest.approx(mean, nan_ok=True)


def test_few_candidates_are_followed_by_the_next_best():
    stars = pd.DataFrame({"selected": [False, True, False, True], "p_cemp": [0.4, 0.9, 0.3, 0.8],
                          "gband_grade": ["untested", "untested", "confirmed", "confirmed"],
                          "snrg": 20.0, "obsid": [1, 2, 3, 4]})  # fmt: skip
    assert ranked(stars, 1)["obsid"].tolist() == [4, 2]
    assert ranked(stars, 3)["obsid"].tolist() == [4, 2, 3]


def test_figures_draw_a_bounded_number_of_points():
    rows, text = thin(7_400_000)
    assert len(range(7_400_000)[rows]) == 50_000 and "148" in text
    assert thin(50_000) == (slice(None, None, 1), "") and thin(0)[1] == ""
