package guest

// media.go creates the media that come with the fleet: small operating-system ISOs whose
// files describe what they are, the Tools ISO, and complete answer media as examples. They are
// real ISO 9660 images; the installers read them back byte by byte.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"gpupt.test/vcenter/internal/iso"
)

// DefaultTools is the Tools version that ESXi 8.0 U3 carries.
const DefaultTools = "12.4.0"

var stamp = time.Date(2024, 6, 25, 12, 0, 0, 0, time.UTC)

// OSMedium creates an installation ISO: windows, windows-11, ubuntu; with "-prompt" (Windows: "Press any key to boot
// from CD", for this many seconds, 0 as many as it really is), "-stock" (Ubuntu as it is published: no autoinstall word
// on the kernel line; the installer runs open-vm-tools itself) or "-live" (Ubuntu with the word).
func OSMedium(os, version string, prompt int) ([]byte, error) {
	family, variant, _ := strings.Cut(os, "-")
	switch family {
	case "windows":
		loader := "bootx64.efi: efisys_noprompt"
		if variant == "prompt" {
			if prompt == 0 {
				prompt = 5
			}
			loader = "bootx64.efi: efisys\nPress any key to boot from CD or DVD" + strings.Repeat(".", prompt)
		}
		images := []string{"Windows Server 2022 SERVERSTANDARDCORE", "Windows Server 2022 SERVERSTANDARD",
			"Windows Server 2022 SERVERDATACENTERCORE", "Windows Server 2022 SERVERDATACENTER"}
		build := "10.0.20348.587"
		if variant == "11" || version == "11" {
			images, build = []string{"Windows 11 Pro", "Windows 11 Enterprise"}, "10.0.22621.1702"
		}
		var wim strings.Builder
		wim.WriteString("<WIM>\n")
		for i, n := range images {
			fmt.Fprintf(&wim, "<IMAGE INDEX=\"%d\"><NAME>%s</NAME><BUILD>%s</BUILD></IMAGE>\n", i+1, n, build)
		}
		wim.WriteString("</WIM>\n")
		list := wimFile(wim.String(), len(images))
		return iso.Write("SSS_X64FREE_EN-US_DV9", map[string][]byte{
			"setup.exe": []byte("Windows Setup\n"), "bootmgr": []byte("bootmgr\n"),
			"efi/boot/bootx64.efi": []byte(loader + "\n"), "boot/etfsboot.com": []byte("etfsboot\n"),
			"sources/boot.wim": []byte("Windows PE\n"), "sources/install.wim": list,
		}, stamp)
	case "ubuntu":
		if version == "" {
			version = "24.04.1"
		}
		word := " autoinstall"
		if variant == "stock" {
			word = ""
		}
		files := map[string][]byte{
			".disk/info":           []byte("Ubuntu-Server " + version + " LTS \"Noble Numbat\" - Release amd64 (20240827)"),
			"boot/grub/grub.cfg":   []byte("set timeout=5\nmenuentry \"Try or Install Ubuntu Server\" {\n\tlinux\t/casper/vmlinuz" + word + " ---\n\tinitrd\t/casper/initrd\n}\n"),
			"EFI/boot/bootx64.efi": []byte("shim\n"), "casper/vmlinuz": []byte("Linux 6.8.0-41-generic\n"),
			"casper/initrd": []byte("initrd\n"), "casper/install-sources.yaml": []byte("- id: ubuntu-server\n  default: true\n"),
			"pool/main/o/open-vm-tools/open-vm-tools_12.3.5-5ubuntu3_amd64.deb": []byte("open-vm-tools 12.3.5\n"),
		}
		if variant == "live" || variant == "stock" {
			files["casper/ubuntu-server-minimal.manifest"] = []byte("open-vm-tools\t2:12.3.5-5ubuntu3\n")
		}
		return iso.Write("Ubuntu-Server "+version+" LTS amd64", files, stamp)
	}
	if family == "rocky" {
		return iso.Write("Rocky-9-4-x86_64-dvd", map[string][]byte{
			".treeinfo": []byte("[general]\nname = Rocky Linux 9.4\n"), "EFI/BOOT/BOOTX64.EFI": []byte("shim\n"),
			"images/pxeboot/vmlinuz": []byte("Linux\n"), "images/install.img": []byte("anaconda\n"),
			"BaseOS/repodata/repomd.xml": []byte("<repomd/>\n"), "AppStream/repodata/repomd.xml": []byte("<repomd/>\n"),
		}, stamp)
	}
	return nil, fmt.Errorf("there is no medium for the operating system %q", os)
}

