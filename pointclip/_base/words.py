"""How numbers of things are worded; loads nothing, for the command line needs it before torch."""


def counted(count: int, noun: str, plural: str = "") -> str:
    """Word a number of things; the plural of a noun is the noun with an s, unless it is given.

    Example:
        >>> counted(1, "shape"), counted(1200, "shape"), counted(2, "class", "classes")
        ('1 shape', '1,200 shapes', '2 classes')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
