"""MACRN told the library: which stars, how they look, and that they are learned from."""

import numpy as np
import pytest

from cemp.constants import LABELS, N_PIX, WAVE
from cemp.errors import BadInputError
from cemp.experiments import beyond
from cemp.methods import gan_use, informed
from cemp.methods.template.library import LIMITS
from cemp.models.data import Sample


class LineEmulator:
    """Spectra of one line, as deep as [Fe/H] is high; `asked` keeps the labels."""

    wave = np.exp(np.arange(np.log(3650), np.log(9150), 1e-4))

    def emulate(self, labels):
        self.asked = np.array(labels)
        depth = 0.1 * (5 + labels[:, 2])[:, None]
        norm = 1 - depth * np.exp(-0.5 * ((self.wave - 5200) / 6) ** 2)
        return norm, np.ones_like(norm) * (self.wave / 5000) ** -1


def observed(n, seed=1, fe_h=-1.0, snr=80.0):
    """Spectra without a line: nothing is learned from them but how they are observed."""
    random = np.random.default_rng(seed)
    flux = (1 + random.standard_normal((n, N_PIX)) / snr).astype(np.float32)
    ivar = np.full(flux.shape, snr**2, np.float32)
    ivar[:, :100] = 0
    labels = np.column_stack([random.uniform(4500, 6000, n), np.full(n, 2.5),
                              fe_h + 0.3 * random.standard_normal(n), np.full(n, fe_h)])
    return Sample(np.arange(n), flux, ivar, ivar > 0, labels)


@pytest.mark.parametrize("limits", ["grid", "paper"])
def test_stars_lie_within_the_limits(limits):
    stars = informed.draw_stars(200, limits, np.random.default_rng(1))
    for column, name in enumerate(("teff", "logg", "fe_h", "c_fe")):
        low, high = LIMITS[limits][name]
        assert low <= stars[:, column].min() and stars[:, column].max() <= high
    assert (stars[:, 2] < -2.5).sum() > 20 and (stars[:, 3] > 1).sum() > 10


def test_spectra_look_observed_and_say_carbon_over_hydrogen():
    emulator, real = LineEmulator(), observed(40)
    stars = informed.draw_stars(12, "grid", np.random.default_rng(2))
    made = gan_use.survey_like(stars, real, real.labels[:, 0], emulator,
                               np.random.default_rng(3), informed.POWERS)
    np.testing.assert_allclose(made.labels[:, 3], stars[:, 2] + stars[:, 3])
    np.testing.assert_array_equal(made.labels[:, :3], stars[:, :3])
    assert not made.good[:, :100].any() and (made.obsid < 0).all()
    # whatever the resolving power of its turn, each star has its own line
    width = (1 - made.flux[:, (WAVE > 5160) & (WAVE < 5240)]).sum(axis=1)
    np.testing.assert_allclose(width, 0.1 * (5 + stars[:, 2]) * 6 * np.sqrt(2 * np.pi), atol=0.7)
    far = (WAVE > 4300) & (WAVE < 5000)
    assert (made.flux[:, far] - 1).std() == pytest.approx(1 / 80, rel=0.1)


def test_what_only_the_library_shows_is_learned():
    """Observed spectra of one metallicity alone teach no other; the library's do."""
    emulator, train = LineEmulator(), observed(40)

    def unseen(n, seed):
        stars = informed.draw_stars(n, "grid", np.random.default_rng(seed))
        random = np.random.default_rng(seed + 1)
        return gan_use.survey_like(stars, train, train.labels[:, 0], emulator, random,
                                   informed.POWERS)

    validation, new = unseen(40, 4), unseen(80, 9)
    method = informed.InformedMacrnMethod(
        n_library=300, epochs=10, emulator=emulator,
        config={"channels": (8, 8, 8), "kernels": (5,), "lstm_units": 8})
    method.fit(train, train.labels, (validation, validation.labels))
    assert emulator.asked.shape == (300, 6)
    fe_h = LABELS.index("fe_h")
    predicted = method.predict(new).labels[:, fe_h]
    assert np.corrcoef(predicted, new.labels[:, fe_h])[0, 1] > 0.9


def test_the_library_is_cut_where_the_training_is():
    settings = beyond.settings_of("informed", cut=True)
    assert settings == {"limits": "cut"} and beyond.settings_of("informed", cut=False) == {}
    stars = informed.draw_stars(100, "cut", np.random.default_rng(5))
    assert stars[:, 2].min() >= beyond.FE_H_CUT and stars[:, 3].max() <= beyond.C_FE_CUT


def test_unknown_limits_are_refused():
    with pytest.raises(BadInputError, match="no limits 'all'"):
        informed.draw_stars(2, "all", np.random.default_rng(1))
