"""Survey tables as they arrive when something went wrong: one clear line, never a wrong label."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from cemp.catalogues import read_apogee, read_lamost, read_saga, read_subaru
from cemp.catalogues.jinabase import read_jinabase
from cemp.catalogues.lamost import SPARE
from cemp.catalogues.yoon import read_yoon
from cemp.errors import BadInputError

REAL = Path(__file__).parents[2] / "shared" / "real" / "catalogues"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"real catalogues not at {REAL}")
LOGIN = b"\n <!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n" * 20


@pytest.fixture(scope="module")
def lamost():
    return pd.read_csv(REAL / "lamost_dr10_lrs_stellar_3000rows.csv")


@pytest.fixture(scope="module")
def apogee():
    return Table.read(REAL / "apogee_dr16_400rows.fits")


def saga_rows(n=40):
    return pd.DataFrame({
        "Object": [f"S{k}" for k in range(n)], "Teff": 4800, "logg": 1.5, "[Fe/H]": -2.5,
        "RAdeg": np.linspace(5.12345, 350.54321, n).round(5),
        "DECdeg": np.linspace(-60.12345, 60.54321, n).round(5),
        "[C/Fe]": 0.3, "Reference": "P1", "solar_scale": "Asplund 2009",
    })  # fmt: skip


@pytest.mark.parametrize("read", [read_lamost, read_apogee, read_saga])
@pytest.mark.parametrize("name", ["table.fits", "table.fits.gz", "table.csv"])
def test_a_login_page_is_called_one(tmp_path, read, name):
    (tmp_path / name).write_bytes(LOGIN)
    with pytest.raises(BadInputError, match=f"{name} is a web page.*fetch the file again"):
        read(tmp_path / name)


@pytest.mark.parametrize("read", [read_lamost, read_apogee, read_saga])
def test_folders_and_empty_files(tmp_path, read):
    with pytest.raises(BadInputError, match="is a folder"):
        read(tmp_path)
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(BadInputError, match="missing or empty: set .* in the profile"):
        read(tmp_path / "empty")


@needs_real
def test_lamost_by_content_not_by_name(tmp_path, lamost):
    text = lamost.to_csv(index=False, sep="|").encode()
    (tmp_path / "catalogue.fits").write_bytes(b"\xef\xbb\xbf" + text)
    (tmp_path / "catalogue.dat").write_bytes(gzip.compress(text))
    want = read_lamost(REAL / "lamost_dr10_lrs_stellar_3000rows.csv")
    for name in ("catalogue.fits", "catalogue.dat"):
        pd.testing.assert_frame_equal(read_lamost(tmp_path / name), want)


@needs_real
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(ra=t["ra"] / 15), "look like hours"),
        (lambda t: t.rename(columns={"ra": "dec", "dec": "ra"}), "look swapped"),
        (lambda t: t.assign(ra=np.nan), "no usable row"),
        (lambda t: t.iloc[:0], "no usable row"),
        (lambda t: t.drop(columns=["obsid"]), "lacks the columns obsid"),
        (lambda t: t.assign(ra="unknown", dec="unknown"), "no usable row"),
        (lambda t: t.assign(obsid="x"), "cannot be read"),
    ],
)
def test_lamost_refuses(tmp_path, lamost, change, message):
    path = tmp_path / "rows.csv"
    change(lamost).to_csv(path, index=False)
    with pytest.raises(BadInputError, match=f"rows.csv.*{message}"):
        read_lamost(path)


@needs_real
def test_lamost_drops_and_counts_single_faults(tmp_path, lamost):
    bad = pd.concat([lamost, lamost.iloc[:7]], ignore_index=True)
    bad.loc[20, "ra"], bad.loc[21, "dec"], bad.loc[22, "dec"] = np.nan, -9999, 95.0
    bad.to_csv(tmp_path / "rows.csv", index=False)
    table = read_lamost(tmp_path / "rows.csv")
    assert table.attrs["n_read"] == 3007 and len(table) == 2997
    assert table.attrs["dropped"] == {"no position": 3, "obsid repeated": 7}


def test_lamost_drops_rows_without_obsid(tmp_path):
    (tmp_path / "rows.csv").write_text("obsid,ra,dec,z,snrg,class\n7,10,5,0.0,20,STAR\n"
                                       ",11,5,0.0,20,STAR\n")
    table = read_lamost(tmp_path / "rows.csv")
    assert table["obsid"].tolist() == [7] and table.attrs["dropped"]["no obsid"] == 1


@needs_real
@pytest.mark.parametrize("name, reader", [
    ("lamost_dr10_lrs_stellar_3000rows.csv", read_lamost), ("saga_mw_ump_51.csv", read_saga),
    ("JINAbase-yelland25.csv", read_jinabase), ("cemp_master_257.csv", read_yoon),
])  # fmt: skip
def test_a_cut_text_is_refused_and_a_last_line_may_stay_open(tmp_path, name, reader):
    text = (REAL / name).read_bytes()
    path = tmp_path / "table.csv"
    path.write_bytes(text.rstrip())
    assert len(reader(path)) == len(reader(REAL / name))
    half = text[: text.rindex(b",", 0, len(text) // 2)]
    for cut in (half, gzip.compress(text)[: len(text) // 20]):
        path.write_bytes(cut)
        with pytest.raises(BadInputError, match=r"table\.csv.*fetch the file again"):
            reader(path)


@needs_real
def test_lamost_lean_leaves_out_what_no_stage_needs():
    path = REAL / "lamost_dr10_lrs_stellar_3000rows.csv"
    lean, full = read_lamost(path, lean=True), read_lamost(path)
    assert set(full) - set(lean) == set(SPARE) and lean.attrs == full.attrs
    pd.testing.assert_frame_equal(lean, full[list(lean)])


@needs_real
@pytest.mark.parametrize("names", [
    # an early release, and an export with capital letters
    {"snrg": "snrg", "teff": "teff"}, {name: name.upper() for name in ("obsid", "ra", "z")},
])  # fmt: skip
def test_lamost_columns_drift(tmp_path, lamost, names):
    lamost.rename(columns=names).drop(columns=["subclass", "feh"]).to_csv(
        tmp_path / "rows.csv", index=False
    )
    table = read_lamost(tmp_path / "rows.csv")
    assert len(table) == 3000 and table["lasp_feh"].isna().all() and (table["subclass"] == "").all()


@needs_real
def test_apogee_dr16_flags_and_sentinels(tmp_path, apogee):
    table = apogee[(np.asarray(apogee["EXTRATARG"]) & 16) == 0]
    assert len(table) == 313
    table["FE_H"][:3] = -9999.99  # float32: -9999.990234375
    table["C_FE"][3:5] = -9999.99
    table["C_FE_ERR"][5] = -9999.99
    table["FE_H_ERR"][6] = -999.99
    table["TEFF"][7], table["RA"][8] = np.nan, -9999.99
    table["ASPCAPFLAG"][9] = 1 << 23
    table["STARFLAG"][10] = 1 << 19
    table["FE_H_FLAG"][11] = 1
    table["C_FE_FLAG"][12] = 1 << 8
    table.write(tmp_path / "allStar-r12.fits")
    got = read_apogee(tmp_path / "allStar-r12.fits")
    assert got.attrs["dropped"] == {
        "no position": 1, "EXTRATARG duplicate": 0, "ASPCAPFLAG STAR_BAD": 1,
        "STARFLAG bad spectrum": 1, "FE_H_FLAG set": 1, "no [Fe/H]": 3, "APOGEE_ID repeated": 0,
    }  # fmt: skip
    assert len(got) == 313 - 7 and got["c_h"].isna().sum() == 3
    assert got.attrs["noted"]["C_FE_FLAG set"] == 1
    stars = got.set_index("star")
    names = [str(name).strip() for name in table["APOGEE_ID"]]
    assert np.isnan(stars.loc[names[5], "e_c_h"]) and np.isfinite(stars.loc[names[5], "c_h"])
    assert np.isnan(stars.loc[names[6], "e_fe_h"]) and np.isnan(stars.loc[names[7], "teff"])
    assert stars["fe_h"].between(-2, 0).all() and stars["c_h"].dropna().between(-3, 0.2).all()


@needs_real
@pytest.mark.filterwarnings("ignore:File may have been truncated")
def test_apogee_refuses(tmp_path, apogee):
    swapped = apogee.copy()
    swapped["TEFF"], swapped["LOGG"] = apogee["LOGG"], apogee["TEFF"]
    swapped.write(tmp_path / "swapped.fits")
    with pytest.raises(BadInputError, match="swapped.fits: the median teff is 0.*swapped"):
        read_apogee(tmp_path / "swapped.fits")
    apogee[:0].write(tmp_path / "none.fits")
    with pytest.raises(BadInputError, match="none.fits has no usable row"):
        read_apogee(tmp_path / "none.fits")
    data = (REAL / "apogee_dr16_400rows.fits").read_bytes()
    (tmp_path / "cut.fits").write_bytes(data[: len(data) // 2])
    with pytest.raises(BadInputError, match="cut.fits"):
        read_apogee(tmp_path / "cut.fits")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(RAdeg=(t["RAdeg"] / 15).clip(0.2)), "look like hours"),
        (lambda t: t.rename(columns={"RAdeg": "DECdeg", "DECdeg": "RAdeg"}), "look swapped"),
        (lambda t: t.rename(columns={"Teff": "logg", "logg": "Teff"}), "median teff is 1.5"),
        (lambda t: t.assign(**{"[Fe/H]": 5.0}), "median fe_h is 5.*swapped, or on another scale"),
        (lambda t: t.assign(**{"[C/Fe]": 8.4}), "median c_h is 5.9"),
        (lambda t: t.assign(RAdeg="", DECdeg=""), "no usable row"),
    ],
)
def test_saga_refuses(tmp_path, change, message):
    change(saga_rows()).to_csv(tmp_path / "saga.tsv", index=False, sep="\t")
    with pytest.raises(BadInputError, match=f"saga.tsv.*{message}"):
        read_saga(tmp_path / "saga.tsv")


def test_saga_reads_hours_written_as_such(tmp_path):
    """Right ascension as sexagesimal hours and as decimal degrees in one column."""
    rows = saga_rows()
    plain = rows.copy()
    hours = rows["RAdeg"] / 15
    whole, minutes = np.floor(hours), 60 * (hours % 1)
    text = [f"{h:02.0f} {np.floor(m):02.0f} {60 * (m % 1):06.3f}"
            for h, m in zip(whole, minutes, strict=True)]
    rows["RAdeg"] = np.where(np.arange(len(rows)) % 2, text, rows["RAdeg"].astype(str))
    for name, table in (("mixed.tsv", rows), ("plain.tsv", plain)):
        table.to_csv(tmp_path / name, index=False, sep="\t")
    mixed, plain = read_saga(tmp_path / "mixed.tsv"), read_saga(tmp_path / "plain.tsv")
    np.testing.assert_allclose(mixed["ra"], plain["ra"], atol=1e-5)
    assert (mixed["coord_arcsec"] < 0.5).all()


def test_subaru_refuses_a_file_in_the_place_of_its_folder(tmp_path):
    (tmp_path / "table1.dat").write_text("x")
    with pytest.raises(BadInputError, match="holds no ReadMe"):
        read_subaru(tmp_path / "table1.dat")
