#!/usr/bin/env python3
"""Makes internal/wire/model.txt from pyVmomi's tables: gen_model.py PYVMOMI_FOLDER

govmomi's structs say which fields a type has; they do not say in which version a type or a
method came (and of a field only if it is a recent one), how the server calls it in its messages
(vim.vm.ConfigSpec), or which privilege a method needs. pyVmomi (Apache-2.0) does. The
tables are read with ast and never executed. One line per item:

    T VirtualMachineConfigSpec vim.vm.ConfigSpec 2.0          data type
    E HostLockdownMode vim.host.HostAccessManager.LockdownMode 6.0     enum
    O HostSystem vim.HostSystem ManagedEntity 2.0             managed object type, its base
    M HostSystem RebootHost_Task reboot 2.0 Host.Config.Maintenance    method, "-" = none
    F HostPciPassthruConfig applyNow 7.0                      a field or parameter newer than its type or method
    Y OptionValue value                                       an optional field of type anyType
    K VirtualMachineRelocateSpec host HostSystem              a field or parameter that refers to that managed type
    P Folder CreateVM_Task pool Resource.AssignVMToPool       the privilege needed on the object in a parameter
    R SessionManager sessionList Sessions.TerminateSession    the privilege that reading a property needs, "-" = none
"""
import ast
import os
import sys

folder = sys.argv[1]
versions, lines, names, managed = {}, [], {}, {}
calls = []
for table in ("core", "query", "vim"):
    with open(os.path.join(folder, "_typeinfo_%s.py" % table)) as f:
        tree = ast.parse(f.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            calls.append((node.func.id, node.args))


def text(node):
    return node.value if isinstance(node, ast.Constant) else None


for name, args in calls:
    if name == "AddVersion":
        versions[text(args[0])] = text(args[2]) or "0"
    elif name in ("CreateManagedType", "CreateDataType"):
        names[text(args[0])] = text(args[1])
        if name == "CreateManagedType":
            managed[text(args[0])] = text(args[1])


def version(node):
    return versions.get(text(node), "0")


def newer(owner, since, fields):
    for field in fields:
        if version(field.elts[2]) != since:
            lines.append("F %s %s %s" % (owner, text(field.elts[0]), version(field.elts[2])))


def references(owner, fields):
    for field in fields:
        kind = text(field.elts[1])
        kind = kind[:-2] if kind.endswith("[]") else kind
        if kind in managed:
            lines.append("K %s %s %s" % (owner, text(field.elts[0]), managed[kind]))


for name, args in calls:
    if name == "CreateDataType":
        lines.append("T %s %s %s" % (text(args[1]), text(args[0]), version(args[3])))
        fields = args[4].elts if len(args) > 4 and hasattr(args[4], "elts") else []
        newer(text(args[1]), version(args[3]), fields)
        references(text(args[1]), fields)
        for field in fields:
            if text(field.elts[1]) == "anyType" and "F_OPTIONAL" in ast.unparse(field.elts[3]):
                lines.append("Y %s %s" % (text(args[1]), text(field.elts[0])))
    elif name == "CreateEnumType":
        lines.append("E %s %s %s" % (text(args[1]), text(args[0]), version(args[2])))
    elif name == "CreateManagedType":
        kind = text(args[1])
        lines.append("O %s %s %s %s" % (kind, text(args[0]), names.get(text(args[2]), "-"), version(args[3])))
        for field in (args[4].elts if len(args) > 4 and isinstance(args[4], (ast.List, ast.Tuple)) else []):
            lines.append("R %s %s %s" % (kind, text(field.elts[0]), text(field.elts[4]) or "-"))
        for m in (args[5].elts if len(args) > 5 and isinstance(args[5], (ast.List, ast.Tuple)) else []):
            f = m.elts
            newer(text(f[1]), version(f[2]), f[3].elts)
            references(text(f[1]), f[3].elts)
            for param in f[3].elts:
                if text(param.elts[4]):
                    lines.append("P %s %s %s %s" % (kind, text(f[1]), text(param.elts[0]), text(param.elts[4])))
            lines.append("M %s %s %s %s %s" % (kind, text(f[1]), text(f[0]), version(f[2]), text(f[5]) or "-"))

print("# made by gen_model.py from the tables of pyVmomi (Apache-2.0); do not edit")
for line in sorted(set(lines)):
    print(line)
