"""What all tests share."""

import matplotlib

matplotlib.use("agg")  # draw without a screen
