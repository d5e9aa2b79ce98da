"""The method: one expert, one case, in JAX. Read config, decoder, training, metric, inversion, classify."""
