package guest

import "gpupt.test/vcenter/internal/rules"

func rule(id, sure, as, source, text string) string {
	return rules.Add(rules.Rule{ID: id, Sure: sure, As: as, Source: source, Text: text})
}

// What installers, guests and drivers do.
var (
	_ = rule("install.nothing-boots", "documented", "real", "VM firmware", "With a blank disk and no bootable medium there is no guest, and there are no guest operations.")
	_ = rule("install.firmware-fits", "documented", "real", "vSphere docs: firmware of an installed guest", "A system installed under EFI does not start under BIOS, and the reverse.")
	_ = rule("install.disk-full", "documented", "real", "Windows system error 112 as 0x80070070 (ERROR_DISK_FULL); errno ENOSPC; the sizes are this server's own: 12 GB for Windows, 8 for Ubuntu", "An installation that does not fit on the disk has filled it when it stops.")
	_ = rule("install.windows-key", "documented", "real", "Windows ADK: efisys.bin and efisys_noprompt.bin; hashicorp/packer issue 10653 (EFI: then the firmware's boot manager; Enter starts Setup); that it is five seconds is from memory",
		"A stock Windows medium boots only if a key is pressed while it shows \"Press any key to boot from CD or DVD\"; keys before and after have no effect.")
	_ = rule("install.windows-answer", "documented", "real", "Windows Setup: implicit answer file search order", "autounattend.xml is in the root of a medium, under a name that Windows reads (Joliet or plain ISO 9660, not Rock Ridge), is well formed and of the unattend namespace; components are for amd64.")
	_ = rule("install.windows-language", "documented", "real", "unattend reference: International-Core-WinPE UILanguage", "Setup asks for the language without UILanguage.")
	_ = rule("install.windows-disk", "documented", "real", "Microsoft: configure UEFI/GPT-based hard drive partitions",
		"On EFI the layout has an EFI partition of 100 MB, an MSR and a primary partition; the disk is wiped; BIOS has neither ESP nor MSR.")
	_ = rule("install.windows-target", "documented", "real", "unattend reference: ImageInstall InstallTo", "InstallTo names the primary partition of disk 0.")
	_ = rule("install.windows-image", "documented", "real", "unattend reference: InstallFrom MetaData", "Setup asks for the edition without MetaData or a product key, and stops at an image that install.wim does not have.")
	_ = rule("install.windows-eula", "documented", "real", "unattend reference: UserData AcceptEula", "Without AcceptEula Setup asks for the licence.")
	_ = rule("install.windows-account", "documented", "real", "unattend reference: UserAccounts, AutoLogon", "The first start asks for a password; an AutoLogon with another password fails.")
	_ = rule("install.windows-pvscsi", "documented", "real", "KB 1010398: PVSCSI boot device needs its driver", "Windows Setup has no driver for the paravirtual SCSI controller.")
	_ = rule("install.windows-tools", "documented", "real", "unattend reference: FirstLogonCommands run at the first logon",
		"Tools are installed by a command that finds the installer of the medium; without AutoLogon the command never runs; without Tools there are no guest operations.")
	_ = rule("install.windows-first-logon", "documented", "real", "unattend reference: FirstLogonCommands/SynchronousCommand/Order (\"all commands using these unattend settings are now started at the same time\")",
		"The commands of the first logon start at the same time; one that needs another must wait for it.")
	_ = rule("install.ubuntu-seed", "documented", "real", "cloud-init NoCloud: file system labelled CIDATA with user-data and meta-data", "The seed medium is labelled CIDATA or cidata and has user-data and meta-data, in lower case.")
	_ = rule("install.ubuntu-config", "documented", "real", "Ubuntu autoinstall reference", "user-data begins with #cloud-config, is YAML, and has autoinstall with version 1 and known keys.")
	_ = rule("install.ubuntu-word", "documented", "real", "Ubuntu autoinstall docs: the word autoinstall on the kernel command line", "Without the word autoinstall the installer asks for confirmation, again and again until the line is yes (canonical/subiquity pull request 661).")
	_ = rule("install.grub-keys", "documented", "real", "GRUB manual: The menu interface, timeout", "In GRUB's menu Enter starts the entry, any other key ends the countdown, e and c leave the menu.")
	_ = rule("install.ubuntu-identity", "documented", "real", "Ubuntu autoinstall reference: identity", "An identity (or user-data users) is needed; its password is a crypt hash: with plain text no login is possible.")
	_ = rule("install.ubuntu-storage", "documented", "real", "Ubuntu autoinstall reference: storage", "The layout is a known one; a config mounts / and, on EFI, /boot/efi on a boot partition.")
	_ = rule("install.ubuntu-interactive", "documented", "real", "Ubuntu autoinstall reference: interactive-sections", "With interactive-sections the installer waits for input.")
	_ = rule("install.ubuntu-commands", "documented", "real", "Ubuntu autoinstall reference: late-commands", "A late command that fails, or a package that does not exist, stops the installation.")
	_ = rule("install.ubuntu-tools", "documented", "real", "KB 2073803: open-vm-tools", "Without open-vm-tools there are no guest operations.")
	_ = rule("install.ubuntu-live-tools", "seen", "real", "vmware/packer-plugin-vsphere#127 (2021-11: Packer gets the address of Ubuntu's live installer, and stays with it after the restart); the installer's host name from memory",
		"Where the installer itself runs open-vm-tools (the media with -live), vSphere shows running Tools, guest operations and an address during the installation; the host name is the installer's, and no account of the answers exists yet.")
	_ = rule("install.kickstart", "documented", "real", "Red Hat: Making a Kickstart file available on a local volume for automatic loading (OEMDRV, ks.cfg); Kickstart commands and options reference (what is required, reboot, %end)",
		"Anaconda loads /ks.cfg of a volume labelled OEMDRV; an unknown command or a section without %end is refused; without language, keyboard, time zone, packages, an account or a partition for / it waits, without reboot it waits at the end; EFI needs /boot/efi.")
	_ = rule("tools.feature-names", "seen", "real", "ivobeerens.nl 2022-04-14: REMOVE=AppDefense with Tools 12 is MSI error 2711", "A feature name that the version does not have exits with 1603, with 2711 in the MSI log; names are case-sensitive.")
	_ = rule("tools.medium", "seen", "real", "vmware-samples/packer-examples-for-vsphere issue 997 (2025-01): a medium of 13.0.1 has setup.exe alone, as has 12.5.3 of Workstation 17.6.4, the older ones setup64.exe and setup.exe; that ProductName and ProductVersion of the file tell product and version is from memory",
		"The installer on the Tools medium is setup64.exe, with setup.exe for 32-bit Windows, before Tools 12.5, and setup.exe since; its version resource has the product VMware Tools and the version.")
	_ = rule("tools.exit-codes", "documented", "real", "VMware Tools docs; Windows Installer error codes", "The exit code is 0, 3010 where a restart is pending, 1641 where it has started (no REBOOT=R), 1618 while another installation runs, 1639 for an invalid command line.")
	_ = rule("tools.quiet", "documented", "real", "VMware Tools docs: /S /v\"/qn ...\"", "Without /S for the launcher and /qn inside /v the installer waits in a dialog.")
	_ = rule("tools.restart", "documented", "real", "VMware Tools docs", "An installation restarts Tools: guest operations are unavailable for a while and ended programs are forgotten.")
	_ = rule("tools.stages", "documented", "real", "API reference: VirtualMachineToolsRunningStatus, guest.guestOperationsReady, guestHeartbeatStatus, guest.ipAddress",
		"After a start Tools first run their scripts, then run, then take guest operations, then report the addresses; heartbeats are grey until they run; a restart starts again from the beginning.")
	_ = rule("tools.version-status", "documented", "real", "API reference: VirtualMachineToolsVersionStatus; version number 12389 is 12.3.5", "toolsVersionStatus2 distinguishes Tools that are older than, equal to or newer than the host's; toolsStatus and toolsVersionStatus report the same with older enumerations.")
	_ = rule("tools.horizon-agent", "memory", "inferred", "Horizon docs: install Tools before the agent; silent installation properties (VDM_VC_MANAGED_AGENT, VDM_SERVER_*); vmware-samples/packer-examples-for-vsphere, ADDLOCAL Feature Reference (2603); scripts/windows/horizon/agent.ps1 of charkssmith/packer-examples-for-vsphere (2306)",
		"The Horizon Agent's installer is a launcher around an MSI as Tools' is: feature names depend on the release and are case-sensitive (1603 with 2711), Core is required and brings its children; 3010 or 1641, 1605, 1618; it requires Tools first, its service runs after the restart; an unmanaged agent registers with server, user and password.")
	_ = rule("tools.horizon-registry", "seen", "real", "ivobeerens.nl 2019-09-30 (VMware's key); scripts of Horizon users (Omnissa's); an Uninstall entry as of any MSI",
		"The Horizon Agent's installer writes each feature with Local or Absent below Installer\\Features_HorizonAgent of its vendor's key, and an Uninstall entry with its name and version.")
	_ = rule("tools.product", "documented", "real", "Microsoft, Windows Installer error codes: 1605 ERROR_UNKNOWN_PRODUCT, 1619, 1639; the product code is under Uninstall in the registry",
		"msiexec /x and /f take the code of the installed product, or its package: the code of another product is 1605, a missing package 1619, neither of them 1639; nothing is removed then.")
	_ = rule("windows.msi-objects", "documented", "real", "learn.microsoft.com: Windows Installer automation interface (Installer.OpenDatabase, Database.OpenView, View.Fetch, Record.StringData, Installer.Features, FeatureState)",
		"New-Object -ComObject WindowsInstaller.Installer opens a package read-only and answers SELECT `Feature` FROM `Feature`; it lists installed products, their features and INSTALLSTATE (3 local, 2 absent, -1 unknown).")
	_ = rule("windows.msi-log", "seen", "real", "blog.ntitta.in (a verbose log of Tools); learn.microsoft.com: Logging of Action Return Values; the German words from memory",
		"A verbose log is UTF-16 with a byte-order mark; an action that failed ends with 3, INSTALL last; the words are the system's language, the engine's own notes (Feature: X; Installed: ...; Action: ..., MainEngineThread) are not.")
	_ = rule("windows.constrained", "documented", "real", "learn.microsoft.com: about_Language_Modes, ConstrainedLanguage",
		"In ConstrainedLanguage cmdlets run and properties are read, but New-Object makes no COM object and methods are called on core types only.")
	_ = rule("tools.manifest", "seen", "real", "a Tools medium 12.5.3 of Workstation 17.6.4: setup.exe, manifest.txt (monolithic.version = \"12.5.3\"), no setup64.exe",
		"The Tools medium has a manifest.txt with the version; its installer unpacks the .msi with /A /P DIR.")
	_ = rule("driver.code-12", "seen", "real", "ReBarUEFI #381; KB 323402", "A device whose BAR has no address is Code 12 in Windows, and `BAR1 is 0M` for the Linux driver.")
	_ = rule("driver.code-28", "documented", "real", "Microsoft, Device Manager error messages: Code 28, CM_PROB_FAILED_INSTALL (\"The drivers for this device are not installed\"); that a VGA device without one gets the Microsoft Basic Display Adapter: public guides", "A device without a driver is Code 28; a VGA device gets the basic display adapter.")
	_ = rule("driver.code-43", "seen", "real", "NVIDIA R465 release notes: GeForce passthrough", "A GeForce with a driver before 465 is Code 43 unless hypervisor.cpuid.v0 is FALSE.")
	_ = rule("driver.nouveau", "seen", "real", "NVRM: The NVIDIA probe routine was not called for N device(s)", "While nouveau is bound to a card the NVIDIA driver does not take it; a blacklist takes effect after update-initramfs and a restart.")
	_ = rule("driver.release", "documented", "real", "NVIDIA driver README: supported products, legacy GPUs; open-gpu-kernel-modules README: Turing and later; negativo17/nvidia-driver#158 (the log's words)",
		"A driver supports certain families: not cards newer than its release, not those dropped since; the open kernel modules need Turing or later, Blackwell needs the open ones. In Windows its installer finds no hardware, and the device stays Code 28.")
	_ = rule("driver.signature", "documented", "real", "Ubuntu wiki: SecurityTeam/SecureBoot; linux-modules-nvidia packages", "With Secure Boot a kernel module built in the guest (DKMS, .run) is rejected; the distribution's signed ones load.")
	_ = rule("driver.run-file", "documented", "real", "NVIDIA driver README: installing the driver; nvidia-installer's messages", "NVIDIA's .run needs root, --silent, no nouveau, a compiler and the headers of the running kernel; it writes /var/log/nvidia-installer.log.")
	_ = rule("guest.apt-lock", "seen", "real", "apt: Could not get lock /var/lib/dpkg/lock-frontend, right after a first boot (unattended-upgrades)", "Two apt processes do not run at once: the second exits with 100, unless DPkg::Lock::Timeout lets it wait.")
	_ = rule("guest.dnf", "documented", "real", "dnf(8): EXIT STATUS, --assumeyes, --disablerepo; its messages from public reports", "dnf needs root and -y, waits for the lock, and ends with 1 for a package that no repository has (Unable to find a match).")
	_ = rule("guest.zypper", "documented", "real", "zypper(8): EXIT CODES 4, 5, 7, 104, 106; --non-interactive, --no-remote, --allow-unsigned-rpm", "zypper needs root (5) and --non-interactive (it asks otherwise), does not wait for a lock (7), and ends with 104 for an unknown package.")
	_ = rule("guest.apk", "seen", "real", "apk-tools: Unable to lock database; unable to select packages; hashicorp packer docs and others: open-vm-tools-plugins-all has the guest operations", "apk needs root (99), asks nothing, ends with 1 for an unknown package; Alpine has OpenRC and no bash; its guest operations are in open-vm-tools-plugins-all.")
	_ = rule("guest.rpm", "documented", "real", "rpm(8): query; the exit status is the number of packages that are not installed", "rpm -q prints the packages by a format and ends with the number of those that are not installed.")
	_ = rule("driver.dkms", "seen", "real", "NVIDIA/open-gpu-kernel-modules issue 526 (dkms status: nvidia/390.157: added, after a failed build; the path of make.log); pop-os/pop issue 3811 (dpkg fails with it); that dnf and zypper end with 0 is from memory",
		"DKMS builds a package's modules for the running kernel; a build that fails leaves them added, with make.log; apt-get ends with 100, dnf with 0.")
	_ = rule("driver.dkms-amd", "seen", "real", "ROCm/amdgpu issue 192 (amdgpu-dkms 1:6.12.12.60401-2164967.24.04: /var/lib/dkms/amdgpu/6.12.12-2164967.24.04/build/make.log, dpkg: exit status 10); ROCm/legacy-rocm-build issue 5624 (dkms status: installed (Original modules exist))",
		"amdgpu-dkms builds its modules as amdgpu/VERSION in DKMS; apt-get ends with 100 when that fails, and the kernel's own amdgpu, which has no version, stays.")
	_ = rule("driver.dkms-intel", "seen", "real", "intel-gpu/intel-gpu-i915-backports issue 207 (intel-i915-dkms on Ubuntu 24.04: /var/lib/dkms/intel-i915-dkms/1.24.6.12.240823.13/build/make.log)",
		"intel-i915-dkms builds its modules under its own name in DKMS; apt-get ends with 100 when that fails, and no driver runs the card.")
	_ = rule("driver.intel", "memory", "inferred", "Intel's guide for Data Center GPU Flex on Ubuntu (package intel-i915-dkms, then a restart); that nothing runs the card before is from memory",
		"A Flex card has no driver until intel-i915-dkms is installed and the guest restarted; i915 runs it then.")
	_ = rule("driver.fabric", "seen", "real", "nv-fabricmanager's message in many public reports: ... GPU driver interface version 550.127.05 don't match with driver version 550.120; NV_WARN_NOTHING_TO_DO without NVSwitches", "Fabric Manager starts only with NVSwitches in the guest and a loaded driver of exactly its own version.")
	_ = rule("windows.pnputil", "documented", "real", "learn.microsoft.com: PnPUtil command syntax and return values", "pnputil /add-driver PATTERN takes /subdirs and /install; 2 without a file, 5 without rights, 87 for other options, 259 when no device matched.")
	_ = rule("windows.certutil", "documented", "real", "learn.microsoft.com: certutil, -hashfile (default SHA1); its three lines are in many public reports; the German lines are from memory",
		"certutil -hashfile FILE [SHA256] prints a line with the file, the digits, and a line that says so; 0x80070002 for a missing file.")
	_ = rule("windows.enum-devices", "seen", "real", "openzfsonwindows/openzfs issue 392 (its output); learn.microsoft.com: PnPUtil command syntax (/enum-devices since 1903); the German labels are from memory",
		"pnputil /enum-devices lists the devices with id, class, problem code and published driver name, with labels in the system's language.")
	_ = rule("driver.power-on", "documented", "real", "PCI enumeration at boot", "lspci, PnP and nvidia-smi show the devices of this power-on.")
	_ = rule("guest.os-programs", "documented", "real", "operating systems", "A Linux guest has no PowerShell, a Windows guest no lspci.")
	_ = rule("guest.rights", "documented", "real", "Linux: kernel.dmesg_restrict, sudo", "dmesg, modprobe and apt-get need root; sudo asks for the password unless the account is exempt.")
)
