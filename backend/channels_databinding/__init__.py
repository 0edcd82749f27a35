"""Live, two-way data binding between Django models and the browser."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .binding import WebsocketBinding as WebsocketBinding
    from .binding import WebsocketBindingWithMembers as WebsocketBindingWithMembers
    from .demultiplexer import WebsocketDemultiplexer as WebsocketDemultiplexer

__all__ = ["WebsocketBinding", "WebsocketBindingWithMembers", "WebsocketDemultiplexer"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Models cannot be imported before the apps are loaded, and INSTALLED_APPS imports this module.
    if name in __all__:
        module = "demultiplexer" if name == "WebsocketDemultiplexer" else "binding"
        return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
