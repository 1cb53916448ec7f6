"""Models: raw digital numbers in, logits out; resampling and normalisation are layers."""
