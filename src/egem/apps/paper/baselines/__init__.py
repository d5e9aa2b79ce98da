"""What EGEM is compared with: a forward LSTM, and one generator for all classes."""
