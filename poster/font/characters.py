#!/usr/bin/env python3
"""Lists the characters of the posters' font, one U+XXXX a line: all of GB 2312,
all three levels of 通用规范汉字表 (2013) that lie below U+10000, ASCII, Latin-1 and
the full-width forms. Reads the Unihan database of Debian's package unicode-data.
"""
import bz2

chars = set(range(0x20, 0x7F)) | set(range(0xA0, 0x100)) | set(range(0xFF01, 0xFF5F))
chars |= {0x2013, 0x2014, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2026, 0x20AC}
for row in range(0xA1, 0xF8):
    for cell in range(0xA1, 0xFF):
        try:
            chars.add(ord(bytes([row, cell]).decode("gb2312")))
        except UnicodeDecodeError:
            pass
with bz2.open("/usr/share/unicode/Unihan_OtherMappings.txt.bz2", "rt", encoding="utf-8") as f:
    for line in f:
        if "\tkTGH\t" in line:
            chars.add(int(line.split("\t")[0][2:], 16))
print("\n".join("U+%04X" % c for c in sorted(chars) if c <= 0xFFFF))
