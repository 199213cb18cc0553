"""One table from many catalogues: identities, offsets, limits, corrections, files, the command."""

import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from cemp.catalogues import __main__ as command
from cemp.catalogues import table_file
from cemp.catalogues.combine import TableSettings, combine, positions_by_name
from cemp.catalogues.combine import join_entries as join
from cemp.catalogues.common import LABEL_TABLE, label_table
from cemp.catalogues.recognise import recognise
from cemp.errors import BadInputError

REAL = Path(__file__).parents[2] / "shared" / "real" / "catalogues"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"real catalogues not at {REAL}")
FILES = ("JINAbase-yelland25.csv", "apogee_dr16_400rows.fits", "saga_mw_ump_51.csv",
         "lamost_dr10_lrs_stellar_3000rows.csv", "placco2014_J_ApJ_797_21",
         "cemp_master_257.csv")  # fmt: skip


def entries(source, names, ra, **columns):
    """Make a label table: stars on the equator."""
    n = len(names)
    table = pd.DataFrame({
        "star": names, "ra": ra, "dec": 0.0, "epoch": 2000.0, "coord_arcsec": 0.1, "teff": 4800.0,
        "logg": 1.5, "fe_h": -2.5, "c_h": -2.0, "c_h_limit": False, "source": source,
        "reference": f"{source} paper", **columns,
    }, index=range(n))  # fmt: skip
    extra = [name for name in columns if name not in LABEL_TABLE]
    return label_table(table, source, n, {}, {}).assign(**table[extra])


# ---------------------------------------------------------------- the real files


@pytest.fixture(scope="module")
def real_run(tmp_path_factory):
    """Run the command on all real files once."""
    out = tmp_path_factory.mktemp("one") / "table.ecsv"
    assert command.main([*(str(REAL / name) for name in FILES), "--out", str(out)]) == 0
    return Table.read(out)


@needs_real
@pytest.mark.parametrize(("name", "kind"), [*zip(
    FILES, ("jinabase", "apogee", "saga", "lamost", "placco", "yoon"), strict=True
)])  # fmt: skip
def test_real_files_are_recognised_by_content(tmp_path, name, kind):
    assert recognise(REAL / name)[0] == kind
    if (REAL / name).is_file():
        (tmp_path / "x").symlink_to((REAL / name).resolve())
        assert recognise(tmp_path / "x")[0] == kind


@needs_real
def test_cs_31078_018_is_found_in_lamost(real_run):
    star = real_run[real_run["obsid"] == 965007128]
    assert len(star) == 1 and (real_run["obsid"] > 0).sum() == 1
    star = star[0]
    assert star["name"] == "CS31078-018" and star["sep_arcsec"] == pytest.approx(0.046, abs=0.005)
    # Lai 2007, 2008: A(C) = 6.14, 6.05; Fe I = -2.85, -2.84, ...; Roederer gives no carbon
    assert star["c_h"] == pytest.approx((6.14 + 6.05) / 2 - 8.43) and not star["c_h_limit"]
    assert star["recommended"] == "Lai+2008" and star["c_source"] == "jinabase"
    assert star["n_entries"] == 4 and star["n_sources"] == 2
    assert star["c_fe_correction"] == 0.01  # and it is not in the label
    assert star["s_c_h"] == pytest.approx(1.4826 * 0.09 / 2**0.5, abs=1e-6)


@needs_real
def test_real_table_is_whole(real_run):
    assert list(real_run.colnames) == list(table_file.COLUMNS)
    assert len(real_run) == len(set(real_run["star_id"])) == 5152
    assert all(column.description for column in real_run.columns.values())
    assert real_run["teff"].unit == "K" and real_run["pmra"].unit == "mas / yr"
    assert np.isfinite(real_run["ra"]).all() and np.isfinite(real_run["fe_h"]).all()
    sources = dict(zip(*np.unique(real_run["source"], return_counts=True), strict=True))
    assert sources == {"jinabase": 4788, "apogee": 311, "saga": 45, "placco": 8}
    assert real_run.meta["counts"]["dropped for want of a position"] == 45
    assert real_run.meta["scatter of one entry"]["c_h"] == pytest.approx(0.21, abs=0.005)
    limits = real_run[real_run["c_h_limit"]]
    assert len(limits) == 99 and all("carbon_limit" in q for q in limits["quality"])


