"""Signal to model input. The same code trains and runs: training imports it from here."""
