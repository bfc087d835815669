"""Writes an XML Schema of vim25 as a server of a given version knows it.

The specs hold what gpupt sends against it with xmllint. It stands in the namespace urn:vim25 and has a global
element per request, and an element `batch` that takes any number of them, so that one run of xmllint checks
thousands. Fields that came with a later version are left out, which is what makes it a test of version filtering.
"""
from model import F_ARRAY, SCALARS

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:vim25" targetNamespace="urn:vim25"
           elementFormDefault="qualified">
<xs:complexType name="ManagedObjectReference"><xs:simpleContent><xs:extension base="xs:string">
  <xs:attribute name="type" type="xs:string"/></xs:extension></xs:simpleContent></xs:complexType>
<xs:element name="batch"><xs:complexType><xs:sequence>
  <xs:any processContents="strict" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:element>
"""


def write(model, version, out):
    server = next((v.vmodl for v in model.versions.values() if v.name == version), None)
    if not server:
        raise SystemExit("unknown version " + version)

    def known(thing):
        return model.knows(server, thing.version)

    def wire(name):
        if name in SCALARS:
            return name if name == "ManagedObjectReference" else "xs:" + name
        return "ManagedObjectReference" if model.types[name].kind == "managed" else name

    def element(field, required):
        return '<xs:element name="%s" type="%s"%s%s/>' % (
            field.name, wire(field.type), "" if required else ' minOccurs="0"',
            ' maxOccurs="unbounded"' if field.flags & F_ARRAY else "")

    out.write(HEAD)
    arrays = {s for s in SCALARS if s != "void"}
    for t in model.types.values():
        if not known(t):
            continue
        if t.kind == "enum":
            out.write('<xs:simpleType name="%s"><xs:restriction base="xs:string">' % t.name)
            out.writelines('<xs:enumeration value="%s"/>' % v for v in t.values)
            out.write("</xs:restriction></xs:simpleType>\n")
            arrays.add(t.name)
        elif t.kind == "data":
            out.write('<xs:complexType name="%s">' % t.name)
            if t.base:
                out.write('<xs:complexContent><xs:extension base="%s">' % t.base)
            out.write("<xs:sequence>")
            out.writelines(element(f, model.required(t, f)) for f in t.fields if known(f))
            out.write("</xs:sequence>")
            if t.base:
                out.write("</xs:extension></xs:complexContent>")
            out.write("</xs:complexType>\n")
            arrays.add(t.name)
        else:
            for m in t.methods:
                if not known(m):
                    continue
                out.write('<xs:element name="%s"><xs:complexType><xs:sequence>'
                          '<xs:element name="_this" type="ManagedObjectReference"/>' % m.name)
                out.writelines(element(p, model.required(m, p)) for p in m.params if known(p))
                out.write("</xs:sequence></xs:complexType></xs:element>\n")
    for name in sorted(arrays):
        title = name[0].upper() + name[1:]
        child = name.removeprefix("xs:")
        out.write('<xs:complexType name="ArrayOf%s"><xs:sequence><xs:element name="%s" type="%s" minOccurs="0" '
                  'maxOccurs="unbounded"/></xs:sequence></xs:complexType>\n' % (title, child, wire(name)))
    out.write("</xs:schema>\n")
