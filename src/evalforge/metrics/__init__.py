"""A run's report as metrics, and the ways to where they are looked at. Numbers and words of closed lists alone."""
