"""Synthetic spectra: design, synthesis, grid, and the emulator between the spectra."""
