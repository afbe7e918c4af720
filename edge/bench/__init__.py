"""What `affect-edge bench` measures on the device, and how it is told."""
