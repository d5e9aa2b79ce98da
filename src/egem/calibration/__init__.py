"""What is chosen by leaving training cases out: scatter, weights, temperature, held-out scores."""
