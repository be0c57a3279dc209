"""Random views of examples, the same again in labelling and in training."""
