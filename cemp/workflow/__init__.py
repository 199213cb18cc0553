"""The workflow around the notebooks: run, prepare, compare, report. The Makefile calls it."""
