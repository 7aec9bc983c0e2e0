"""Small questions to Datadog that are no run: what `doctor` asks, and what `probe` reads. Bodies stay in here."""
