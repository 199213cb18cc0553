"""The methods that the paper discusses, behind one interface: fit, predict, label covariance."""
