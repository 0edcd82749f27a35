"""What happens in a server while its sockets look on: one save, one `update()`. Each peer does more, or not."""

from channels.db import database_sync_to_async

from board.models import Item


@database_sync_to_async
def save(pk, value):
    """Save an item as a view would, and return it."""
    item = Item.objects.get(pk=pk)
    item.value = value
    item.save()
    return item


@database_sync_to_async
def update(board, value):
    """Change all items of a board in one statement."""
    Item.objects.filter(board=board).update(value=value)
