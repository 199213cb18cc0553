import numpy as np
import pandas as pd
import pytest

from cemp.constants import LABELS, N_PIX
from cemp.errors import BadInputError
from cemp.preprocess.labelled import write_labelled
from cemp.vectors import open_vectors, part_names, write_part


@pytest.fixture
def store(tmp_path):
    """Three parts, one of them empty; the flux of a spectrum is its obsid / 1000 everywhere."""
    for number, ids in enumerate(([30, 10], [], [20, 2**40])):
        flux = np.repeat(np.array(ids)[:, None] / 1000, N_PIX, axis=1)
        ivar = np.where(np.arange(N_PIX) % 2, 4.0, 0.0) * np.ones_like(flux)
        write_part(tmp_path, f"part-{number:05d}-aa", ids, flux, ivar)
    return open_vectors(tmp_path)


def test_order_is_that_of_the_question(store):
    vectors = store.read([20, 30, 2**40, 10, 30])
    np.testing.assert_array_equal(vectors.obsid, [20, 30, 2**40, 10, 30])
    np.testing.assert_allclose(vectors.flux[:, 77], vectors.obsid / 1000, rtol=1e-6)
    assert vectors.flux.shape == (5, N_PIX) and len(vectors) == 5


def test_mask_is_where_ivar_is_positive(store):
    vectors = store.read([10])
    np.testing.assert_array_equal(vectors.good[0], np.arange(N_PIX) % 2 == 1)
    np.testing.assert_array_equal(vectors.ivar[0], 4.0 * vectors.good[0])


def test_missing_identifiers_are_named(store):
    with pytest.raises(BadInputError, match=r"\[5, 99\] \(2 missing\).*skipped.csv"):
        store.read([10, 5, 99])
    assert 10 in store and 11 not in store
    np.testing.assert_array_equal(store.has([20, 21]), [True, False])


def test_batches_go_through_all(store):
    ids = [batch.obsid.tolist() for batch in store.batches(3)]
    assert ids == [[30, 10, 20], [2**40]]


def test_half_written_part_does_not_count(store):
    (store.folder / "part-00009-bb.obsid.npy").touch()
    (store.folder / ".77.part-00009-bb.npy").touch()
    assert len(part_names(store.folder)) == 3


def test_identifier_in_two_parts_is_refused(store):
    write_part(store.folder, "part-00003-aa", [10], np.ones((1, N_PIX)), np.ones((1, N_PIX)))
    with pytest.raises(BadInputError, match="twice"):
        open_vectors(store.folder)


def test_empty_folder_says_what_to_run(tmp_path):
    with pytest.raises(BadInputError, match="02_preprocessing"):
        open_vectors(tmp_path)


def test_labelled_table_holds_labels_flux_and_gaps(store, tmp_path):
    rows = pd.DataFrame({
        "obsid": [20, 10], "star_id": ["G2", "G1"], "teff": [5000.0, 6000.0], "logg": [2.0, 4.0],
        "fe_h": [-2.5, -3.0], "c_h": [np.nan, -1.25],
    })  # fmt: skip
    assert write_labelled(rows, store, tmp_path / "labelled.csv", size=1) == 2
    table = pd.read_csv(tmp_path / "labelled.csv", index_col="obsid")
    assert table.columns[:5].tolist() == ["star_id", *LABELS] and table.columns[5] == "3800"
    assert np.isnan(table.c_h[20]) and table.c_h[10] == -1.25
    assert np.isnan(table.loc[20, "3800"]) and table.loc[20, "3801"] == 0.02
    assert table.shape == (2, 5 + N_PIX)
