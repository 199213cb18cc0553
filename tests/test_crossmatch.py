"""Matching and identity: known stars, known neighbours, known motions."""

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits

from cemp.crossmatch import MatchSettings, false_match_rate, match, propagate, separation
from cemp.crossmatch import unit_vectors as vectors
from cemp.errors import BadInputError
from cemp.identity import assign_star_id, star_table
from cemp.skycells import Points, in_slices, order_of
from cemp.sources import match_labels
from cemp.workflow.fullsize import FullSize, made_surveys, match_all
from tests.test_catalogues import GAIA, REAL, needs_real

ARCSEC = 1 / 3600


def table(rows, **columns):
    """A table from (ra, dec) pairs and further columns."""
    out = pd.DataFrame(rows, columns=["ra", "dec"]).assign(**columns)
    if "gaia_source_id" in out:
        out["gaia_source_id"] = out["gaia_source_id"].astype("Int64")
    return out


def pairs(found):
    return list(zip(found["left"], found["right"], found["decided_by"], strict=True))


def test_separation_agrees_with_astropy():
    generator = np.random.default_rng(3)
    ra, dec = generator.uniform(0, 360, (2, 50)), generator.uniform(-89.9, 89.9, (2, 50))
    ra[1, :25], dec[1, :25] = ra[0, :25] + 1e-4, dec[0, :25]
    a, b = (SkyCoord(r, d, unit="deg") for r, d in zip(ra, dec, strict=True))
    got = separation(vectors(ra[0], dec[0]), vectors(ra[1], dec[1]))
    np.testing.assert_allclose(got, a.separation(b).arcsec, rtol=1e-7)


def test_motion_agrees_with_its_definition():
    moved = propagate([150.0], [60.0], [1000.0], [-500.0], 16.0)
    expected = vectors([150.0 + 16 * ARCSEC / np.cos(np.radians(60))], [60 - 8 * ARCSEC])
    assert separation(moved, expected)[0] < 2e-3
    assert separation(propagate([0], [90.0], [np.nan], [5.0], 16.0), vectors([0], [90.0])) < 0.1


@pytest.mark.parametrize("side", ["left", "right"])
def test_fast_star_is_found_through_its_motion(side):
    # 1 arcsec a year over 16 years; at the old place now stands another star, 2 arcsec off
    start, end = (150.0, 60.0), (150.0 + 16 * ARCSEC / 0.5, 60.0)
    motion = {"pmra": 1000.0, "pmdec": 0.0}
    if side == "right":
        left, right = table([start]), table([end], epoch=2016.0, **motion)
    else:
        left, right = table([start], **motion), table([end], epoch=2016.0)
    found = match(left, right, left_epoch=2000.0)
    assert pairs(found) == [(0, 0, "position")]
    assert found["sep_arcsec"][0] < 0.01
    assert match(left.drop(columns="pmra", errors="ignore").assign(pmra=np.nan),
                 right.assign(pmra=np.nan)).empty  # fmt: skip


def test_neighbour_loses_to_the_gaia_identifier():
    # the wrong star is closer (0.3 arcsec) than the right one (1.5 arcsec)
    left = table([(10.0, 0.0)], gaia_source_id=[GAIA])
    right = table(
        [(10.0, 0.3 * ARCSEC), (10.0, 1.5 * ARCSEC)], gaia_source_id=[GAIA + 1, GAIA]
    )  # fmt: skip
    found = match(left, right)
    assert pairs(found) == [(0, 1, "gaia")]
    assert found["sep_arcsec"][0] == pytest.approx(1.5)
    assert found.attrs["id_disagrees"] == 1
    alone = match(left, right.iloc[:1])
    assert alone.empty and alone.attrs["id_disagrees"] == 1
    # without any identifier the nearest wins
    assert pairs(match(left.iloc[:, :2], right.iloc[:, :2])) == [(0, 0, "position")]


