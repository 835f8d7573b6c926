"""Which test-time-scaling method is worth its compute, for this policy, PRM and dataset."""

__version__ = "0.1.0"
