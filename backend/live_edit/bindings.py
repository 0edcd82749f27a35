"""The example of the Channels 1.x documentation, numbers, and a list of tasks. Everybody sees all of both, the names of
those who own a task too, and every logged-in user may change everything."""

from channels_databinding import WebsocketBinding

from .models import IntegerValue, Task


class IntegerValueBinding(WebsocketBinding):
    model = IntegerValue
    stream = "intval"
    fields = ["name", "value"]

    @classmethod
    def group_names(cls, instance):
        return ["intval-updates"]

    def has_permission(self, user, action, pk):
        return user.is_authenticated


class TaskBinding(WebsocketBinding):
    model = Task
    stream = "tasks"
    fields = ["title", "owner", "status", "due", "notes", "position"]

    @classmethod
    def group_names(cls, task):
        return ["tasks"]

    def has_permission(self, user, action, pk):
        return user.is_authenticated
