"""The method, for one expert.

Read config, decoder, lstm, training, metric, inversion, levenberg_marquardt, classify. The other
rooms map these functions over experts and cases; nothing here imports them.
"""
