"""From normalised rest-frame spectra to labels: the network of Section 3, and The Cannon."""
