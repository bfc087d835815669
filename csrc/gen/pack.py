"""Packs the model into csrc/gen/schema_data.c: arrays of small structs over one pool of strings.

Everything is an index or an offset, so that the table lies in .rodata without relocations and costs nothing at
start-up. Types, names and methods are sorted by name (strcmp order) for binary search; a string that is the end of
another one shares its bytes.
"""
from model import SCALARS

KINDS = {"scalar": 0, "data": 1, "enum": 2, "managed": 3}
TYPE_EXTENDED, TYPE_ABSTRACT, TYPE_FAULT = 1, 2, 4


class Pool:
    """Strings, laid out with shared tails."""

    def __init__(self):
        self.strings = {""}

    def add(self, s):
        self.strings.add(s)
        return s

    def layout(self):
        self.offset, self.chunks, at, previous = {}, [], 0, None
        for s in sorted(self.strings, key=lambda s: s[::-1], reverse=True):
            if previous is not None and previous.endswith(s):
                self.offset[s] = previous_end - len(s)
            else:
                self.offset[s] = at
                self.chunks.append(s)
                at += len(s) + 1
                previous, previous_end = s, at - 1
        self.size = at


NAME_SLOTS = 8192


def name_hash(name):
    """FNV-1a, folded; csrc/vim25/schema.c computes the same."""
    h = 2166136261
    for c in name.encode("ascii"):
        h = ((h ^ c) * 16777619) & 0xffffffff
    return h ^ h >> 15


def hashed(names):
    """Open addressing with linear probing: the index of a name plus one, 0 for an empty slot."""
    slots = [0] * NAME_SLOTS
    for i, name in enumerate(names):
        at = name_hash(name) % NAME_SLOTS
        while slots[at]:
            at = (at + 1) % NAME_SLOTS
        slots[at] = i + 1
    return slots


class Packer:
    def __init__(self, model):
        self.model, self.pool = model, Pool()
        self.versions = list(model.versions.values())
        assert len(self.versions) <= 64
        self.version_id = {v.vmodl: i for i, v in enumerate(self.versions)}
        named = sorted(model.types.values(), key=lambda t: t.name)
        self.types = named
        self.type_id = {s: i for i, s in enumerate(SCALARS)}
        self.first_named = 16
        self.type_id.update({t.name: i + self.first_named for i, t in enumerate(named)})
        everything = [f for t in named for f in t.fields] + [p for t in named for m in t.methods for p in m.params]
        self.names = sorted({f.name for f in everything} | {"returnval"})
        self.name_id = {n: i for i, n in enumerate(self.names)}
        privileges = {f.privilege for f in everything} | {m.privilege for t in named for m in t.methods}
        self.privileges = [""] + sorted(p for p in privileges if p)
        assert len(self.privileges) < 256
        self.privilege_id = {p: i for i, p in enumerate(self.privileges)}
        self.privilege_id[None] = 0
        self.methods = sorted((m for t in named for m in t.methods), key=lambda m: m.name)

    def field(self, f):
        return "{%d,%d,%d,%d}" % (self.name_id[f.name], self.type_id[f.type], self.version_id[f.version], f.flags)

    def array_type(self, name):
        """(type id, is array) of a task's result."""
        if not name:
            return 0, 0
        if name.startswith("ArrayOf") and name[7:] in self.type_id:
            return self.type_id[name[7:]], 1
        return self.type_id[name], 0

    def rows(self):
        fields, privileges, values, faults = [], [], [], []
        type_rows, method_rows = [], []
        data_first = [f for t in self.types if t.kind == "data" for f in t.fields]
        fields += [self.field(f) for f in data_first]
        first_guarded = len(fields)
        at_data = 0

        def guarded(items):
            start = len(fields)
            for f in items:
                fields.append(self.field(f))
                privileges.append(self.privilege_id[f.privilege])
            return start

        owner_methods = sorted(range(len(self.methods)), key=lambda i: (self.methods[i].owner, self.methods[i].name))
        by_owner = {}
        for place, i in enumerate(owner_methods):
            by_owner.setdefault(self.methods[i].owner, []).append(place)
        scalars = [(s, "scalar") for s in SCALARS] + [("", "scalar")] * (self.first_named - len(SCALARS))
        for s, _ in scalars:
            type_rows.append((s, 0, 0, 0, 0, 0, 0, 0, 0))
        for t in self.types:
            flags = TYPE_EXTENDED * t.extended | TYPE_ABSTRACT * t.abstract | TYPE_FAULT * t.fault
            base = self.type_id[t.base] if t.base else 0
            mfirst = mcount = 0
            if t.kind == "data":
                first, count = at_data, len(t.fields)
                at_data += count
            elif t.kind == "enum":
                first, count = len(values), len(t.values)
                values += t.values
            else:
                first, count = guarded(t.fields), len(t.fields)
                places = by_owner.get(t.name, [])
                mfirst, mcount = (places[0] if places else 0), len(places)
            type_rows.append((t.name, base, first, count, mfirst, mcount, KINDS[t.kind],
                              self.version_id[t.version], flags))
        for m in self.methods:
            first = guarded(m.params)
            task, task_array = self.array_type(m.task_result)
            faults_first = len(faults)
            faults += [self.type_id[f] for f in m.faults]
            method_rows.append((m.name, self.type_id[m.owner], self.type_id[m.result.type], first, faults_first,
                                task, len(m.params), len(m.faults), self.version_id[m.version],
                                self.privilege_id[m.privilege], m.result.flags, task_array))
        assert len(fields) < 65536 and len(type_rows) < 32768 and len(self.names) < 0x8000
        return fields, first_guarded, privileges, values, faults, type_rows, method_rows, owner_methods


