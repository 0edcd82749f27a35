from channels_databinding import WebsocketDemultiplexer

from .bindings import IntegerValueBinding, PostBinding


class Posts(WebsocketDemultiplexer):
    consumers = {"posts": PostBinding.consumer}


class Values(WebsocketDemultiplexer):
    consumers = {"intval": IntegerValueBinding.consumer}

    def connection_groups(self, **url_kwargs):
        return ["intval-updates"]
