"""The input pipeline: records -> batches of raw digital numbers by band name."""