// ToolsMedium is windows.iso of VMware Tools.
func ToolsMedium(version string) ([]byte, error) {
	if version == "" {
		version = DefaultTools
	}
	n, err := ToolsNumber(version)
	if err != nil {
		return nil, err
	}
	return iso.Write("VMware Tools", toolsPackage(version, n), stamp)
}

// toolsPackage is the content of the Tools medium.
func toolsPackage(version string, n int) map[string][]byte {
	files := map[string][]byte{
		"setup.exe":    []byte("VMware Tools " + version + "\n"),
		"manifest.txt": []byte(fmt.Sprintf("monolithic.version = \"%s\"\nversion.number = \"%d\"\n", version, n)),
		"autorun.inf":  []byte("[autorun]\nopen=setup.exe\n"),
		"Program Files/VMware/VMware Tools/Drivers/pvscsi/Win8/amd64/pvscsi.inf": []byte("[Version]\n"),
	}
	if n < 12<<10|5<<5 {
		files["setup64.exe"] = files["setup.exe"]
		files["setup.exe"] = []byte("VMware Tools " + version + " (32 bit)\n")
	}
	return files
}

// ToolsNumber is guest.toolsVersion for "12.3.5": 12389.
func ToolsNumber(version string) (int, error) {
	p := strings.Split(version, ".")
	if len(p) != 3 {
		return 0, fmt.Errorf("%q is not a Tools version", version)
	}
	n := 0
	for i, shift := range []int{10, 5, 0} {
		v, err := strconv.Atoi(p[i])
		if err != nil {
			return 0, fmt.Errorf("%q is not a Tools version", version)
		}
		n += v << shift
	}
	return n, nil
}

// bootable says which system a medium boots ("" none).
func bootable(i *iso.Image) string {
	if i == nil {
		return ""
	}
	if i.Find("sources/install.wim") != nil && i.Find("efi/boot/bootx64.efi") != nil {
		return "windows"
	}
	if i.Find("casper/vmlinuz") != nil && i.Find("boot/grub/grub.cfg") != nil {
		return "ubuntu"
	}
	if i.Find("BaseOS/repodata/repomd.xml") != nil && i.Find("images/pxeboot/vmlinuz") != nil {
		return "rocky"
	}
	return ""
}

// wimFile is a Windows image without its files: the header, and the XML in UTF-16 that lists the editions.
func wimFile(xml string, images int) []byte {
	var text bytes.Buffer
	for _, u := range append([]uint16{0xfeff}, utf16.Encode([]rune(xml))...) {
		text.Write([]byte{byte(u), byte(u >> 8)})
	}
	header := make([]byte, 208)
	copy(header, "MSWIM")
	le := binary.LittleEndian
	le.PutUint32(header[8:], 208)
	le.PutUint32(header[12:], 0x10d00)
	le.PutUint16(header[40:], 1)
	le.PutUint16(header[42:], 1)
	le.PutUint32(header[44:], uint32(images))
	le.PutUint64(header[72:], uint64(text.Len())|2<<56) // size in 7 bytes, then flags: metadata
	le.PutUint64(header[80:], 208)
	le.PutUint64(header[88:], uint64(text.Len()))
	return append(header, text.Bytes()...)
}

// wimXML is the list of editions of such a file, as UTF-8; nil for anything else.
func wimXML(b []byte) []byte {
	if len(b) < 208 || string(b[:8]) != "MSWIM\x00\x00\x00" {
		return nil
	}
	le := binary.LittleEndian
	size, at := le.Uint64(b[72:])&(1<<56-1), le.Uint64(b[80:])
	if at > uint64(len(b)) || size > uint64(len(b))-at {
		return nil
	}
	var u []uint16
	for i := at; i+1 < at+size; i += 2 {
		u = append(u, le.Uint16(b[i:]))
	}
	return []byte(string(utf16.Decode(u)))
}

var imageLine = regexp.MustCompile(`<IMAGE INDEX="(\d+)"><NAME>([^<]*)</NAME>`)

// images lists the editions in install.wim.
func images(i *iso.Image) (names []string) {
	e := i.Find("sources/install.wim")
	if e == nil {
		return nil
	}
	b, err := i.Read(e, 1<<20)
	if err != nil {
		return nil
	}
	if b = wimXML(b); b == nil {
		return nil
	}
	for _, m := range imageLine.FindAllStringSubmatch(string(b), -1) {
		names = append(names, m[2])
	}
	return names
}

