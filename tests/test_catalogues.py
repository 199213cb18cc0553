"""Readers of catalogues: marks of missing values, flags, limits, scales, counts; real files."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from cemp.catalogues import iter_lamost, read_apogee, read_lamost, read_saga, read_subaru
from cemp.catalogues.common import LABEL_TABLE, gaia_ids, parse_angles, parse_numbers
from cemp.catalogues.solar import scale_name, to_asplund
from cemp.errors import BadInputError

REAL = Path(__file__).parents[2] / "shared" / "real" / "catalogues"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"real catalogues not at {REAL}")

GAIA = 4907529318129123456  # 19 digits: a float would lose the last three


def lamost_rows():
    """Six rows: two good ones of one star, each further one with one fault."""
    n = 6
    return pd.DataFrame({
        "obsid": [101, 102, 103, 104, 105, 105], "uid": ["U1", "U1", "U3", "U4", "U5", "U5"],
        "lmjd": [56001] * n, "planid": ["HD1"] * n, "spid": [1] * n, "fiberid": np.arange(n) + 7,
        "ra": [10.0, 10.0, 11.0, -9999.0, 13.0, 13.0], "dec": [5.0, 5.0, 6.0, 7.0, 8.0, 8.0],
        "snrg": [60.0, 999.0, 12.0, 30.0, 40.0, 40.0], "class": ["STAR"] * 5 + ["GALAXY"],
        "subclass": ["G2"] * n, "z": [1e-4, 1e-4, -9999.0, 0.0, 0.0, 0.0],
        "gaia_source_id": [GAIA, GAIA, -9999, 0, GAIA + 9, GAIA + 9],
        "feh": [-0.5, -9999.0, -2.4, 0, 0, 0],
    })  # fmt: skip


def write_fits(frame, path):
    Table.from_pandas(frame).write(path, format="fits", overwrite=True)
    return path


@pytest.fixture(params=["fits", "fits.gz", "bar.csv", "comma.csv", "bom.csv.gz", "noted.csv"])
def lamost_file(request, tmp_path):
    path, kind = tmp_path / f"catalogue.{request.param}", request.param
    if kind.startswith("fits"):
        return write_fits(lamost_rows(), path)
    separator = "|" if kind.startswith("bar") else ","
    text = lamost_rows().to_csv(sep=separator, index=False)
    text = "# LAMOST DR11, queried 2026-11-02\n# rows: 6\n\n" * ("noted" in kind) + text
    data = ("\ufeff" if "bom" in kind else "").encode() + text.encode()
    path.write_bytes(gzip.compress(data) if kind.endswith("gz") else data)
    return path


def test_lamost_reads_every_form_alike(lamost_file):
    table = read_lamost(lamost_file)
    assert table["obsid"].tolist() == [101, 102, 103, 105]
    assert table.attrs["n_read"] == 6
    assert table.attrs["dropped"] == {"no position": 1, "obsid repeated": 1}
    assert table.attrs["noted"]["S/N(g) failed (999)"] == 1
    assert table.attrs["noted"]["redshift missing"] == 1
    assert table.attrs["noted"]["class is not STAR"] == 1
    assert table["snrg"].isna().tolist() == [False, True, False, False]
    assert np.isnan(table["z"][2]) and np.isnan(table["lasp_feh"][1])
    assert table["gaia_source_id"][0] == GAIA
    assert table["gaia_source_id"].isna().tolist() == [False, False, True, False]
    assert (table["planid"] == "HD1").all() and table["fiberid"].tolist() == [7, 8, 9, 11]


def test_lamost_chunks_equal_the_whole(lamost_file):
    chunks = list(iter_lamost(lamost_file, rows=2))
    assert [c.attrs["n_read"] for c in chunks] == [2, 2, 2]
    joined = pd.concat(chunks, ignore_index=True).drop_duplicates("obsid").reset_index(drop=True)
    pd.testing.assert_frame_equal(joined, read_lamost(lamost_file))


def test_lamost_refuses_other_tables(tmp_path):
    wrong = write_fits(lamost_rows().drop(columns=["z", "class"]), tmp_path / "wrong.fits")
    with pytest.raises(BadInputError, match="wrong.fits.*lacks the columns z, class"):
        read_lamost(wrong)
    empty = write_fits(lamost_rows().iloc[:0], tmp_path / "empty.fits")
    with pytest.raises(BadInputError, match="no usable row"):
        read_lamost(empty)
    with pytest.raises(BadInputError, match="missing or empty"):
        read_lamost(tmp_path / "nowhere.fits")


@pytest.mark.parametrize("name", ["cut.fits", "cut.fits.gz"])
@pytest.mark.filterwarnings("ignore:File may have been truncated")
def test_lamost_refuses_a_file_cut_short(tmp_path, name):
    many = pd.concat([lamost_rows()] * 500, ignore_index=True)
    many["ra"] = np.random.default_rng(1).uniform(0, 360, len(many))  # does not compress away
    path = write_fits(many, tmp_path / name)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(BadInputError, match=name):
        read_lamost(path)


def apogee_rows(n=9):
    """Nine rows: the first is good, each further one has one fault (see the test)."""
    rows = pd.DataFrame({
        "APOGEE_ID": [f"2M{k:014d}" for k in range(n)], "RA": 10.0 + np.arange(n),
        "DEC": 20.0, "SNR": 100.0, "TEFF": 4500.0, "TEFF_ERR": 30.0, "LOGG": 2.0,
        "LOGG_ERR": 0.05, "FE_H": -1.0, "FE_H_ERR": 0.03, "C_FE": 0.2, "C_FE_ERR": 0.04,
        "ASPCAPFLAG": 0, "STARFLAG": 0, "EXTRATARG": 0, "FE_H_FLAG": 0, "C_FE_FLAG": 0,
        "GAIAEDR3_SOURCE_ID": GAIA + np.arange(n), "GAIAEDR3_PMRA": 3.0, "GAIAEDR3_PMDEC": -4.0,
    })  # fmt: skip
    rows.loc[1, "ASPCAPFLAG"] = 1 << 23
    rows.loc[2, "EXTRATARG"] = 1 << 4
    rows.loc[3, "FE_H_FLAG"] = 1
    rows.loc[4, "C_FE_FLAG"] = 1 << 6
    rows.loc[5, "FE_H"] = -9999.99
    rows.loc[6, "STARFLAG"] = 1 << 3
    rows.loc[7, ["C_FE", "C_FE_ERR"]] = np.nan
    rows.loc[8, ["APOGEE_ID", "SNR"]] = [rows.loc[0, "APOGEE_ID"], 50.0]
    rows["ASPCAPFLAG"] |= 1 << 7  # STAR_WARN is no reason to drop
    return rows


def test_apogee_respects_every_flag(tmp_path):
    table = read_apogee(write_fits(apogee_rows(), tmp_path / "allStarLite.fits"))
    assert tuple(table.columns) == LABEL_TABLE
    assert table.attrs["dropped"] == {
        "no position": 0, "EXTRATARG duplicate": 1, "ASPCAPFLAG STAR_BAD": 1,
        "STARFLAG bad spectrum": 1, "FE_H_FLAG set": 1, "no [Fe/H]": 1, "APOGEE_ID repeated": 1,
    }  # fmt: skip
    assert table.attrs["noted"]["C_FE_FLAG set"] == 1
    table = table.set_index("star")
    assert len(table) == 3
    good = table.loc["2M00000000000000"]
    assert good["c_h"] == pytest.approx(-0.8) and good["e_c_h"] == pytest.approx(0.05)
    assert good["gaia_source_id"] == GAIA and good["epoch"] == 2000.0 and good["pmdec"] == -4.0
    assert table["c_h"].isna().tolist() == [False, True, True]
    assert not table["c_h_limit"].any()


def test_apogee_refuses_a_table_without_flags(tmp_path):
    path = write_fits(apogee_rows().drop(columns="C_FE_FLAG"), tmp_path / "old.fits")
    with pytest.raises(BadInputError, match="old.fits.*C_FE_FLAG"):
        read_apogee(path)


SAGA_HEAD = (
    "Object\tRAdeg\tDECdeg\tTeff\tlogg\t[Fe/H]\t[Fe I/H]\t[C/Fe]\tlogeps(C)\tReference\tsolar_scale"
)
SAGA_ROWS = [
    "A\t150.25000\t12.50000\t4800\t1.5\t-3.00\t\t1.00\t\tP1\tAsplund 2009",
    "A\t150.25\t12.50\t4850\t1.6\t-3.10\t\t1.20\t\tP2\tGrevesse 1996",
    "B\t10:00:00.00\t-00:30:00.0\t5000\t2.0\t\t-2.50\t<0.70\t\tP1\tGrevesse 1996",
    "C\t20.1\t5.1\t5100\t2.2\t-2.00\t\t\t<6.56\tP3\tAnders & Grevesse (1989)",
    "D\t30.12345\t6.12345\t5100\t2.2\t<-5.00\t\t\t\tP3\tAsplund 2009",
    "E\t\t6.12345\t5100\t2.2\t-2.00\t\t\t\tP3\tAsplund 2009",
    "F\t40.12345\t6.12345\t5100\t--\t-2.00\t\t\t\tP3\town",
    "F\t40.12345\t6.12345\t5100\t--\t-2.00\t\t\t\tP3\town",
]


def saga_file(tmp_path, rows=SAGA_ROWS, head=SAGA_HEAD):
    path = tmp_path / "saga.tsv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def test_saga_limits_scales_and_positions(tmp_path):
    table = read_saga(saga_file(tmp_path))
    assert table["star"].tolist() == ["A", "A", "B", "C", "F"]
    assert table.attrs["dropped"] == {
        "row repeated": 1, "no position": 1, "no [Fe/H], or a limit": 1
    }  # fmt: skip
    assert table["c_h_limit"].tolist() == [False, False, True, True, False]
    # Grevesse et al. (1996): A(C) = 8.55, A(Fe) = 7.50; log eps(C) does not depend on the Sun
    np.testing.assert_allclose(table["c_h"][:4], [-2.0, -1.78, -1.68, 6.56 - 8.43], atol=1e-9)
    np.testing.assert_allclose(table["fe_h"], [-3.0, -3.1, -2.5, -2.0 + 0.17, -2.0], atol=1e-9)
    assert np.isnan(table["c_h"][4]) and np.isnan(table["logg"][4])
    np.testing.assert_allclose(table["ra"][:3], [150.25, 150.25, 150.0])
    assert table["dec"][2] == pytest.approx(-0.5)
    # the row rounded to 0.01 deg took the position of the other row of the same star
    assert table["coord_arcsec"][1] == pytest.approx(0.036, rel=0.03)
    assert table.attrs["noted"]["position taken from a finer entry"] == 1
    assert table.attrs["noted"]["position coarser than 3 arcsec"] == 1
    assert table.attrs["noted"]["solar scale not given or unknown"] == 1


def test_saga_refuses_other_tables(tmp_path):
    with pytest.raises(BadInputError, match="not a SAGA table"):
        read_saga(saga_file(tmp_path, head=SAGA_HEAD.replace("[Fe", "[Ba")))
    with pytest.raises(BadInputError, match="no usable row"):
        read_saga(saga_file(tmp_path, rows=[]))


SUBARU_README = """\
J/ApJ/931/147   Test of the form   (nobody, 2022)
================================================================================
Byte-by-byte Description of file: table1.dat
--------------------------------------------------------------------------------
   Bytes Format Units   Label     Explanations
