"""The subcommands of the runtime, one module each: HELP, add_arguments and run."""
