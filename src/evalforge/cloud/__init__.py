"""What Google Cloud offers beside the database: secrets, and who calls."""