--------------------------------------------------------------------------------
   1-  4 A4     ---     Name      Name
   6- 14 F9.5   deg     RAdeg     Right ascension
  16- 24 F9.5   deg     DEdeg     Declination
  26- 44 I19    ---     GaiaEDR3  ? Gaia identifier
--------------------------------------------------------------------------------

Byte-by-byte Description of file: table2.dat
--------------------------------------------------------------------------------
   Bytes Format Units   Label     Explanations
--------------------------------------------------------------------------------
   1-  4 A4     ---     Name      Name
   6-  9 I4     K       Teff      ? Effective temperature
  11- 14 F4.2   [cm/s2] log(g)    Surface gravity
  16- 20 F5.2   [-]     [Fe/H]    ? Metallicity
      22 A1     ---     l_[C/Fe]  Limit flag on [C/Fe]
  24- 28 F5.2   [-]     [C/Fe]    ? Abundance ratio
--------------------------------------------------------------------------------

================================================================================
(End)
"""


def subaru_folder(tmp_path):
    (tmp_path / "ReadMe").write_text(SUBARU_README)
    (tmp_path / "table1.dat").write_text(
        f" J01 150.00000  12.50000 {GAIA}\n"
        " J02 151.00000 -12.50000 {:19s}\n J03 152.00000  12.50000\n".format("")
    )
    # in another order than the positions: rows are joined by name
    (tmp_path / "table2.dat").write_text(
        " J03 4500 1.00 -2.50\n J01 4700 1.50 -3.00    1.50\n J02      2.00 -2.00 <  0.40\n"
    )
    return tmp_path


def test_subaru_joins_by_name_and_keeps_limits(tmp_path):
    table = read_subaru(subaru_folder(tmp_path)).set_index("star")
    assert table.loc["J01", "c_h"] == pytest.approx(-1.5) and not table.loc["J01", "c_h_limit"]
    assert table.loc["J02", "c_h"] == pytest.approx(-1.6) and table.loc["J02", "c_h_limit"]
    assert np.isnan(table.loc["J03", "c_h"]) and not table.loc["J03", "c_h_limit"]
    assert np.isnan(table.loc["J02", "teff"])
    assert table.loc["J01", "gaia_source_id"] == GAIA
    assert table["gaia_source_id"].isna().sum() == 2
    assert table.loc["J02", "dec"] == -12.5


def test_subaru_names_what_is_missing(tmp_path):
    with pytest.raises(BadInputError, match="no ReadMe"):
        read_subaru(tmp_path)
    folder = subaru_folder(tmp_path)
    (folder / "table1.dat").unlink()
    with pytest.raises(BadInputError, match="no table with coordinates"):
        read_subaru(folder)


def test_gaia_identifiers_refuse_lost_digits():
    assert gaia_ids([f"Gaia DR3 {GAIA}", "", "-9999"]).tolist() == [GAIA, pd.NA, pd.NA]
    with pytest.raises(BadInputError, match="lost their last digits"):
        gaia_ids(np.array([GAIA, 0.0]))


def test_numbers_and_angles_as_papers_write_them():
    value, upper, lower = parse_numbers(["<=-1.2", "≤ 3", ">2", "−2.5", "4.1:", "...", "-9999"])
    np.testing.assert_equal(value, [-1.2, 3, 2, -2.5, 4.1, np.nan, np.nan])
    assert upper.tolist() == [True, True] + [False] * 5 and lower.tolist()[2]
    degrees, step = parse_angles(["-00 30 00.0", "+12:30:00", "-0.5", "12.34", "x"], hours=False)
    np.testing.assert_allclose(degrees, [-0.5, 12.5, -0.5, 12.34, np.nan])
    np.testing.assert_allclose(step[:4], [0.1, 1.0, 360.0, 36.0])


@pytest.mark.parametrize(
    ("text", "name"),
    [("Asplund et al. 2009", "asplund2009"), ("Grevesse 1996", "grevesse1996"), ("", "")],
)
def test_scale_names(text, name):
    assert scale_name(text) == name


def test_scales_cancel_for_absolute_abundances():
    # the same A(C) = 6.43, A(Fe) = 4.50 written on two scales comes out the same
    fe_h, c_h = np.array([4.50 - 7.50, 4.50 - 7.45]), np.array([6.43 - 8.52, 6.43 - 8.39])
    fe_h, c_h, known = to_asplund(fe_h, c_h, ["GS98", "AGS05"])
    np.testing.assert_allclose(fe_h, -3.0)
    np.testing.assert_allclose(c_h, -2.0)
    assert known.all()


@needs_real
def test_real_lamost_rows():
    table = read_lamost(REAL / "lamost_dr10_lrs_stellar_3000rows.csv")
    assert len(table) == 3000
    assert table.attrs["noted"]["S/N(g) failed (999)"] == 2
    assert table["obsid"][0] == 993612097 and table["ra"][0] == 225.699171


@needs_real
def test_real_apogee_rows():
    raw = Table.read(REAL / "apogee_dr16_400rows.fits")
    table = read_apogee(REAL / "apogee_dr16_400rows.fits")
    assert len(table) + table.attrs["dropped"]["EXTRATARG duplicate"] == len(raw) == 400
    assert table.attrs["dropped"]["EXTRATARG duplicate"] == 87
    # DR2 identifiers are there, and must not meet those of DR3
    assert "GAIA_SOURCE_ID" in raw.colnames and table["gaia_source_id"].isna().all()
    star = table.set_index("star").loc["2M18333506-3426009"]
    assert star["c_h"] == pytest.approx(-1.1291616 - 0.38416994, abs=1e-6)
    # X_H[0] is the survey's own [C/H]
    raw = raw[(np.asarray(raw["EXTRATARG"]) & 16) == 0]
    own = dict(zip(raw["APOGEE_ID"], np.asarray(raw["X_H"])[:, 0], strict=True))
    ours = table.set_index("star")["c_h"].dropna()
    np.testing.assert_allclose(ours, [own[s] for s in ours.index], atol=2e-6)


@needs_real
def test_real_saga_rows():
    table = read_saga(REAL / "saga_mw_ump_51.csv")
    # four stars have [Fe/H] as a limit in a column of flags, SMSS J0313-6708 (< -7.3) among them
    assert len(table) == 47 and table.attrs["dropped"]["no [Fe/H], or a limit"] == 4
    assert not table["star"].str.startswith("SMSS J031300").any()
    assert table["gaia_source_id"].notna().sum() == 47
    assert int(table["c_h_limit"].sum()) == 11
    star = table.set_index("star").loc["CD-38 245"]
    assert star["fe_h"] == -4.2 and star["c_h"] == pytest.approx(-4.43) and star["c_h_limit"]
    assert star["ra"] == pytest.approx((46 / 60 + 36.10 / 3600) * 15)


@needs_real
def test_real_cds_folder_without_positions_is_refused():
    with pytest.raises(BadInputError, match="no table with coordinates"):
        read_subaru(REAL / "placco2014_J_ApJ_797_21")
