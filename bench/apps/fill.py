"""Makes the database of the peer that the environment names: `python fill.py`"""

import django
from django.core.management import call_command

django.setup()

from board.models import Item  # noqa: E402
from layout import boards  # noqa: E402

call_command("migrate", run_syncdb=True, verbosity=0)
Item.objects.bulk_create(Item(pk=pk, board=board, name="An item with a name of some length") for pk, board in boards())
