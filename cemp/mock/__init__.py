"""The mock survey: synthetic stars observed and catalogued as the real surveys would.

What is true of the mock is not thereby true of the sky. Methods never import this package
but `cemp.synthesis` with ``load_grid("library")``.
"""