def _quote(s):
    assert all(32 <= ord(c) < 127 and c not in '"\\' for c in s), s
    return s


def _array(out, ctype, name, items, per_line=12):
    out.write("const %s %s[%d] = {\n" % (ctype, name, len(items)))
    for i in range(0, len(items), per_line):
        out.write("    " + ",".join(str(x) for x in items[i:i + per_line]) + ",\n")
    out.write("};\n\n")


def write(model, source, out):
    p = Packer(model)
    fields, first_guarded, privileges, values, faults, types, methods, owner_methods = p.rows()
    for s in p.names + p.privileges + values + [r[0] for r in types] + [r[0] for r in methods]:
        p.pool.add(s)
    for v in p.versions:
        p.pool.add(v.name)
        p.pool.add(v.vmodl)
    p.pool.layout()
    at = p.pool.offset
    out.write("/* Generated by csrc/gen/generate.py from %s; `make schema` writes it again. Do not edit. */\n" % source)
    out.write('#include "gen/schema_data.h"\n\n')
    out.write("const gp_schema_counts gp_schema_count = {%d, %d, %d, %d, %d, %d};\n\n" % (
        len(types), len(fields), len(methods), len(p.names), len(p.versions), first_guarded))
    out.write("/* One literal per string; adjacent literals are one array. */\n")
    out.write('#pragma GCC diagnostic ignored "-Woverlength-strings"\n')
    out.write("const char gp_schema_pool[%d] =" % p.pool.size)
    line = ""
    for i, s in enumerate(p.pool.chunks):
        piece = '"%s%s"' % (_quote(s), "\\0" if i + 1 < len(p.pool.chunks) else "")
        if len(line) + len(piece) > 104:
            out.write("\n    " + line)
            line = ""
        line += piece
    out.write("\n    " + line + ";\n\n")
    _array(out, "uint32_t", "gp_schema_names", [at[n] for n in p.names])
    _array(out, "uint16_t", "gp_schema_name_slots", hashed(p.names), 24)
    _array(out, "uint32_t", "gp_schema_privileges", [at[n] for n in p.privileges])
    _array(out, "uint32_t", "gp_schema_values", [at[n] for n in values])
    _array(out, "gp_schema_version", "gp_schema_versions",
           ["{%d,%d,0x%xu}" % (at[v.name], at[v.vmodl], sum(1 << p.version_id[a] for a in v.parents))
            for v in p.versions], 3)
    _array(out, "gp_schema_field", "gp_schema_fields", fields, 6)
    _array(out, "uint8_t", "gp_schema_guards", privileges, 24)
    _array(out, "uint16_t", "gp_schema_faults", faults)
    _array(out, "gp_schema_type", "gp_schema_types",
           ["{%d,%s}" % (at[r[0]], ",".join(str(x) for x in r[1:])) for r in types], 4)
    _array(out, "gp_schema_method", "gp_schema_methods",
           ["{%d,%s}" % (at[r[0]], ",".join(str(x) for x in r[1:])) for r in methods], 3)
    out.write("/* The methods again, grouped by the type that declares them. */\n")
    _array(out, "uint16_t", "gp_schema_owned", owner_methods)
