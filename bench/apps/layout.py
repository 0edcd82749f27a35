"""Which items are on which board. Both sides know it: the servers, and what measures them."""

SHARED = 0  # many sockets look at it, a hundred items change in turn
WRITTEN = 1  # each of fifty sockets writes an item of its own
MANY = 2  # five thousand items, changed by one `update()`
EMPTY = 3
GROUPS = range(1_000, 1_200)  # two hundred boards of five items

_SIZES = {SHARED: 100, WRITTEN: 50, MANY: 5_000, **dict.fromkeys(GROUPS, 5)}
_FIRST = {}
_BOARD_OF = {}
for _board, _size in _SIZES.items():
    _FIRST[_board] = len(_BOARD_OF) + 1
    _BOARD_OF.update(dict.fromkeys(range(_FIRST[_board], _FIRST[_board] + _size), _board))


def pks(board):
    """Return the keys of a board's items."""
    return range(_FIRST[board], _FIRST[board] + _SIZES[board]) if board in _FIRST else range(0)


def board_of(pk):
    return _BOARD_OF[pk]


def boards():
    """Return (pk, board) of each item."""
    return _BOARD_OF.items()