def test_refused_neighbour_does_not_hide_the_star():
    left = table([(10.0, 0.0)], gaia_source_id=[GAIA])
    right = table([(10.0, 0.3 * ARCSEC), (10.0, ARCSEC)], gaia_source_id=[GAIA + 1, pd.NA])
    assert pairs(match(left, right)) == [(0, 1, "position")]


def test_coarse_position_is_matched_by_identifier_only():
    left = table([(10.0, 0.0)], gaia_source_id=[GAIA])
    coarse = table([(10.0, 18 * ARCSEC)], gaia_source_id=[GAIA])
    assert pairs(match(left, coarse)) == [(0, 0, "gaia")]
    assert match(left, coarse.iloc[:, :2]).empty
    far = match(left, table([(10.0, 1.0)], gaia_source_id=[GAIA]))
    assert far.empty and far.attrs["id_too_far"] == 1


def test_match_is_mutual_and_across_zero():
    left = table([(0.0, 10.0), (0.0, 10.0 + 1.2 * ARCSEC)])
    right = table([(360.0 - 0.5 * ARCSEC, 10.0 + 0.4 * ARCSEC)])
    assert pairs(match(left, right)) == [(0, 0, "position")]  # the second row's partner is taken
    swapped = match(right, left)
    assert pairs(swapped) == [(0, 0, "position")]
    assert match(left.iloc[:0], right).empty and match(left, right.iloc[:0]).empty


def test_radius_is_a_limit():
    left, right = table([(10.0, 0.0)]), table([(10.0, 2.99 * ARCSEC)])
    assert len(match(left, right)) == 1
    assert match(left, right, MatchSettings(radius_arcsec=2.98)).empty
    with pytest.raises(BadInputError, match="without position"):
        match(left, table([(np.nan, 0.0)]))


def test_false_matches_of_a_known_density():
    # a square degree with 20,000 stars: 20,000 * pi * 9 / 3600^2 = 0.0436 a chance partner
    generator = np.random.default_rng(5)
    left = table(generator.uniform(0, 1, (20_000, 2)))
    right = left.iloc[:4000].reset_index(drop=True)
    found = false_match_rate(left, right)
    expected = 4000 * (1 - np.exp(-20_000 * np.pi * 9 * ARCSEC**2))
    # partners outside the field are missing near its edge, and two stars may want one partner
    assert found.attrs["expected"] == pytest.approx(expected, rel=0.06)
    assert found.attrs["real"] == 4000
    assert found.attrs["rate"] == pytest.approx(found.attrs["expected"] / 4000)


def test_one_identity_over_repeats():
    rows = table(
        [(10.0, 0.0), (10.0, 0.2 * ARCSEC), (10.0, 20 * ARCSEC), (10.0, 1.0 * ARCSEC),
         (50.0, 0.0), (50.0, 0.5 * ARCSEC), (60.0, 0.0), (60.0, 30 * ARCSEC), (70.0, 0.0)],
        gaia_source_id=[GAIA, pd.NA, pd.NA, GAIA + 1, pd.NA, pd.NA, pd.NA, pd.NA, pd.NA],
        uid=["a", "", "a", "", "", "", "u", "u", ""],
    )  # fmt: skip
    ids = assign_star_id(rows)
    assert ids[0] == ids[1] == ids[2] == f"G{GAIA}"  # nearest identified star; same uid
    assert ids[3] == f"G{GAIA + 1}"  # one arcsec off, but Gaia tells them apart
    assert ids[4] == ids[5] and ids[6] == ids[7]
    assert ids.nunique() == 5
    order = np.random.default_rng(1).permutation(len(rows))
    shuffled = assign_star_id(rows.iloc[order].reset_index(drop=True))
    assert shuffled.tolist() == ids.iloc[order].tolist()


def test_coarse_positions_do_not_chain_stars():
    rows = table([(10.0, 0.0), (10.0, 0.0)], coord_arcsec=[36.0, 36.0], uid=["a", "b"])
    assert assign_star_id(rows).nunique() == 2
    sharp = rows.assign(coord_arcsec=0.1)
    assert assign_star_id(sharp).nunique() == 1


