#!/usr/bin/env python3
"""Writes src/text/char_class_ranges.inc: which characters are letters, numbers and white space to the pattern of GPT-2.

The classes \\p{L}, \\p{N} and \\s depend on the Unicode version of the regex engine. Ids must not, so the table is taken
once from the engine of Hugging Face's `tokenizers` itself, by asking its ByteLevel pre-tokenizer about every code point:
a character is a letter if "a" + it stays one piece, a number if "1" + it does, anything else visible if "!" + it does,
and white space otherwise. tools/parity_tokenizer.py checks every code point again, through the finished encoder.

Usage: python3 tools/make_char_classes.py   (needs the Python package `tokenizers`)
"""
import pathlib

import tokenizers
from tokenizers.pre_tokenizers import ByteLevel

TARGET = pathlib.Path(__file__).resolve().parent.parent / "src" / "text" / "char_class_ranges.inc"


def classes():
    """Yields (code point, class) for every character; surrogates are not characters."""
    pre_tokenizer = ByteLevel(add_prefix_space=False)
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000:
            continue
        kept = [name for name, before in (("LETTER", "a"), ("NUMBER", "1"), ("OTHER", "!"))
                if len(pre_tokenizer.pre_tokenize_str(before + chr(code))) == 1]
        if len(kept) > 1:
            raise SystemExit(f"U+{code:04X} is {' and '.join(kept)}")
        yield code, kept[0] if kept else "SPACE"


def main():
    ranges = []
    for code, name in classes():
        if name == "OTHER":
            continue
        if ranges and ranges[-1][1] == code - 1 and ranges[-1][2] == name:
            ranges[-1][1] = code
        else:
            ranges.append([code, code, name])
    lines = [f"// Written by tools/make_char_classes.py from tokenizers {tokenizers.__version__}: "
             f"{len(ranges)} ranges of first, last, class; the rest is OTHER."]
    line = ""
    for first, last, name in ranges:
        item = f"{{0x{first:X}, 0x{last:X}, {name}}}, "
        if len(line) + len(item) > 111:
            lines.append(line.rstrip())
            line = ""
        line += item
    lines.append(line.rstrip())
    TARGET.write_text("\n".join(lines) + "\n")
    print(f"{TARGET}: {len(ranges)} ranges, last U+{ranges[-1][1]:X}")


if __name__ == "__main__":
    main()