@needs_real
def test_real_groups_and_corrections_are_kept_apart(real_run):
    star = real_run[[name.replace(" ", "") == "BD-185550" or "BD-18" in name and "5550" in name
                     for name in real_run["name"]]]
    assert len(star) == 1 and "CEMP-no II" in star["group"][0]
    assert star["c_fe_correction"][0] > 0.3 and star["c_fe"][0] < 0.3  # it was born a CEMP star


# ---------------------------------------------------------------- rules


def test_an_injected_offset_comes_back_and_is_taken_off():
    rng = np.random.default_rng(1)
    n = 100
    fe_h, names, ra = rng.uniform(-4, -1, n), [f"S {k}" for k in range(n)], np.arange(n) + 0.5
    literature = entries("saga", names, ra, fe_h=fe_h, c_h=fe_h + 0.3)
    survey = entries("apogee", [f"A {k}" for k in range(n)], ra + 0.5 / 3600,
                     fe_h=fe_h + 0.15 + rng.normal(0, 0.1, n), c_h=fe_h + 0.3)  # fmt: skip
    made = combine([literature, survey])
    assert made.counts["stars"] == n and (made.table["n_sources"] == 2).all()
    row = made.comparison.set_index(["source", "reference", "label"]).loc[
        ("apogee", "saga", "fe_h")]
    assert row["n"] == n and bool(row["applied"])
    assert abs(row["offset"] - 0.15) < 3 * row["e_offset"] and row["e_offset"] < 0.018
    alone = combine([literature.iloc[:70].copy(), survey]).table  # 30 stars of the survey only
    moved = alone[alone["source"] == "apogee"].sort_values("ra")["fe_h"].to_numpy()
    np.testing.assert_allclose(np.median(moved - fe_h[70:]), 0, atol=0.06)
    np.testing.assert_allclose(made.table.sort_values("ra")["fe_h"], fe_h, atol=1e-9)


def test_a_limit_never_becomes_a_detection():
    ra = [10.0, 20.0, 30.0, 30.0]
    jina = entries("jinabase", ["a", "b", "c", "c"], ra, c_h=[-2.0, -1.5, -1.0, -1.2],
                   c_h_limit=[True, True, True, True])  # fmt: skip
    saga = entries("saga", ["A1"], [10.0], c_h=[-2.6])
    table = combine([jina, saga]).table.set_index("ra")
    assert not table.loc[10.0, "c_h_limit"] and table.loc[10.0, "c_h"] == -2.6
    assert table.loc[10.0, "c_source"] == "saga" and np.isnan(table.loc[10.0, "s_c_h"])
    assert table.loc[20.0, "c_h_limit"] and table.loc[30.0, "c_h"] == -1.2
    assert "carbon_limit" in table.loc[30.0, "quality"]


def test_rounded_positions_and_none_are_mended_by_name():
    sharp = entries("jinabase", ["BPS CS 22892-0052", "HD 1"], [334.256867, 50.0])
    blunt = entries("saga", ["CS22892-052", "HD1", "HD 7"], [334.26, 50.5, 60.0],
                    coord_arcsec=[36.0, 36.0, 36.0])  # fmt: skip
    bare = entries("placco", ["CS 22892-052", "HE 0000-0000"], [np.nan, np.nan],
                   coord_arcsec=np.nan, correction=[0.6, 0.0])  # fmt: skip
    mended = positions_by_name(join([sharp, blunt, bare]), 2.0)
    assert mended.attrs["by_name"] == 2
    assert mended["ra"].tolist()[2:6] == [334.256867, 50.5, 60.0, 334.256867]
    made = combine([sharp, blunt, bare])
    assert made.counts["dropped for want of a position"] == 1
    star = made.table[made.table["n_sources"] == 3].iloc[0]
    assert star["c_fe_correction"] == 0.6 and star["c_h"] == -2.0
    # half a degree off is no rounding: another star, or a mistake, and it says so
    assert len(made.table) == 4 and made.table["quality"].str.contains("coarse_position").sum() == 2


