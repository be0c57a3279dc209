"""How a teacher relates the examples of a batch: losses over pairs and triples."""
