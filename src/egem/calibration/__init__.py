"""What is chosen by leaving training cases out: scatter, view weights, temperature, held-out scores."""
