"""Live, two-way data binding between Django models and the browser."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .binding import WebsocketBinding as WebsocketBinding
    from .demultiplexer import WebsocketDemultiplexer as WebsocketDemultiplexer

__all__ = ["WebsocketBinding", "WebsocketDemultiplexer"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Models cannot be imported before the apps are loaded, and INSTALLED_APPS imports this module.
    if name == "WebsocketBinding":
        from .binding import WebsocketBinding

        return WebsocketBinding
    if name == "WebsocketDemultiplexer":
        from .demultiplexer import WebsocketDemultiplexer

        return WebsocketDemultiplexer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
