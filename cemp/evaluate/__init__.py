"""How good the labels are, against what, and where in wavelength they come from."""
