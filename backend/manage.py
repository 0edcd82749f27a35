#!/usr/bin/env python
"""Django's command line for this project: `backend/manage.py help`."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit("Django is not installed here. Run bin/setup, then use .venv/bin/python.") from error
    execute_from_command_line(sys.argv)
