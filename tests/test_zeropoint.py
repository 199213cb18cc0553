"""Zero points: a known error comes back, outliers and the edge of the range do no harm."""

import json

import numpy as np
import pytest

from cemp.errors import BadInputError
from cemp.transfer.zeropoint import CENTRE, FILE, ZeroPoint

TRUE = np.array([[120.0, 30.0, -10.0, -60.0], [0.1, 0.0, 0.05, 0.0], [-0.1, 0.05, 0.0, -0.05]])


def made_up(n=200, outliers=0):
    """Literature labels, and raw labels with the error of `TRUE` and a little scatter."""
    random = np.random.default_rng(3)
    raw = np.column_stack([random.uniform(4200, 6800, n), random.uniform(0.5, 4.8, n),
                           random.uniform(-2.8, 0.4, n), random.uniform(-2.8, 0.4, n)])
    terms = np.column_stack([np.ones(n), (raw[:, :3] - CENTRE) / [1000, 1, 1]])
    literature = raw[:, :3] - terms @ TRUE.T
    literature += random.normal(size=(n, 3)) * [60, 0.15, 0.1]
    literature[:outliers] += [2000, 2, -2]
    return raw, literature


@pytest.mark.parametrize("outliers", [0, 12])
def test_a_known_error_comes_back(outliers):
    raw, literature = made_up(outliers=outliers)
    zero = ZeroPoint.fit(raw, literature)
    error = zero.coefficients - TRUE
    assert np.abs(error[0]).max() < 35 and np.abs(error[1:]).max() < 0.08
    assert np.abs(error[0, 0]) < 25 and zero.n == 200


def test_beyond_the_stars_the_correction_stays_that_of_the_edge():
    zero = ZeroPoint.fit(*made_up())
    edge = np.array([[4300.0, 1.0, zero.low[2], -3.0]])
    beyond = edge - [0, 0, 1.2, 0]
    assert zero.error(beyond) == pytest.approx(zero.error(edge))


def test_carbon_follows_by_the_covariance():
    # the error of [C/H] is 0.002 dex a K of Teff: 100 K off in Teff are 0.2 dex in carbon
    zero = ZeroPoint(np.array([[100.0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]),
                     np.array([4000.0, 0, -3]), np.array([7000.0, 5, 0.5]), 100)
    covariance = np.diag([1e4, 0.04, 0.01, 0.09])
    covariance[0, 3] = covariance[3, 0] = 0.002 * 1e4
    labels = zero.apply(np.array([[5100.0, 2.0, -2.0, -1.0]]), covariance[None])
    assert labels[0] == pytest.approx([5000, 2.0, -2.0, -1.2])


def test_file_and_back(tmp_path):
    zero = ZeroPoint.fit(*made_up())
    assert ZeroPoint.load(tmp_path) is None
    zero.save(tmp_path)
    raw, _ = made_up()
    assert np.array_equal(ZeroPoint.load(tmp_path).error(raw), zero.error(raw))
    record = json.loads((tmp_path / FILE).read_text()) | {"centre": [0, 0, 0]}
    (tmp_path / FILE).write_text(json.dumps(record))
    with pytest.raises(BadInputError, match="of this version"):
        ZeroPoint.load(tmp_path)


def test_few_stars_are_refused():
    raw, literature = made_up(60)
    literature[:30, 2] = np.nan
    with pytest.raises(BadInputError, match="30 stars.*at least 40"):
        ZeroPoint.fit(raw, literature)
