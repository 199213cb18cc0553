"""Table 1 at its limits, the gap it leaves, and the usual classes beside it."""

import numpy as np
import pytest

from cemp.candidates.classes import FLAGS, aoki_cemp, classify, log_luminosity, table1

BELOW, ABOVE = (lambda x: np.nextafter(x, -np.inf)), (lambda x: np.nextafter(x, np.inf))


def flags(fe_h, c_fe, log_l=None):
    row = classify([fe_h], [c_fe], None if log_l is None else [log_l]).iloc[0]
    return {name for name in FLAGS if row[name]}


@pytest.mark.parametrize(
    ("fe_h", "c_fe", "expected"),
    [
        (-2.0, 2.0, False),
        (BELOW(-2.0), 2.0, True),
        (-2.4, 0.7, False),
        (-2.4, ABOVE(0.7), True),
    ],
)
def test_cemp_excludes_both_of_its_limits(fe_h, c_fe, expected):
    assert table1([fe_h], [c_fe])["cemp"][0] == expected


def test_emp_excludes_minus_three():
    assert list(table1([-3.0, BELOW(-3.0)], [0.0, 0.0])["emp"]) == [False, True]


def test_vmp_includes_its_lower_limit_and_excludes_its_upper_one():
    fe_h = [BELOW(-2.5), -2.5, BELOW(-1.5), -1.5]
    assert list(table1(fe_h, np.zeros(4))["vmp"]) == [False, True, True, False]


def test_gap_of_table_1_has_a_name():
    fe_h = [BELOW(-3.0), -3.0, BELOW(-2.5), -2.5]
    assert list(table1(fe_h, np.zeros(4))["unclassified_mp"]) == [False, True, True, False]
    assert list(table1([-2.7, -2.7], [0.7, ABOVE(0.7)])["unclassified_mp"]) == [True, False]


def test_every_metal_poor_star_is_in_a_class_or_in_the_gap():
    fe_h, c_fe = (x.ravel() for x in np.meshgrid(np.linspace(-4.5, -1.51, 60), np.linspace(-1, 3)))
    assert np.all(np.any(list(table1(fe_h, c_fe).values()), axis=0))


def test_classes_overlap():
    assert {"cemp", "emp"} <= flags(-3.2, 1.5)
    assert {"cemp", "vmp"} <= flags(-2.2, 1.5)


def test_usual_classes_are_nested_and_their_limits_are_excluded():
    assert flags(-4.2, 0.0) == {"emp", "bc05_mp", "bc05_vmp", "bc05_emp", "bc05_ump"}
    assert not any(flag.startswith("bc05") for flag in flags(-1.0, 2.0))
    assert "bc05_cemp" not in flags(-2.4, 1.0)
    assert "bc05_cemp" in flags(-2.4, ABOVE(1.0))


def test_aoki_limit_falls_with_luminosity_above_2_3():
    fe_h, log_l = np.full(4, -2.5), np.array([2.3, 2.3, 2.8, 2.8])
    c_fe = np.array([0.7, BELOW(0.7), 3.0 - 2.8, BELOW(3.0 - 2.8)])
    assert list(aoki_cemp(fe_h, c_fe, log_l)) == [True, False, True, False]


def test_aoki_flag_needs_a_luminosity():
    assert "aoki07_cemp" not in flags(-2.5, 2.0)
    assert "aoki07_cemp" in flags(-2.5, 2.0, 1.0)


def test_solar_luminosity():
    assert log_luminosity(5772.0, 4.438, mass=1.0) == pytest.approx(0.0, abs=1e-12)
    assert log_luminosity(2 * 5772.0, 4.438 - 1.0, mass=1.0) == pytest.approx(1 + 4 * np.log10(2))


def test_missing_labels_give_no_class_that_needs_them():
    assert flags(np.nan, 1.0) == {"missing"}
    assert flags(np.nan, np.nan) == {"missing"}
    assert flags(-3.5, np.nan) == {"missing", "emp", "bc05_mp", "bc05_vmp", "bc05_emp"}
    assert "unclassified_mp" not in flags(-2.7, np.nan)
