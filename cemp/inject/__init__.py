"""Injection and recovery: carbon put into observed spectra, and what the network makes of it.

>>> from cemp.inject.recover import inject_spectra      # doctest: +SKIP
>>> table = inject_spectra(spectra, how=InjectSettings(c_fe=(1.0, 2.0)))      # doctest: +SKIP

``python -m cemp inject spectra/ --c-fe 1 2 --out recovered.fits`` does it for files.
"""
