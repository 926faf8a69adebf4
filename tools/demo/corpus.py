"""The training text: the novels of the Debian package r-cran-janeaustenr as a list of chapters."""
import gzip
import re
import struct
import zlib
from pathlib import Path

FOLDER = "usr/lib/R/site-library/janeaustenr/data"
HELD_OUT = 0.05


class _Reader:
    """Reads R's XDR serialization as far as lists of strings and integers need it (R Internals, section 1.8)."""

    def __init__(self, data):
        self.data = data
        self.at = 14
        self.symbols = []
        if struct.unpack(">i", data[2:6])[0] >= 3:
            self.at += 4 + struct.unpack(">i", data[14:18])[0]

    def integer(self):
        self.at += 4
        return struct.unpack(">i", self.data[self.at - 4:self.at])[0]

    def item(self):
        """The next object: str, list of str or int, list of objects, or a list's attributes as {name: object}."""
        flags = self.integer()
        kind, has_attributes = flags & 0xFF, flags & 0x200
        if kind == 0xFE:
            return {}
        if kind == 0xFF:
            return self.symbols[(flags >> 8) - 1]
        if kind == 1:
            self.symbols.append(self.item())
            return self.symbols[-1]
        if kind == 2:
            name, value = self.item(), self.item()
            return {name: value, **self.item()}
        if kind == 9:
            length = self.integer()
            self.at += length
            return self.data[self.at - length:self.at].decode("utf-8")
        if kind not in (10, 13, 16, 19):
            raise ValueError(f"object of kind {kind} at byte {self.at} is not read here")
        read = self.integer if kind in (10, 13) else self.item
        values = [read() for _ in range(self.integer())]
        return dict(zip(self.item()["names"], values)) if has_attributes else values


def novels(root):
    """The novels by name, each a list of printed lines; `root` is where the package is unpacked ("/" if installed)."""
    folder = Path(root) / FOLDER
    index = _Reader(gzip.decompress((folder / "Rdata.rdx").read_bytes())).item()
    data = (folder / "Rdata.rdb").read_bytes()
    result = {}
    for name, (start, length) in sorted(index["variables"].items()):
        result[name] = _Reader(zlib.decompress(data[start + 4:start + length])).item()
    return result


def chapters(lines):
    """Splits a novel into chapters: one paragraph a line, without headings and marks of emphasis."""
    result, paragraphs, words = [], [], []
    for line in lines + ["", "CHAPTER"]:
        heading = re.match(r"(chapter|volume|finis|the end)\b", line.strip(), re.IGNORECASE)
        if line.strip() and not heading:
            words += line.replace("_", "").split()
        elif words:
            paragraphs.append(" ".join(words))
            words = []
        if heading and paragraphs:
            result.append("\n".join(paragraphs) + "\n")
            paragraphs = []
    return [text for text in result if len(text) > 1000]


def split(root):
    """(training chapters, held-out chapters): the last 5 % of the chapters of each novel are held out."""
    train, held_out = [], []
    for lines in novels(root).values():
        texts = chapters(lines)
        cut = len(texts) - max(1, round(len(texts) * HELD_OUT))
        train += texts[:cut]
        held_out += texts[cut:]
    return train, held_out
