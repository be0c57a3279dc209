"""From a store to batches for training."""
