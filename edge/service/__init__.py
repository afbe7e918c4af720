"""What runs for months: supervision of the loops, pause and quiet hours, an indicator, heat, and systemd."""
