"""Finds `bindings.py` in each app, and keeps the triggers when the database is migrated."""

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import m2m_changed, post_delete, post_migrate, post_save, pre_migrate
from django.utils.module_loading import autodiscover_modules


class DatabindingConfig(AppConfig):
    name = "channels_databinding"
    verbose_name = "Data binding"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks  # noqa: F401  (registers itself)
        from .binding import BINDINGS
        from .capture import install
        from .tail import hurry

        autodiscover_modules("bindings")
        for binding in BINDINGS:
            try:
                binding.resolve()
            except (LookupError, ValueError) as error:
                raise ImproperlyConfigured(
                    f'{binding.__name__} has model = "{binding.model}", and there is no such model. '
                    'Write it as "app_label.Model".'
                ) from error
        for signal in (post_save, post_delete, m2m_changed):
            signal.connect(hurry)
        pre_migrate.connect(install.pre_migrate)
        post_migrate.connect(install.post_migrate, sender=self)
