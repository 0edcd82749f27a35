"""… → serializers → **hooks** → binding → …

What a project defines, called: with those arguments that it takes, and awaited if it is `async def`.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from asgiref.sync import async_to_sync


def call(hook: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Run a hook and return its result. `async def` is awaited, on this thread's database connection."""
    result = hook(*args, **kwargs)
    if not inspect.isawaitable(result):
        return result

    async def settle() -> Any:
        return await result

    return async_to_sync(settle)()


def call_with(hook: Callable[..., Any], url_kwargs: Mapping[str, Any]) -> Any:
    """Run a hook with those URL arguments that it takes: `connection_groups(self)` serves any route."""
    parameters = inspect.signature(hook).parameters
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return call(hook, **{name: value for name, value in url_kwargs.items() if takes_all or name in parameters})


def as_groups(names: "Iterable[str] | str | None") -> frozenset[str]:
    """Return what a hook gave as a set of groups."""
    return frozenset([names] if isinstance(names, str) else names or ())
