from channels_databinding import WebsocketDemultiplexer

from .bindings import PostBinding


class Demultiplexer(WebsocketDemultiplexer):
    consumers = {"posts": PostBinding.consumer}
