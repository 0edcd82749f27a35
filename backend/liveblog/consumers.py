"""What each page's socket carries: asgi.py says where."""

from channels_databinding import WebsocketDemultiplexer

from .bindings import LiveblogBinding, PostBinding, PublishedBinding


class Demultiplexer(WebsocketDemultiplexer):
    """One live blog: the page asks for its posts, and for who is reading, by `{"liveblog": 3}`."""

    consumers = {"posts": PostBinding.consumer, "liveblogs": LiveblogBinding.consumer}


class FrontPageDemultiplexer(WebsocketDemultiplexer):
    consumers = {"liveblogs": LiveblogBinding.consumer, "published": PublishedBinding.consumer}

    def connection_groups(self, **url_kwargs):
        return ["liveblogs", "published"]
