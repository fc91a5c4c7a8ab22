"""The size of an item by DynamoDB's rules, so that one over the limit is refused before it is sent.

The rules are in the DynamoDB Developer Guide, "DynamoDB item sizes and formats". It gives the sizes of numbers only
approximately; this counts their upper bound.
"""

from __future__ import annotations

from torii_dynamodb._core.attributes import Attribute, Item
from torii_dynamodb.errors import ItemTooLarge

__all__ = ["MAX_ITEM_BYTES", "attribute_size", "check_item_size", "item_size"]

MAX_ITEM_BYTES = 400 * 1024


def item_size(item: Item) -> int:
    """Return an item's size in bytes, attribute names included."""
    return sum(len(name.encode()) + attribute_size(value) for name, value in item.items())


def attribute_size(attribute: Attribute) -> int:
    """Return a value's size in bytes."""
    ((tag, value),) = attribute.items()
    match tag:
        case "S":
            return len(value) if value.isascii() else len(value.encode())
        case "N":
            return _number_size(value)
        case "B":
            return _binary_size(value)
        case "BOOL" | "NULL":
            return 1
        case "SS":
            return sum(len(inner.encode()) for inner in value)
        case "NS":
            return sum(_number_size(inner) for inner in value)
        case "BS":
            return sum(_binary_size(inner) for inner in value)
        case "L":
            return 3 + sum(1 + attribute_size(inner) for inner in value)
        case _:
            return 3 + sum(1 + len(name.encode()) + attribute_size(inner) for name, inner in value.items())


def check_item_size(item: Item, what: str) -> None:
    """Refuse an item that DynamoDB would refuse.

    Args:
        item: The item as it would be stored.
        what: What to call it in the message: ``"the user"``.

    Raises:
        ItemTooLarge: It is over 400 KB; names the largest attributes.
    """
    size = item_size(item)
    if size <= MAX_ITEM_BYTES:
        return
    sizes = {name: len(name.encode()) + attribute_size(value) for name, value in item.items()}
    largest = sorted(sizes.items(), key=lambda pair: -pair[1])[:3]
    shown = ", ".join(f"{name} {bytes_:,} bytes" for name, bytes_ in largest)
    raise ItemTooLarge(
        f"{what} would take {size:,} bytes; DynamoDB stores at most {MAX_ITEM_BYTES:,} per item. Largest: {shown}",
        size=size,
        limit=MAX_ITEM_BYTES,
        largest=largest,
    )


def _number_size(value: str) -> int:
    digits = value.lstrip("-").replace(".", "").split("E")[0].strip("0")
    return (len(digits) + 1) // 2 + 1 + (1 if value.startswith("-") else 0)


def _binary_size(base64: str) -> int:
    return len(base64) * 3 // 4 - base64[-2:].count("=")
