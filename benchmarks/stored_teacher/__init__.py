"""The parts of `benchmarks/stored_teacher.py`: one measurement a file."""
