"""The command line, one file a command. Heavy imports happen inside them, so that --help is fast."""
