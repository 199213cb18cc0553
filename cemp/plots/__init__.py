"""Drawing functions: arrays in, figures out; they know nothing of files."""
