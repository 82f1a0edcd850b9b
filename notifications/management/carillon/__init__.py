"""The subcommands of `manage.py carillon`, one file each."""
