"""What affect-edge costs: time, start-up and memory, measured side by side in one run."""
