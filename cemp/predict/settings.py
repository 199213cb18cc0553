"""What a run of `cemp.predict` depends on."""

from dataclasses import dataclass, field

from cemp.errors import BadInputError
from cemp.readers import ReadOptions
from cemp.selection.recipe import Recipe


@dataclass(frozen=True)
class PredictSettings:
    """Choices of a prediction; all that changes a number is here.

    Parameters
    ----------
    weights : str or None
        Folder of a sky model (``member-0/`` ..., with ``domain.npz`` if it was calibrated); None
        takes the weights of the package.
    read : cemp.readers.ReadOptions
        What the caller declares about the files: air or vacuum, velocity, unit ...
    min_good_fraction : float
        Least share of good pixels on the 3800-8800 Angstrom grid. Preprocessing for training asks
        for half; here 30% do, so that the blue arm alone (38%, with the G band and Ca II) or the
        red one is labelled too: one wants to know of a CEMP star with a broken red arm.
        Its errors are those that the network states, and flags say what is missing.
    trained_fraction : float
        Spectra with less were refused in training (`cemp.preprocess.pipeline`), so the network has
        met none: they count as outside of what it knows.
    full_fraction : float
        Below this share of good pixels at `cemp.transfer.coverage.INFORMATIVE`, 3900-6800
        Angstrom, the coverage is flagged as partial. Whole LAMOST spectra have 90 to 100%; the arm
        join costs up to a tenth. A spectrum that ends at 7400 Angstrom lacks nothing of it.
    low_snr : float
        Below this S/N in g a spectrum is flagged: LAMOST itself gives parameters from 10 on (6 on
        dark nights), and training went down to 8.
    recipe : cemp.selection.recipe.Recipe
        Its floors of S/N(g) and of good pixels where carbon shows, below which P(CEMP) is
        withheld: a network gives one even for a spectrum without any light there.
    part_size : int
        Spectra a part: what a stop can cost a process, and its memory (some 0.3 MB each).
    """

    weights: str | None = None
    read: ReadOptions = field(default_factory=ReadOptions)
    min_good_fraction: float = 0.3
    trained_fraction: float = 0.5
    full_fraction: float = 0.85
    low_snr: float = 10.0
    recipe: Recipe = field(default_factory=Recipe)
    part_size: int = 50

    def __post_init__(self):
        if not 0 < self.min_good_fraction <= 1:
            raise BadInputError(
                f"min_good_fraction {self.min_good_fraction}: give a share above 0 and up to 1"
            )
        if self.part_size < 1:
            raise BadInputError(f"part_size {self.part_size}: give at least one spectrum a part")
