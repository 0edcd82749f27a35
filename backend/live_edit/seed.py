"""Four sliders."""

from .models import IntegerValue

VALUES = {"Bass": 60, "Middle": 45, "Treble": 70, "Volume": 30}


def seed():
    for name, value in VALUES.items():
        IntegerValue.objects.get_or_create(name=name, defaults={"value": value})