def test_short_names_do_not_tie_stars_of_different_papers():
    table = combine([entries("jinabase", ["S1", "S1"], [10.0, 10.0]),
                     entries("saga", ["S1"], [200.0])]).table  # fmt: skip
    assert len(table) == 2 and sorted(table["n_entries"]) == [1, 2]


def test_fast_stars_meet_at_epoch_2000():
    old = entries("jinabase", ["fast"], [100.0])
    new = entries("apogee", ["2M"], [100.0 + 16 / 3600], epoch=2016.0, pmra=1000.0, pmdec=0.0)
    table = combine([old, new]).table
    assert len(table) == 1 and table["n_sources"][0] == 2


def test_disagreeing_entries_are_marked_and_their_scatter_told():
    table = combine([entries("jinabase", ["a", "a", "b", "b"], [10.0, 10.0, 20.0, 20.0],
                             c_h=[-2.0, -0.9, -2.0, -1.9])]).table.set_index("ra")  # fmt: skip
    assert table.loc[10.0, "s_c_h"] == pytest.approx(1.4826 * 1.1 / 2**0.5)
    assert table.loc[10.0, "quality"] == "entries_disagree" and table.loc[20.0, "quality"] == ""
    assert table.loc[10.0, "c_h"] == pytest.approx(-1.45)


# ---------------------------------------------------------------- files and the command


@pytest.fixture
def combined():
    return combine([entries("jinabase", ["O’Malley−1", "b"], [10.0, 20.0]),
                    entries("saga", ["Skúladóttir"], [10.0])])  # fmt: skip


@pytest.mark.parametrize("suffix", sorted(table_file.FORMATS))
def test_files_hold_the_same_and_are_the_same_twice(tmp_path, combined, suffix):
    one, two = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    for path in (one, two):
        table_file.write_table(combined, path, ["jina.csv: JINAbase, 3 rows"])
    assert one.read_bytes() == two.read_bytes() and len(list(tmp_path.iterdir())) == 2
    back = pd.read_parquet(one) if suffix == ".parquet" else Table.read(one).to_pandas()
    np.testing.assert_allclose(back["c_h"], combined.table["c_h"])
    assert back["c_h_limit"].astype(str).tolist() == ["False", "False"]
    names = [n.decode() if isinstance(n, bytes) else n for n in back["name"]]
    assert names[0] == ("O'Malley-1" if suffix == ".fits" else "O’Malley−1")


def test_the_header_says_what_it_was_made_of(tmp_path, combined):
    table_file.write_table(combined, tmp_path / "a.fits", ["jina.csv: JINAbase, 3 rows"])
    comments = "".join(Table.read(tmp_path / "a.fits").meta["comments"])
    for text in ("8.43", "jina.csv: JINAbase, 3 rows", "saga, jinabase", "saga, teff"):
        assert text in comments


def test_nothing_is_half_written(tmp_path, combined, monkeypatch):
    def full(self, path, **_):
        Path(path).write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Table, "write", full)
    with pytest.raises(BadInputError, match="cannot write .*a.ecsv: No space left"):
        table_file.write_table(combined, tmp_path / "a.ecsv")
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInputError, match="is a file, not a folder"):
        table_file.write_table(combined, tmp_path / "file" / "a.ecsv")


def jina(tmp_path, name="jina.csv"):
    path = tmp_path / name
    path.write_text(
        "JINA_ID,I/O,Reference,Name,Simbad_Identifier,RA_deg,DEC_deg,Teff,logg,M/H,C-H,C-N,Fe I\n"
        "1,1,P1,N1,S1,10.1234,5.1234,4800,1.5,-2.5,6.1,,5.0\n"
    )
    return str(path)


