"""Any Keras model to an int8 .tflite file with its manifest; the only place that knows legacy Keras and TFMOT."""
