"""A synthesiser that costs nothing; little to import, so that processes start fast."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

#: Sizes of a spectrum of the grid.
N_WAVE, N_CONT = 9030, 273


@dataclass
class FakeSynthesiser:
    """Makes a flat spectrum in a moment; fails for one star; notes what it computed."""

    folder: str
    wait: float = 0.0
    bad: float = -1.0

    def spectrum(self, star):
        if star.teff == self.bad:
            raise ValueError("this star fails")
        (Path(self.folder) / f"computed-{star.teff:.4f}-{os.getpid()}").touch()
        time.sleep(self.wait)
        return np.ones(N_WAVE, np.float16), np.ones(N_CONT, np.float32)


def make_fake(arguments):
    return FakeSynthesiser(*arguments)


def quiet(line):
    pass
