"""The shipped sky model: its card says what its records say, and it stays small."""

import json

import pytest

from cemp.errors import BadInputError
from cemp.transfer import ship
from cemp.transfer.model import SHIPPED

RECORD = {"n_parameters": 1000, "n_spectra": 39000, "settings": {"epochs": 12, "seed": 7},
          "validation": {k: {"bias": 1.0, "scatter": 0.25, "pull": 0.9}
                         for k in ("teff", "logg", "fe_h", "c_h")}}  # fmt: skip


@pytest.fixture
def trained(tmp_path):
    """A folder as training leaves it, two members."""
    for k in range(2):
        folder = tmp_path / "sky" / f"member-{k}"
        folder.mkdir(parents=True)
        (folder / "macrn.pt").write_bytes(b"weights")
        (folder / "macrn.json").write_text(json.dumps(RECORD))
    (tmp_path / "sky" / "trainset").mkdir()
    (tmp_path / "sky" / "trainset" / "about.json").write_text(json.dumps({"grid": "abcdef" * 8}))
    return tmp_path / "sky"


def test_shipping_replaces_older_members(trained, tmp_path):
    (tmp_path / "out" / "member-5").mkdir(parents=True)
    assert ship.ship(trained, tmp_path / "out") > 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "member-0", "member-1", "trainset.json"]


def test_nothing_or_too_much_is_not_shipped(trained, tmp_path):
    with pytest.raises(BadInputError, match="no trained member"):
        ship.ship(tmp_path / "none", tmp_path / "out")
    (trained / "domain.npz").write_bytes(bytes(ship.MOST_BYTES))
    with pytest.raises(BadInputError, match="too many to ship"):
        ship.ship(trained, tmp_path / "out")


def test_the_card_holds_the_recorded_numbers(trained, tmp_path):
    ship.ship(trained, tmp_path / "out")
    value = {f"RealTestAll{k}": {"value": v} for k, v in (
        ("N", 180), ("TeffBias", 12.3), ("TeffScatter", 99.6), ("LoggBias", 0.1),
        ("LoggScatter", 0.3), ("FehBias", -0.04), ("FehScatter", 0.15))}  # fmt: skip
    (tmp_path / "values.json").write_text(json.dumps(value))
    text = ship.card(tmp_path / "out", tmp_path / "values.json")
    assert "make sky SPECTRA=40000 MEMBERS=2 EPOCHS=12" in text and "abcdefabcdef..." in text
    assert "| test | 4000-7000 K | 180 | +12 (100) | +0.10 (0.30) | -0.04 (0.15) |" in text
    assert "| [C/H] | +1.00 dex | 0.25 dex | 0.90 |" in text
    assert "MILES stars against" not in ship.card(tmp_path / "out", tmp_path / "missing.json")


def test_the_shipped_card_is_that_of_the_shipped_weights():
    if not (SHIPPED / "MODEL_CARD.md").is_file():
        pytest.skip("no weights are shipped")
    assert (SHIPPED / "MODEL_CARD.md").read_text() == ship.card()
    size = sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file())
    assert size < ship.MOST_BYTES
