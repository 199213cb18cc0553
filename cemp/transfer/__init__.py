"""From synthetic spectra to real stars: training domain, weights, tests on stars it never saw."""
