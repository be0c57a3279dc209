"""The data that a teacher labels, by the number of each example."""
