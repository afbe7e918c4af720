"""Subcommands that the training package contributes to `affect-edge`."""
