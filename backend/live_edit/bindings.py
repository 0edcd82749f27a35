"""The example of the Channels 1.x documentation: numbers that everybody sees and every logged-in user may change."""

from channels_databinding import WebsocketBinding

from .models import IntegerValue


class IntegerValueBinding(WebsocketBinding):
    model = IntegerValue
    stream = "intval"
    fields = ["name", "value"]

    @classmethod
    def group_names(cls, instance):
        return ["intval-updates"]

    def has_permission(self, user, action, pk):
        return user.is_authenticated
