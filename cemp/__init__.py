"""The search for carbon-enhanced metal-poor stars in LAMOST spectra with MACRN.

The package follows the flow of the paper: catalogues -> crossmatch -> sample -> spectra ->
preprocessing -> network -> labels -> candidates. Modules that read or prepare data import
nothing of the models; models know nothing of surveys; plots know nothing of files.
"""

__version__ = "0.1.0"
