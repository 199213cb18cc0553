"""What all tests share."""

import signal

import matplotlib

matplotlib.use("agg")  # draw without a screen

# A shell's background jobs ignore Ctrl-C, and so would the processes that tests start to stop them.
signal.signal(signal.SIGINT, signal.default_int_handler)
