"""Which names an embedding may have. A name is a word in prompts and a file on every system, so both decide."""

import unicodedata

from ti_studio.embeddings.errors import BadName

MAX_CHARACTERS = 100
MAX_BYTES = 200
"""Of the name in UTF-8: file systems allow 255 for the whole file name, and endings and step numbers are added."""

_RESERVED = frozenset('<>:"/\\|?*')
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in "123456789¹²³"}
)


def check_name(name: str) -> None:
    """Checks that a new embedding may have this name.

    Raises:
        BadName: the name is empty, has parts of a path, reserved, control or direction-changing characters, is a device
            of Windows, begins or ends with a dot or a space, or is longer than 100 characters.
    """
    if not name.strip():
        raise BadName("The name is empty; expected the word that prompts will use.")
    reserved = sorted(set(name) & _RESERVED)
    unseen = unseen_character(name)
    if reserved or unseen:
        unsafe = " ".join(reserved) or unseen
        raise BadName(f"The name {displayed(name)!r} has {unsafe} in it; a file's name can't on every system.")
    if name[0] in ". " or name[-1] in ". ":
        raise BadName(f"The name {name!r} begins or ends with a dot or a space; expected any other sign.")
    if name.split(".", maxsplit=1)[0].rstrip().lower() in _DEVICES:
        raise BadName(f"The name {name!r} is a device on Windows; expected any other word.")
    if len(name) > MAX_CHARACTERS or len(name.encode()) > MAX_BYTES:
        raise BadName(
            f"The name has {len(name)} characters ({len(name.encode())} bytes); "
            f"expected at most {MAX_CHARACTERS} ({MAX_BYTES} bytes)."
        )


def unseen_character(text: str) -> str | None:
    """Returns the first control, format or direction-changing character, such as "U+202E RIGHT-TO-LEFT OVERRIDE"."""
    if text.isascii() and text.isprintable():
        return None
    for character in text:
        if unicodedata.category(character) in _UNSEEN:
            return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()
    return None


def displayed(text: str) -> str:
    """Returns the text with each character that can't or shouldn't be shown replaced by U+FFFD."""
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if unicodedata.category(character) in _UNSEEN else character for character in text)