@pytest.mark.parametrize(
    ("names", "out", "message"),
    [
        (["login.html"], "t.ecsv", "login.html is a web page"),
        (["nowhere.csv"], "t.ecsv", "nowhere.csv is missing or empty"),
        (["other.csv"], "t.ecsv", "other.csv is none of the catalogues known.*'a', 'b'"),
        (["cut.fits.gz"], "t.ecsv", "cut.fits.gz"),
        (["noreadme"], "t.ecsv", "noreadme is a folder without a ReadMe"),
        (["jina.csv", "jina2.csv"], "t.ecsv", "are both JINAbase: name one"),
        (["lamost.csv"], "t.ecsv", "no table of labels among the files"),
        (["jina.csv"], "t.txt", "must end in one of"),
    ],
)
def test_the_command_fails_in_one_line(tmp_path, capsys, names, out, message):
    jina(tmp_path), jina(tmp_path, "jina2.csv")
    (tmp_path / "login.html").write_text("<html>please log in</html>")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "cut.fits.gz").write_bytes(b"\x1f\x8b\x08\x00cut")
    (tmp_path / "noreadme").mkdir()
    (tmp_path / "lamost.csv").write_text("obsid,ra,dec,z,snrg,class\n1,10,5,0.0,20,STAR\n")
    status = command.main([*(str(tmp_path / n) for n in names), "--out", str(tmp_path / out)])
    said = capsys.readouterr().err
    assert status == 1 and said.count("\n") == 1 and not (tmp_path / out).exists()
    assert pd.Series([said]).str.contains(message)[0]


def test_the_command_refuses_odd_settings(tmp_path, capsys):
    base = [jina(tmp_path), "--out", str(tmp_path / "t.csv")]
    assert command.main([*base, "--priority", "saga,nonsense"]) == 1
    assert "no source nonsense" in capsys.readouterr().err
    assert command.main([*base, "--radius", "-1"]) == 1
    assert command.main(base) == 0
    assert "1 stars -> " in capsys.readouterr().out
    assert TableSettings().priority[0] == "subaru"


def test_ctrl_c_leaves_nothing(tmp_path, capsys, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "combine", stop)
    assert command.main([jina(tmp_path), "--out", str(tmp_path / "t.csv")]) == 130
    assert "t.csv was not written" in capsys.readouterr().err
    assert not (tmp_path / "t.csv").exists()


def test_all_unknown_files_are_named_at_once(tmp_path, capsys):
    from cemp.catalogues.__main__ import main

    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    out = tmp_path / "out.csv"
    files = [str(tmp_path / "one.csv"), str(tmp_path / "two.csv")]
    assert main([*files, "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert "one.csv is none of" in said and "two.csv is none of" in said and not out.exists()


def test_with_skip_the_command_goes_on_past_bad_files(tmp_path, capsys):
    (tmp_path / "login.html").write_text("<html>please log in</html>")
    (tmp_path / "cut.fits.gz").write_bytes(b"\x1f\x8b\x08\x00cut")
    out = tmp_path / "t.ecsv"
    names = ["login.html", "cut.fits.gz", "nowhere.csv"]
    files = [jina(tmp_path), jina(tmp_path, "jina2.csv"), *(str(tmp_path / n) for n in names)]
    assert command.main([*files, "--out", str(out)]) == 1 and not out.exists()
    capsys.readouterr()
    assert command.main([*files, "--out", str(out), "--skip"]) == 0
    said = capsys.readouterr()
    assert "4 of 5 files left out" in said.out and "1 stars -> " in said.out
    left_out = said.err.splitlines()
    assert len(left_out) == 4 and all(line.startswith("left out: ") for line in left_out)
    for name in (*names, "are both JINAbase"):
        assert name in said.err
    header = out.read_text()
    assert "cut.fits.gz: left out" in header and str(tmp_path) not in header
    assert command.main([*files[2:], "--out", str(out), "--skip"]) == 1  # nothing is left
