"""The vim25 model, read from pyVmomi's `_typeinfo_*.py` tables.

The tables are Python files made of calls (CreateDataType, CreateEnumType, CreateManagedType, AddVersion...) with
literal arguments. They are parsed with `ast` and never executed. Three types that pyVmomi builds in code
(MethodFault, RuntimeFault, LocalizedMethodFault) are added here by hand.

What the tables do not say is settled here too:
  * vmodl names of scalars become XSD names; links (F_LINK) travel as string keys;
  * a field declared as MethodFault travels as LocalizedMethodFault, except LocalizedMethodFault.fault itself;
  * dynamicType, dynamicProperty and MethodFault.msg exist in pyVmomi only and are dropped;
  * which types may not be sent bare (`abstract_types`), since no table marks abstract types;
  * a few fields that hold a secret without being marked (`ALSO_SECRET`).
"""
import ast
import os

F_LINK, F_LINKABLE, F_OPTIONAL, F_SECRET, F_ARRAY = 1, 2, 4, 8, 16
CONSTANTS = {"F_LINK": F_LINK, "F_LINKABLE": F_LINKABLE, "F_OPTIONAL": F_OPTIONAL, "F_SECRET": F_SECRET}
TABLES = ("core", "query", "vim")

SCALARS = ["void", "anyType", "boolean", "byte", "short", "int", "long", "float", "double", "string",
           "dateTime", "base64Binary", "anyURI", "ManagedObjectReference"]
SCALAR_OF = {
    "void": "void", "anyType": "anyType", "boolean": "boolean", "byte": "byte", "short": "short", "int": "int",
    "long": "long", "float": "float", "double": "double", "string": "string", "vmodl.DateTime": "dateTime",
    "vmodl.Binary": "base64Binary", "vmodl.URI": "anyURI", "vmodl.PropertyPath": "string",
    "vmodl.TypeName": "string", "vmodl.MethodName": "string", "vmodl.ManagedObject": "ManagedObjectReference",
}

# Bases that have fields of their own, yet are never an object by themselves. (An extended type without own fields
# counts as abstract anyway.)
ABSTRACT_WITH_FIELDS = {
    "VirtualDevice", "VirtualController", "VirtualSCSIController", "VirtualSATAController", "VirtualEthernetCard",
    "VirtualSoundCard", "VirtualDeviceFileBackingInfo", "VirtualDeviceDeviceBackingInfo",
    "VirtualDeviceRemoteDeviceBackingInfo", "VirtualDevicePipeBackingInfo", "GuestAuthentication",
    "GuestFileAttributes", "ImportSpec", "OptionType", "ProfileExpression", "TaskScheduler",
    "ClusterDasAdmissionControlPolicy", "ClusterGroupInfo", "HostHostBusAdapter",
    "HostSystemSwapConfigurationSystemSwapOption", "DvsNetworkRuleQualifier", "VslmCreateSpecBackingSpec",
    "FaultToleranceConfigInfo", "EntityEventArgument", "Event", "MethodFault", "RuntimeFault",
}


# Tokens that stand for a login or a session, and texts that carry passwords: answer files, a guest program's arguments
# and environment, customization as XML, registry values, typed keys, OVF properties; keys of licenses and products.
ALSO_SECRET = {
    "SSPIAuthentication.sspiToken", "SSPIChallenge.base64Token", "LoginBySSPI.base64Token",
    "HostGatewaySpec.trustVerificationToken", "GatewayToHostTrustVerifyFault.verificationToken",
    "SessionIsActive.sessionID", "TerminateSession.sessionId", "HasPrivilegeOnEntity.sessionId",
    "HasPrivilegeOnEntities.sessionId", "HostConfigSpec.datastorePrincipalPasswd",
    "CustomizationSysprepText.value", "CustomizationUserData.productId", "CustomizationCloudinitPrep.metadata",
    "CustomizationCloudinitPrep.userdata", "XmlToCustomizationSpecItem.specItemXml",
    "GuestProgramSpec.arguments", "GuestProgramSpec.envVariables", "OvfCreateImportSpecParams.propertyMapping",
    "GuestRegValueStringSpec.value", "GuestRegValueExpandStringSpec.value", "GuestRegValueMultiStringSpec.value",
    "GuestRegValueBinarySpec.value", "PutUsbScanCodes.spec", "HostSnmpConfigSpec.readOnlyCommunities",
    "HostSnmpDestination.community", "AddLicense.licenseKey", "UpdateLicense.licenseKey", "DecodeLicense.licenseKey",
    "RemoveLicense.licenseKey", "UpdateAssignedLicense.licenseKey",
    "UpdateLicenseLabel.licenseKey", "RemoveLicenseLabel.licenseKey",
}


class Field:
    def __init__(self, name, vmodl, version, flags, privilege=None):
        self.name, self.version, self.flags, self.privilege = name, version, flags, privilege
        if vmodl.endswith("[]"):
            vmodl, self.flags = vmodl[:-2], flags | F_ARRAY
        self.vmodl = "string" if flags & F_LINK else vmodl
        self.type = None  # the wire name, settled when all types are known


class Type:
    def __init__(self, kind, vmodl, name, base, version, fields=(), values=(), methods=()):
        self.kind, self.vmodl, self.name, self.base_vmodl, self.version = kind, vmodl, name, base, version
        self.fields, self.values, self.methods = list(fields), list(values), list(methods)
        self.base = None
        self.extended = self.abstract = self.fault = False


