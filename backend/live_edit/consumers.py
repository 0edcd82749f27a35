from channels_databinding import WebsocketDemultiplexer

from .bindings import IntegerValueBinding


class Demultiplexer(WebsocketDemultiplexer):
    consumers = {"intval": IntegerValueBinding.consumer}

    def connection_groups(self, **url_kwargs):
        return ["intval-updates"]
