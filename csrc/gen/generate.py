#!/usr/bin/env python3
"""The schema generator: pyVmomi's tables -> csrc/gen/schema_data.c, or an XSD of one version for the specs.

  generate.py [--package FOLDER] [-o FILE]              the packed table (default: schema_data.c beside this file)
  generate.py [--package FOLDER] --xsd VERSION FILE     an XML Schema of vim25 as of VERSION (8.0.3.0, ...)

Without --package the tables are taken from the pyVmomi that this Python has installed (requirements.txt pins it;
nothing of it is executed).
"""
import argparse
import importlib.util
import os
import sys

sys.dont_write_bytecode = True
import model as vim25  # noqa: E402
import pack  # noqa: E402
import xsd  # noqa: E402


def find_package():
    spec = importlib.util.find_spec("pyVmomi")
    if not spec or not spec.submodule_search_locations:
        raise SystemExit("pyVmomi is not installed: pip install --require-hashes -r csrc/gen/requirements.txt")
    return list(spec.submodule_search_locations)[0]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", help="folder with the _typeinfo_*.py tables")
    parser.add_argument("--xsd", nargs=2, metavar=("VERSION", "FILE"))
    parser.add_argument("-o", default=os.path.join(here, "schema_data.c"))
    args = parser.parse_args()
    with open(os.path.join(here, "requirements.txt"), encoding="ascii") as f:
        pinned = next(line for line in f if line.startswith("pyvmomi==")).split()[0].replace("==", " ")
    loaded = vim25.load(args.package or find_package())
    target = args.xsd[1] if args.xsd else args.o
    with open(target, "w", encoding="ascii") as out:
        if args.xsd:
            xsd.write(loaded, args.xsd[0], out)
        else:
            pack.write(loaded, pinned.replace("pyvmomi", "pyVmomi"), out)


if __name__ == "__main__":
    main()