def test_star_table_takes_the_finest_position():
    rows = table([(10.0, 0.001), (10.0, 0.0)], coord_arcsec=[36.0, 0.1], star_id=["s", "s"],
                 gaia_source_id=[GAIA, pd.NA])  # fmt: skip
    star = star_table(rows).iloc[0]
    assert star["dec"] == 0.0 and star["gaia_source_id"] == GAIA and star["n_rows"] == 2


def test_all_entries_of_a_star_follow_it():
    stars = star_table(table([(10.0, 0.0), (20.0, 0.0)], star_id=["one", "two"]))
    entries = table(
        [(10.0, 0.1 * ARCSEC), (10.0, 0.2 * ARCSEC), (30.0, 0.0), (40.0, 0.0)],
        star=["x", "x", "y", "z"], coord_arcsec=[0.1, 0.1, 0.1, 36.0], fe_h=[-2.0, -2.2, 0, 0],
    )  # fmt: skip
    found = match_labels(stars, entries)
    assert found["star_id"].tolist() == ["one", "one"]
    assert found["fe_h"].tolist() == [-2.0, -2.2]
    assert found.attrs["label_stars"] == 3 and found.attrs["matched_stars"] == 1
    assert found.attrs["unmatched_coarse"] == 1


@needs_real
def test_real_lamost_positions_match_the_apogee_names():
    # APOGEE_ID holds the 2MASS position to 0.15 arcsec; RA and Dec are those of LAMOST
    rows = fits.getdata(REAL / "lamost_dr2_x_apogee_dr12.fits", 1)
    names = [str(n) for n in rows["APOGEE_ID"]]
    ra = [15 * (int(n[2:4]) + int(n[4:6]) / 60 + int(n[6:10]) / 360000) for n in names]
    dec = [int(n[10] + "1") * (int(n[11:13]) + int(n[13:15]) / 60 + int(n[15:18]) / 36000)
           for n in names]  # fmt: skip
    left = table(np.column_stack([rows["RA"], rows["Dec"]]).astype(float))
    found = match(left, table(np.column_stack([ra, dec])))
    assert len(found) >= 0.99 * len(set(names))
    same = np.array(names)[found["left"]] == np.array(names)[found["right"]]
    assert same.all()
    assert found["sep_arcsec"].median() < 0.25


# ---- long tables --------------------------------------------------------------------------------

def test_pairs_by_cells_are_those_of_brute_force():
    rng = np.random.default_rng(8)
    n, m = 3000, 2500
    # both poles, the zero of right ascension, and points that sit on corners of cells
    dec = np.concatenate([rng.uniform(89.99, 90, 900), rng.uniform(-90, -89.99, 900),
                          rng.uniform(-0.01, 0.01, n - 1800)])
    ra = np.concatenate([rng.uniform(0, 360, 1800), rng.uniform(-0.01, 0.01, n - 1800) % 360])
    many, few = vectors(ra, dec), vectors(ra, dec)[rng.permutation(n)[:m]]
    few += rng.normal(0, 3 * ARCSEC * np.pi / 180, few.shape)
    few /= np.linalg.norm(few, axis=1, keepdims=True)
    reach = np.where(rng.random(m) < 0.9, 3.0, rng.uniform(0, 60, m)) * np.pi / 180 / 3600
    i, j = Points(many).pairs(few, reach, 6 * np.pi / 180 / 3600)
    chord = np.sqrt(((many[:, None] - few[None]) ** 2).sum(axis=2))
    want = set(zip(*np.nonzero(chord <= reach), strict=True))
    got = set(zip(i.tolist(), j.tolist(), strict=True))
    assert len(got) == len(i) > m and got == {(int(a), int(b)) for a, b in want}
    empty = Points(many[:0]).pairs(few, reach, 1e-5)
    assert len(empty[0]) == 0 and len(Points(many).pairs(few[:0], reach[:0], 1e-5)[0]) == 0


