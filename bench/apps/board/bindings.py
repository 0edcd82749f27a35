"""Found by channels_databinding, where it is installed."""

from channels_databinding import WebsocketBinding

from .models import Item


class ItemBinding(WebsocketBinding):
    model = Item
    stream = "items"
    fields = ["board", "name", "value"]

    @classmethod
    def group_names(cls, item):
        return [f"board-{item.board}"]

    @classmethod
    def rows_in(cls, group):
        return Item.objects.filter(board=group.removeprefix("board-"))

    def subscription_groups(self, user, board):
        return [f"board-{board}"]

    def has_permission(self, user, action, pk):
        return True
