"""The surveys' archives: catalogues and spectra fetched politely, checked, and kept."""
