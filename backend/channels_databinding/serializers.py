"""protocol → cursor → **serializers** → binding → …

Row ⇄ JSON, as Django's own serializers write and read it. The whitelist of a binding guards both ways.
"""

from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Any, Final, TypeAlias

from django.core.exceptions import ValidationError
from django.db import models, router
from django.db.models import Model
from django.forms.utils import from_current_timezone
from django.utils.encoding import is_protected_type

ColumnField: TypeAlias = "models.Field[Any, Any]"
Link: TypeAlias = "models.ManyToManyField[Any, Any]"
AnyField: TypeAlias = "ColumnField | Link"

EVERY: Final = ("__all__", ["__all__"], ("__all__",))  # ways to say, in `fields`: all but the pk

LINKS: Final = 1_000  # of one many-to-many field, in one write: each is looked for


def select(model: type[Model], fields: Sequence[str] | str | None, exclude: Sequence[str] | None) -> list[AnyField]:
    """Return the fields of `model` that a binding with these lists sends, in the model's order. Never the pk,
    unless it is a natural key that `fields` names."""
    every: list[AnyField] = [*model._meta.concrete_fields, *model._meta.many_to_many]
    if fields in EVERY:
        return [field for field in every if not field.primary_key]
    if fields is not None:
        return [field for field in every if field.name in fields]
    if exclude is not None:
        return [field for field in every if field.name not in exclude and not field.primary_key]
    return []


def serialize(instance: Model, fields: Iterable[AnyField]) -> dict[str, Any]:
    """Return `{name: value}` for the browser. A primary key travels beside the data, never in it."""
    return {field.name: value_of(instance, field) for field in fields if not field.primary_key}


def value_of(instance: Model, field: AnyField) -> Any:
    """Return one value as `django.core.serializers.python` gives it: numbers and dates as they are, the rest text,
    and of a many-to-many field the keys, in order."""
    if isinstance(field, models.ManyToManyField):
        rows = sorted(getattr(instance, field.name).all(), key=lambda row: row.pk)
        return [value_of(row, row._meta.pk) for row in rows]
    value = field.value_from_object(instance)
    return value if is_protected_type(value) else field.value_to_string(instance)


def assign(instance: Model, fields: Iterable[AnyField], data: Mapping[str, Any]) -> dict[Link, list[Model]]:
    """Set on `instance` what `data` has of `fields`; every other key is passed over. Returns what its many-to-many
    fields are to hold, which can be set once it is saved.

    A field that is not editable (`auto_now`, `editable=False`) is sent and never written; a natural key may be
    given while the row is new, a number the database gives never. Raises ValidationError, by field.
    """
    errors: dict[str, Any] = {}
    links: dict[Link, list[Model]] = {}
    for field in fields:
        if field.name not in data or not _is_writable(instance, field):
            continue
        try:
            if isinstance(field, models.ManyToManyField):
                links[field] = _read_link(field, data[field.name])
            else:
                setattr(instance, field.attname, _read(field, data[field.name]))
        except ValidationError as error:
            errors[field.name] = error.error_list
        except (TypeError, ValueError, OverflowError):
            errors[field.name] = ValidationError("Enter a valid value.", code="invalid")
    if errors:
        raise ValidationError(errors)
    return links


def _is_writable(instance: Model, field: AnyField) -> bool:
    if field.primary_key:
        return instance._state.adding and not isinstance(field, models.AutoField) and not is_parent_link(field)
    # A file is uploaded: its name alone would point a row at anybody's.
    return field.editable and not isinstance(field, models.FileField)


def is_parent_link(field: AnyField) -> bool:
    """Whether a field is what joins a row's table to its parent's."""
    return field.remote_field is not None and bool(getattr(field.remote_field, "parent_link", False))


def _read(field: ColumnField, value: Any) -> Any:
    if value is None and not field.null:
        raise ValidationError(field.error_messages["null"], code="null")
    if value is None or isinstance(field, models.JSONField):
        return value
    if isinstance(value, dict | list):
        raise ValidationError("Enter a single value.", code="invalid")
    if isinstance(field, models.BinaryField):
        return b64decode(value, validate=True)
    if isinstance(field, models.ForeignKey) and value == "":
        return None
    if isinstance(value, float) and isinstance(field, models.IntegerField) and not value.is_integer():
        raise ValidationError("Enter a whole number.", code="invalid")
    value = field.to_python(value)
    if isinstance(value, float) and not isfinite(value):
        raise ValidationError("Enter a number.", code="invalid")
    return from_current_timezone(value) if isinstance(value, datetime) else value


def _read_link(field: Link, value: Any) -> list[Model]:
    """As a form's ModelMultipleChoiceField does it."""
    if not isinstance(value, list):
        raise ValidationError("Enter a list of values.", code="invalid_list")
    if not value and not field.blank:
        raise ValidationError("This field is required.", code="required")
    if len(value) > LINKS:
        raise ValidationError(f"Select {LINKS:,} values at most.", code="invalid_list")
    model: Any = field.related_model
    keys = [_read(model._meta.pk, key) for key in value]
    rows = model._default_manager.using(router.db_for_write(model))
    there = rows.complex_filter(field.get_limit_choices_to()).in_bulk(keys)
    for key in keys:
        if key not in there:
            what = f"Select a valid choice. {key} is not one of the available choices."
            raise ValidationError(what, code="invalid_choice")
    return list(there.values())
