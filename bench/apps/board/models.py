from django.db import models


class Item(models.Model):
    """What is written and sent. Who looks at a board sees its items."""

    board = models.IntegerField(db_index=True)
    name = models.CharField(max_length=100)
    value = models.IntegerField(default=0)

    def __str__(self):
        return self.name


def as_json(item):
    """Return an item as every peer sends it."""
    return {"board": item.board, "name": item.name, "value": item.value}


def change_of(item):
    """Return the payload of a change, the same for every peer but ours, which writes it itself."""
    return {"action": "update", "pk": item.pk, "data": as_json(item), "model": "board.item"}
