from channels_databinding import WebsocketDemultiplexer

from .bindings import IntegerValueBinding, TaskBinding


class Demultiplexer(WebsocketDemultiplexer):
    consumers = {"intval": IntegerValueBinding.consumer, "tasks": TaskBinding.consumer}

    def connection_groups(self, **url_kwargs):
        return ["intval-updates", "tasks"]