class Method:
    def __init__(self, row, owner):
        _, self.name, self.version, params, result, self.privilege, faults = row
        self.owner = owner
        self.params = [Field(*p) for p in params]
        flags, vmodl, task_result = result
        self.result = Field("returnval", vmodl, self.version, flags)
        self.task_result = task_result if vmodl == "vim.Task" and task_result != vmodl else None
        self.faults_vmodl = faults or []


class Version:
    def __init__(self, vmodl, service, name):
        # An id that is not a number is an internal milestone that no server advertises.
        public = service == "vim25" and name[:1].isdigit()
        self.vmodl, self.name, self.parents = vmodl, (name if public else ""), set()


class Model:
    def __init__(self):
        self.versions, self.types, self.by_vmodl = {}, {}, {}

    def add(self, t):
        assert t.name not in self.types, t.name
        self.types[t.name] = self.by_vmodl[t.vmodl] = t

    def data(self):
        return [t for t in self.types.values() if t.kind == "data"]

    def chain(self, t):
        """The type's ancestry, the topmost first."""
        out = []
        while t:
            out.insert(0, t)
            t = self.types.get(t.base)
        return out

    def knows(self, server, version):
        """Whether a server speaking `server` (a version's vmodl name) knows things that came with `version`."""
        return version in self.versions[server].parents

    def required(self, owner, field):
        return not field.flags & F_OPTIONAL and field.version == owner.version

    def wire(self, vmodl):
        if vmodl == "vmodl.MethodFault":
            return "LocalizedMethodFault"
        return SCALAR_OF.get(vmodl) or self.by_vmodl[vmodl].name


def _value(node):
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return CONSTANTS[node.id]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _value(node.left) | _value(node.right)
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(x) for x in node.elts]
    raise ValueError("unexpected expression in a table: " + ast.dump(node))


def _calls(path):
    with open(path, encoding="utf-8") as f:
        tree = ast.parse(f.read())
    for statement in tree.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            call = statement.value
            if isinstance(call.func, ast.Name):
                yield call.func.id, [_value(a) for a in call.args]


def _by_hand(model):
    v0, v1 = "vmodl.version.version0", "vmodl.version.version1"
    model.add(Type("data", "vmodl.MethodFault", "MethodFault", "vmodl.DynamicData", v0, [
        Field("faultCause", "vmodl.MethodFault", v1, F_OPTIONAL),
        Field("faultMessage", "vmodl.LocalizableMessage[]", v1, F_OPTIONAL)]))
    model.add(Type("data", "vmodl.RuntimeFault", "RuntimeFault", "vmodl.MethodFault", v0))
    fault = Field("fault", "vmodl.MethodFault", v0, 0)
    fault.type = "MethodFault"
    model.add(Type("data", "vmodl.LocalizedMethodFault", "LocalizedMethodFault", "vmodl.DynamicData", v0, [
        fault, Field("localizedMessage", "string", v0, F_OPTIONAL)]))


def _settle(model):
    for t in model.types.values():
        base = model.by_vmodl.get(t.base_vmodl)
        t.base = base.name if base else None
        if base:
            base.extended = True
        fields = t.fields + [p for m in t.methods for p in m.params] + [m.result for m in t.methods]
        for field in fields:
            field.type = field.type or model.wire(field.vmodl)
        for method in t.methods:
            method.faults = [model.by_vmodl[f].name for f in method.faults_vmodl]
            if method.task_result:
                array = method.task_result.endswith("[]")
                method.task_result = model.wire(method.task_result.removesuffix("[]"))
                method.task_result = ("ArrayOf" + method.task_result) if array else method.task_result
    for t in model.data():
        t.fault = any(a.name == "MethodFault" for a in model.chain(t))
        t.abstract = t.extended and (not t.fields or t.name in ABSTRACT_WITH_FIELDS)
    named = {"%s.%s" % (owner.name, field.name): field for t in model.types.values()
             for owner, fields in [(t, t.fields)] + [(m, m.params) for m in t.methods] for field in fields}
    for name in ALSO_SECRET:
        named[name].flags |= F_SECRET
    unknown = ABSTRACT_WITH_FIELDS - {t.name for t in model.data() if t.extended}
    assert not unknown, unknown


def load(package):
    """Reads the tables in `package` (the folder of pyVmomi)."""
    model = Model()
    for table in TABLES:
        for call, args in _calls(os.path.join(package, "_typeinfo_%s.py" % table)):
            if call == "AddVersion":
                model.versions.setdefault(args[0], Version(args[0], args[1], args[2]))
            elif call == "AddVersionParent":
                model.versions[args[0]].parents.add(args[1])
            elif call == "CreateDataType":
                vmodl, name, base, version, fields = args
                rows = [] if name == "DynamicData" else [Field(*f) for f in fields or []]
                model.add(Type("data", vmodl, name, base, version, rows))
                if name == "DynamicData":
                    _by_hand(model)
            elif call == "CreateEnumType":
                vmodl, name, version, values = args
                model.add(Type("enum", vmodl, name, None, version, values=values))
            elif call == "CreateManagedType":
                vmodl, name, base, version, properties, methods = args
                t = Type("managed", vmodl, name, base, version, [Field(*p) for p in properties or []])
                t.methods = [Method(m, name) for m in methods or []]
                model.add(t)
    _settle(model)
    # The ids that servers advertise, oldest first: ancestry grows with age.
    order = sorted(model.versions.values(), key=lambda v: (len(v.parents), v.vmodl))
    model.versions = {v.vmodl: v for v in order}
    return model
