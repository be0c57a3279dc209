"""The clients that an exported student must run on, each run for real."""
