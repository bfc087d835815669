"""pyVmomi as an independent judge of the codec: its own values, its own serializer and deserializer.

  pyvmomi_witness.py write FILE      a line per vim25 data type: name TAB <val xsi:type=...>...</val>
  pyvmomi_witness.py read FILE       lines: name TAB what pyVmomi wrote TAB what gpupt made of it; every second text
                                     must read back as the value of the first. Prints what differs, then a count.
"""
import datetime
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../csrc/gen"))
sys.dont_write_bytecode = True
import generate  # noqa: E402
import model as vim25  # noqa: E402
from pyVmomi import SoapAdapter, VmomiSupport, vim  # noqa: E402

VERSION = "vim.version.v9_1_1_0"
NAMESPACES = {"urn:vim25": "", "http://www.w3.org/2001/XMLSchema-instance": "xsi",
              "http://www.w3.org/2001/XMLSchema": "xsd"}
TEXTS = ["plain", "a & b < c > d", "Gr\u00fc\u00dfe, \u65e5\u672c\u8a9e", "two  spaces"]


class TooDeep(Exception):
    pass


class Maker:
    def __init__(self, model):
        self.model, self.count = model, 0
        self.known = {t.name for t in model.data()}

    def next(self):
        self.count += 1
        return self.count

    def scalar(self, t):
        """A value of a scalar, enum or managed type; None when `t` is a data type."""
        n = self.next()
        if t is object or t is str or t is VmomiSupport.PropertyPath:
            return TEXTS[n % len(TEXTS)]
        if t is type:
            return vim.VirtualMachine
        if t is VmomiSupport.ManagedMethod:
            return vim.VirtualMachine.PowerOn
        if t is bool:
            return n % 2 == 0
        if t is datetime.datetime:
            return datetime.datetime(2026, 2, n % 28 + 1, 3, 4, 5, n, datetime.timezone.utc)
        if t is VmomiSupport.binary:
            return VmomiSupport.binary(b"\0\xff" + b"bin" * (n % 3))
        if issubclass(t, VmomiSupport.Enum):
            return t.values[n % len(t.values)]
        if issubclass(t, VmomiSupport.ManagedObject):
            return (vim.VirtualMachine if t is VmomiSupport.ManagedObject else t)("obj-%d" % n)
        if issubclass(t, (int, float)):
            return t(n % 100 - 50) if issubclass(t, int) else t(n / 8)
        if issubclass(t, str):
            return t(TEXTS[n % len(TEXTS)])
        return None

    def slot(self, info, depth):
        t, link = info.type, info.flags & VmomiSupport.F_LINK
        if link:
            return ["key-a", "key-b"] if issubclass(t, VmomiSupport.Array) else "key-%d" % self.next()
        if isinstance(t, type) and issubclass(t, VmomiSupport.Array):
            return [self.value(t.Item, depth) for _ in range(2 if depth > 0 else 1)]
        return self.value(t, depth)

    def value(self, t, depth):
        made = self.scalar(t)
        if made is not None:
            return made
        mine = self.model.types[VmomiSupport.GetWsdlName(t)]
        if not mine.abstract and mine.name != "LocalizedMethodFault":
            return self.data(t, depth)
        for candidate in self.model.data():
            if candidate.abstract or not any(a.name == mine.name for a in self.model.chain(candidate)):
                continue
            try:
                return self.data(VmomiSupport.GetVmodlType(candidate.vmodl), depth)
            except TooDeep:
                pass
        raise TooDeep()

    def data(self, t, depth):
        if depth < -4:
            raise TooDeep()
        made = t()
        for info in t._GetPropertyList():
            required = not info.flags & VmomiSupport.F_OPTIONAL
            if info.name in ("dynamicType", "dynamicProperty", "msg"):
                continue
            if required or depth > 0:
                try:
                    setattr(made, info.name, self.slot(info, depth - 1))
                except TooDeep:
                    if required:
                        raise
        return made


def serialize(value):
    info = VmomiSupport.Object(name="val", type=object, version=VERSION, flags=0)
    text = SoapAdapter.Serialize(value, info, VERSION, NAMESPACES).decode()
    return text.replace(' versionId="9.1.1.0"', "")


def write(path):
    model = vim25.load(generate.find_package())
    maker = Maker(model)
    with open(path, "w", encoding="utf-8") as out:
        for t in model.data():
            if t.abstract or t.name in ("LocalizedMethodFault", "DynamicArray"):
                continue
            try:
                value = maker.data(VmomiSupport.GetVmodlType(t.vmodl), 1)
            except TooDeep:
                continue
            out.write("%s\t%s\n" % (t.name, serialize(value)))


def read(path):
    head = '<val xmlns="urn:vim25" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ' \
           'xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    wrong = count = 0
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            name, theirs, ours = line.rstrip("\n").split("\t")
            again = serialize(SoapAdapter.Deserialize(head + ours[len("<val"):]))
            count += 1
            if again != theirs:
                wrong += 1
                print("%s\n  pyVmomi: %s\n  gpupt:   %s" % (name, theirs, again))
    print("%d values, %d differ" % (count, wrong))


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](sys.argv[2])
