"""Spectra of any survey, from files, arrays or objects, as one kind of `Spectrum`.

`read_any` reads a file, `from_arrays` and `from_specutils` what is in memory; `ReadOptions` says
what a file does not. Air or vacuum, units and velocities are declared, never guessed in silence.

What was not observed stays a mask. A spectrum is read as long as it is: the preprocessing marks
the grid beyond its ends, and in its gaps, as not good (flux 1, inverse variance 0), which is the
same as a full spectrum masked there (to 0.0003 in the median).

The continuum near a cut is another matter, since it is a polynomial through windows on both sides.
Measured on 84 LAMOST stars (S/N above 15 in g) that were cut and compared with themselves, as the
median change of the normalised flux and its 95th percentile over stars:

=============  =================  =================  ========  ==================  ===============
kept           first 50 A         next 150 A         between   150 A before last   last 50 A
=============  =================  =================  ========  ==================  ===============
from 4100 A    0.045 (0.15)       0.021 (0.08)       < 0.001   -                   -
from 4400 A    0.064 (0.29)       0.010 (0.04)       < 0.001   -                   -
to 7400 A      -                  -                  < 0.001   0.005 (0.02)        0.004 (0.04)
to 5700 A      -                  -                  < 0.001   < 0.001             < 0.001
to 5500 A      -                  -                  0.002     0.017 (0.10)        0.054 (0.23)
from 5900 A    < 0.001            < 0.001            < 0.001   -                   -
4000-5200 A    0.053 (0.09)       0.037 (0.07)       0.010     0.045 (0.20)        0.061 (0.13)
=============  =================  =================  ========  ==================  ===============

So a whole arm alone is as good as it was with the other; a red end like MILES' at 7400 A does
little harm; a spectrum that starts at 4100 A has a continuum some 2% off at the G band (an error
of carbon that no inverse variance knows of), and one that ends within an arm is off by 5% in its
last 50 A. Masking such ends does not help: 40 of the stars (S/N above 20 in g) cut at 4100 A get
labels that differ from those of the whole spectrum by 43 K, 0.042 dex in [Fe/H] and 0.068 in [C/H]
with the first 50 A masked (median of the absolute difference), by 15 K, 0.033 and 0.073 without;
cut at 4250 A, [C/H] is 0.16 dex low either way. So these pixels stay, and flags tell what is
missing. `PreprocessSettings.min_good_fraction` refuses, by default, what covers less than half
of the grid: one arm alone (blue 38%, red 58%) needs 0.3.
"""

from cemp.readers.dispatch import identifier, read_any
from cemp.readers.onedim import from_arrays, from_specutils
from cemp.readers.options import ReadOptions

__all__ = ["ReadOptions", "from_arrays", "from_specutils", "identifier", "read_any"]
