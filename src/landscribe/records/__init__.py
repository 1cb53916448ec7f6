"""Records: the TFRecord format of this project, written and checked without TensorFlow."""
