"""What a training step adds up, and how its parts are weighed against each other."""
