"""Training: from batches to the weights of the best epoch."""
