#!/usr/bin/env python3
"""Stand-ins for the images that govc's test suite downloads: usage: images.py FOLDER. They are an OVF with one disk (and,
in the -live one, an ISO), the same as OVA, an empty sparse disk, an ISO and a floppy of zeroes: no test starts them."""
import hashlib, io, os, struct, sys, tarfile

folder, name = sys.argv[1], "ttylinux-pc_i486-16.1"
SECTORS = 30 * 2048  # 30 MiB


def vmdk():
    """A stream-optimized sparse disk without data: header, descriptor, empty grain directory, footer, end of stream."""
    text = ('# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="streamOptimized"\n\n'
            '# Extent description\nRDONLY %d SPARSE "%s-disk1.vmdk"\n\n# The Disk Data Base\nddb.adapterType = "ide"\n'
            'ddb.geometry.cylinders = "60"\nddb.geometry.heads = "16"\nddb.geometry.sectors = "63"\nddb.virtualHWVersion = "8"\n' % (SECTORS, name))
    head = lambda gd: struct.pack("<4sIIQQQQIQQQB4sH433x", b"KDMV", 3, 0x30001, SECTORS, 128, 1, 20, 512, 0, gd, 128, 0, b"\n \r\n", 1)
    marker = lambda size, kind: struct.pack("<QII496x", size, 0, kind)
    body = head(0xffffffffffffffff) + text.encode().ljust(20 * 512, b"\0")
    body = body.ljust(128 * 512, b"\0")
    at = len(body) // 512 + 1
    return body + marker(1, 2) + bytes(512) + marker(1, 3) + head(at) + bytes(512)


def ovf(live):
    files = '<File ovf:href="%s-disk1.vmdk" ovf:id="file1" ovf:size="%d"/>' % (name, len(disk))
    cdrom = '<Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>' \
        '<rasd:ElementName>CD-ROM 1</rasd:ElementName>%s<rasd:InstanceID>6</rasd:InstanceID><rasd:Parent>4</rasd:Parent><rasd:ResourceType>15</rasd:ResourceType></Item>'
    if live:
        files += '<File ovf:href="_deviceImage0.iso" ovf:id="file2" ovf:size="%d"/>' % len(iso)
    return '''<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:vmw="http://www.vmware.com/schema/ovf" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
  <References>%s</References>
  <DiskSection><Info>Virtual disks</Info><Disk ovf:capacity="30" ovf:capacityAllocationUnits="byte * 2^20" ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/></DiskSection>
  <NetworkSection><Info>Networks</Info><Network ovf:name="nat"><Description>The nat network</Description></Network></NetworkSection>
  <VirtualSystem ovf:id="%s"><Info>A virtual machine</Info><Name>%s</Name>
    <OperatingSystemSection ovf:id="36" vmw:osType="otherLinuxGuest"><Info>The guest</Info></OperatingSystemSection>
    <VirtualHardwareSection><Info>Virtual hardware</Info>
      <System><vssd:ElementName>Virtual Hardware Family</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID><vssd:VirtualSystemIdentifier>%s</vssd:VirtualSystemIdentifier><vssd:VirtualSystemType>vmx-09</vssd:VirtualSystemType></System>
      <Item><rasd:AllocationUnits>hertz * 10^6</rasd:AllocationUnits><rasd:ElementName>1 virtual CPU(s)</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
      <Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:ElementName>32MB of memory</rasd:ElementName><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>32</rasd:VirtualQuantity></Item>
      <Item><rasd:Address>1</rasd:Address><rasd:ElementName>VirtualIDEController 1</rasd:ElementName><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceType>5</rasd:ResourceType></Item>
      <Item><rasd:Address>0</rasd:Address><rasd:ElementName>VirtualIDEController 0</rasd:ElementName><rasd:InstanceID>4</rasd:InstanceID><rasd:ResourceType>5</rasd:ResourceType></Item>
      <Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:ElementName>Hard Disk 1</rasd:ElementName><rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource><rasd:InstanceID>5</rasd:InstanceID><rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
      %s
      <Item><rasd:AddressOnParent>7</rasd:AddressOnParent><rasd:AutomaticAllocation>true</rasd:AutomaticAllocation><rasd:Connection>nat</rasd:Connection><rasd:ElementName>Ethernet 1</rasd:ElementName><rasd:InstanceID>7</rasd:InstanceID><rasd:ResourceSubType>E1000</rasd:ResourceSubType><rasd:ResourceType>10</rasd:ResourceType></Item>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
''' % (files, name + "-live" * live, name + "-live" * live, name + "-live" * live, cdrom % ('<rasd:HostResource>ovf:/file/file2</rasd:HostResource>' if live else ''))


def write(file, data):
    with open(os.path.join(folder, file), "wb") as f:
        f.write(data)


def ova(file, parts):
    sums = "".join("SHA256(%s)= %s\n" % (part, hashlib.sha256(data).hexdigest()) for part, data in parts)
    parts.insert(1, (file[:-4] + ".mf", sums.encode()))
    with tarfile.open(os.path.join(folder, file), "w", format=tarfile.USTAR_FORMAT) as t:
        for part, data in parts:
            entry = tarfile.TarInfo(part)
            entry.size = len(data)
            t.addfile(entry, io.BytesIO(data))


disk, iso = vmdk(), bytes(16 * 2048) + b"\1CD001\1".ljust(2048, b"\0") + b"\xffCD001\1".ljust(2048, b"\0")
write(name + "-disk1.vmdk", disk)
write(name + ".iso", iso)
write("floppybird.img", bytes(1474560))
write(name + ".ovf", ovf(False).encode())
ova(name + ".ova", [(name + ".ovf", ovf(False).encode()), (name + "-disk1.vmdk", disk)])
ova(name + "-live.ova", [(name + "-live.ovf", ovf(True).encode()), (name + "-disk1.vmdk", disk), ("_deviceImage0.iso", iso)])
