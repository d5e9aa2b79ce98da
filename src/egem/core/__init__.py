"""The method in JAX: read config, decoder, training, metric, inversion, classify."""
