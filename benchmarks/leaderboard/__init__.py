"""The parts of `benchmarks/leaderboard.py`: networks, pairs, methods, runs, tables."""
