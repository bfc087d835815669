"""An independent reading of the .vmx grammar, by regular expressions, to hold gpupt's edits against.

Input, a line per case of hexadecimal words: BEFORE AFTER READING EDIT...   where READING is what gpupt read from
BEFORE (key NUL value NUL ...) and an EDIT is s:KEY:VALUE or u:KEY, applied in order. Prints one line per broken
case, then "N cases, N edits". Sources: open-vm-tools lib/dict/dictll.c, lib/misc/escape.c.
"""
import re
import sys

LINE = re.compile(rb"([^\r\n]*)(\r\n|\n|\r|\Z)", re.S)
PAIR = re.compile(rb'([ \t]*)([^\0 \t#=]+)([ \t]*=[ \t]*)(?:"([^\0"]*)"|(?!")([^\0 \t#]*))([ \t]*(?:\#.*)?)', re.S)
ESCAPE = re.compile(rb"\|([0-9A-Fa-f]{2})|\|[0-9A-Fa-f]?[^0-9A-Fa-f]", re.S)


def decode(raw):
    return ESCAPE.sub(lambda m: bytes([int(m[1], 16)]) if m[1] else m[0], raw)


def encode(value):
    return re.sub(rb'[\x00-\x08\x0a-\x1f"|\x7f]', lambda m: b"|%02X" % m[0][0], value)


class Line:
    def __init__(self, body, end):
        self.body, self.end = body, end
        match = PAIR.fullmatch(body)
        self.key = match[2].lower() if match else None
        if match:
            self.name, self.head = match[2], match[1] + match[2] + match[3]
            self.value = decode(match[4] if match[4] is not None else match[5])
            self.tail = match[6]


def cut(text):
    bom = text.startswith(b"\xef\xbb\xbf")
    text = text[3:] if bom else text
    return bom, [Line(body, end) for body, end in LINE.findall(text) if body or end]


def problem(before, after, reading, edits):
    bom, old = cut(before)
    bom_after, new = cut(after)
    words = reading.split(b"\0")[:-1]
    if [(l.name, l.value) for l in old if l.key] != list(zip(words[0::2], words[1::2])):
        return "reading differs"
    if bom != bom_after:
        return "the byte order mark changed"

    values = {l.key: l.value for l in old if l.key}
    edited, removed = {}, set()
    for edit in edits:
        key = edit[1].lower()
        edited.setdefault(key, edit[1])
        if edit[0] == b"s":
            values[key] = edit[2]
            if key not in {l.key for l in old}:
                removed.discard(key)
        else:
            values.pop(key, None)
            removed.add(key)
    if {l.key: l.value for l in new if l.key} != values:
        return "values differ"
    for key in edited:
        if sum(l.key == key for l in new) != (key in values):
            return "not exactly one line of %r" % key

    # Lines of other keys, comments, blank and odd ones: the same bytes in the same order.
    kept = [l for l in old if l.key not in edited]
    kept_after = [l for l in new if l.key not in edited]
    if [l.body for l in kept] != [l.body for l in kept_after]:
        return "another line changed"
    for i, (a, b) in enumerate(zip(kept, kept_after)):
        opened = a.end == b"" and b is not new[-1]  # something was put behind a last line without an end
        merged = a.end == b"\r" and b.end == b"\r\n" and new[new.index(b) + 1].body == b""  # CR, then a lone LF
        if a.end != b.end and not opened and not merged:
            return "the end of line %r changed" % a.body

    # A key that was there and was only set stays in its place, with its spelling, spacing and comment.
    stable = {k for k in edited if k not in removed and any(l.key == k for l in old)}
    last = {l.key: l for l in old if l.key}
    order = [l.key if l.key in stable else l.body for l in old if l.key not in edited or (l.key in stable and last[l.key] is l)]
    order_after = [l.key if l.key in stable else l.body for l in new if l.key not in edited or l.key in stable]
    if order != order_after:
        return "an edited line moved"
    for line in new:
        if line.key in stable:
            was = last[line.key]
            if was.value == line.value and sum(e[1].lower() == line.key for e in edits) == 1:
                if was.body != line.body:
                    return "a line was rewritten for the same value"
            elif line.body != was.body and (line.head.rstrip() != was.head.rstrip() or line.tail.strip() != was.tail.strip()
                                            or b'"' + encode(line.value) + b'"' not in line.body):
                return "line %r became %r" % (was.body, line.body)
        elif line.key in edited and line.body != line.name + b' = "' + encode(line.value) + b'"':
            return "a new line is spelled %r" % line.body
    return None


def main():
    cases = edits_seen = 0
    for number, row in enumerate(sys.stdin, 1):
        before, after, reading, *edits = row.rstrip("\n").split(" ")
        edits = [[bytes.fromhex(part) if i else part.encode() for i, part in enumerate(e.split(":"))] for e in edits]
        before, after = bytes.fromhex(before[1:]), bytes.fromhex(after[1:])
        wrong = problem(before, after, bytes.fromhex(reading[1:]), edits)
        if wrong:
            print("case %d: %s\n  before %r\n  after  %r\n  edits  %r" % (number, wrong, before, after, edits))
        cases += 1
        edits_seen += len(edits)
    print("%d cases, %d edits" % (cases, edits_seen))


main()