def test_long_lists_are_ordered_as_a_stable_sort_does():
    rng = np.random.default_rng(9)
    near = np.repeat(rng.integers(0, 2**62, 40_000), 3) + rng.integers(0, 4, 120_000)
    for keys in (near, near[:1], near[:0], near % 7, rng.integers(0, 2**63 - 1, 600_000)):
        keys = keys.astype(np.uint64)
        assert (order_of(keys) == np.argsort(keys, kind="stable")).all()
    assert in_slices(lambda rows: rows.stop - rows.start, 10, 4) == [4, 4, 2]
    assert in_slices(len, 0) == []


def test_one_wide_search_counts_what_single_searches_do():
    # at a pole a shift to the east carries a star further than asked
    rng = np.random.default_rng(4)
    for dec in (89.99, 20.0, -89.999):
        spot = np.column_stack([rng.uniform(0, 360 if abs(dec) > 80 else 0.05, 900),
                                dec + rng.uniform(-0.02, 0.02, 900)])  # fmt: skip
        spot[:, 1] = np.clip(spot[:, 1], -90, 90)
        left, right = table(spot), table(spot[:500], pmra=300.0, pmdec=-200.0, epoch=2016.0)
        shifts = [(40.0, 0.0), (0.0, -60.0), (56.0, 56.0)]
        found = false_match_rate(left, right, shifts=shifts)["matches"].tolist()
        for (east, north), number in zip(shifts, found, strict=True):
            there = np.clip(right["dec"] + north / 3600, -90, 90)
            ra = right["ra"] + east / 3600 / np.maximum(np.cos(np.radians(there)), 1e-6)
            moved = right.assign(ra=ra % 360, dec=there)
            assert number == len(match(left, moved)) and number > 0


def test_of_repeated_identifiers_the_nearest_pair_is_taken():
    left = table([(10.0, 0.0), (10.0, 2 * ARCSEC), (20.0, 0.0)],
                 gaia_source_id=[GAIA, GAIA, pd.NA])
    right = table([(10.0, 1.9 * ARCSEC), (10.0, 50 * ARCSEC), (20.0, 0.0)],
                  gaia_source_id=[GAIA, GAIA, pd.NA])  # fmt: skip
    assert pairs(match(left, right)) == [(1, 0, "gaia"), (2, 2, "position")]
    assert pairs(match(right, left)) == [(0, 1, "gaia"), (2, 2, "position")]


@pytest.mark.parametrize("names", [
    ["G12", "G120", "G12", "G3"], ["G012", "G12", "G12", "B"], ["HD 1", "G5", "A", "G5"],
    ["G5", "GJ 1", "G40", "G5"], ["J1", "G900", "G10000000000", "G899"],
    ["G9223372036854775807", "G922337203685477580", "H", "F"],
])  # fmt: skip
def test_stars_stand_in_the_order_of_their_names(names):
    rows = table([(float(i), 0.0) for i in range(4)], star_id=names,
                 pmra=[np.nan, 1.0, 2.0, 3.0], gaia_source_id=[pd.NA, 7, 8, 9])
    stars = star_table(rows)
    assert stars["star_id"].tolist() == sorted(set(names))
    for star in stars.itertuples():
        same = rows[rows["star_id"] == star.star_id]
        known = same["pmra"].dropna()
        assert star.ra == same["ra"].iloc[0] and star.n_rows == len(same)
        assert (star.pmra == known.iloc[0]) if len(known) else np.isnan(star.pmra)
        assert pd.isna(star.gaia_source_id) == same["gaia_source_id"].isna().all()
    assert stars["gaia_source_id"].dtype == "Int64"


def test_made_up_surveys_are_matched_as_they_were_made():
    size = FullSize(n_left=24_000, n_right=3000, n_stars=15_000)
    left, right, shared = made_surveys(size)
    seconds, found, chance, stars = match_all(left, right)
    # a star whose only spectrum and whose label lack Gaia is found by position: all are found
    assert shared <= found <= shared + 3 and abs(stars - size.n_stars) <= 15
    assert chance < 3 and set(seconds) == {"identity", "stars", "match", "chance matches"}
    assert np.isclose(left["gaia_source_id"].notna().mean(), size.with_gaia, atol=0.01)
