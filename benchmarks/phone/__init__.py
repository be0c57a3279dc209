"""The parts of `benchmarks/phone.py`: three students, their files, the tables."""