// AnswerMedium creates a complete answer medium of the fleet itself.
func AnswerMedium(kind, user, password string) ([]byte, error) {
	switch kind {
	case "windows-answer":
		// the label is free for Setup; as "VMware Tools" the medium brings Tools along
		n, err := ToolsNumber(DefaultTools)
		if err != nil {
			return nil, err
		}
		files := toolsPackage(DefaultTools, n)
		files["autounattend.xml"] = []byte(WindowsAnswer(password))
		return iso.Write("VMware Tools", files, stamp)
	case "ubuntu-answer":
		return iso.Write("CIDATA", map[string][]byte{"meta-data": []byte("instance-id: iid-1\n"),
			"user-data": []byte(UbuntuAnswer(user, password))}, stamp)
	case "tools":
		return ToolsMedium("")
	}
	return nil, fmt.Errorf("no built-in medium is called %q", kind)
}

// WindowsAnswer is a whole autounattend.xml.
func WindowsAnswer(password string) string {
	return strings.ReplaceAll(windowsAnswer, "@PASSWORD@", password)
}

// UbuntuAnswer is a whole user-data.
func UbuntuAnswer(user, password string) string {
	return "#cloud-config\nautoinstall:\n  version: 1\n  identity:\n    hostname: train\n    username: " + user +
		"\n    password: \"" + Crypt(password, "$6$exampleSalt") + "\"\n  storage:\n    layout:\n      name: lvm\n" +
		"  packages:\n    - open-vm-tools\n"
}

const windowsAnswer = `<?xml version="1.0" encoding="utf-8"?>
<unattend xmlns="urn:schemas-microsoft-com:unattend" xmlns:wcm="http://schemas.microsoft.com/WMIConfig/2002/State">
  <settings pass="windowsPE">
    <component name="Microsoft-Windows-International-Core-WinPE" processorArchitecture="amd64">
      <SetupUILanguage><UILanguage>en-US</UILanguage></SetupUILanguage>
      <UILanguage>en-US</UILanguage>
    </component>
    <component name="Microsoft-Windows-Setup" processorArchitecture="amd64">
      <DiskConfiguration>
        <Disk wcm:action="add">
          <DiskID>0</DiskID><WillWipeDisk>true</WillWipeDisk>
          <CreatePartitions>
            <CreatePartition wcm:action="add"><Order>1</Order><Type>EFI</Type><Size>260</Size></CreatePartition>
            <CreatePartition wcm:action="add"><Order>2</Order><Type>MSR</Type><Size>16</Size></CreatePartition>
            <CreatePartition wcm:action="add"><Order>3</Order><Type>Primary</Type><Extend>true</Extend></CreatePartition>
          </CreatePartitions>
          <ModifyPartitions>
            <ModifyPartition wcm:action="add"><Order>1</Order><PartitionID>1</PartitionID><Format>FAT32</Format></ModifyPartition>
            <ModifyPartition wcm:action="add"><Order>2</Order><PartitionID>3</PartitionID><Format>NTFS</Format><Letter>C</Letter></ModifyPartition>
          </ModifyPartitions>
        </Disk>
      </DiskConfiguration>
      <ImageInstall><OSImage>
        <InstallFrom><MetaData wcm:action="add"><Key>/IMAGE/INDEX</Key><Value>2</Value></MetaData></InstallFrom>
        <InstallTo><DiskID>0</DiskID><PartitionID>3</PartitionID></InstallTo>
      </OSImage></ImageInstall>
      <UserData><AcceptEula>true</AcceptEula></UserData>
    </component>
  </settings>
  <settings pass="oobeSystem">
    <component name="Microsoft-Windows-Shell-Setup" processorArchitecture="amd64">
      <UserAccounts><AdministratorPassword><Value>@PASSWORD@</Value><PlainText>true</PlainText></AdministratorPassword></UserAccounts>
      <AutoLogon><Enabled>true</Enabled><LogonCount>1</LogonCount><Username>Administrator</Username>
        <Password><Value>@PASSWORD@</Value><PlainText>true</PlainText></Password></AutoLogon>
      <FirstLogonCommands>
        <SynchronousCommand wcm:action="add"><Order>1</Order>
          <CommandLine>powershell.exe -NoProfile -Command "$v = Get-Volume | Where-Object { $_.FileSystemLabel -eq 'VMware Tools' }; Start-Process -Wait -FilePath ($v.DriveLetter + ':\setup64.exe') -ArgumentList '/S /v\&quot;/qn REBOOT=R\&quot;'"</CommandLine>
        </SynchronousCommand>
      </FirstLogonCommands>
    </component>
  </settings>
</unattend>
`
