"""The method: what one expert is, how it is trained and inverted, and how a class is chosen.

Read config, decoder, lstm, training, metric, inversion, levenberg_marquardt, classify. Nothing here
imports the other packages, which map these functions over experts and cases: ``ensemble`` makes the
training pairs and the prior on codes and runs both loops; ``calibration`` chooses the metric, the
weights of the views and the inverse temperature by leaving training cases out.
"""
