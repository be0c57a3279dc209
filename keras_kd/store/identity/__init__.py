"""What tells one teacher, dataset or augmentation from another."""
