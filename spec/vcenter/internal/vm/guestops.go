package vm

// guestops.go: GuestAuthManager, GuestFileManager and GuestProcessManager. Every call is
// checked in this order: VM running, Tools ready, credentials, then the request.

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/guest"
)

var (
	_ = rule("guest.power", "documented", "real", "API reference: InvalidPowerState of guest operations", "Guest operations need a running VM.")
	_ = rule("guest.ready", "documented", "real", "API reference: GuestOperationsUnavailable; guest.guestOperationsReady", "Guest operations need Tools that are ready; a system without Tools has no guest operations.")
	_ = rule("guest.login", "documented", "real", "API reference: InvalidGuestLogin", "Credentials must be those of an account of the guest.")
	_ = rule("guest.auth-type", "documented", "stricter: SSPI and ticketed sessions work where the guest is set up for them", "API reference: OperationNotSupportedByGuest", "Name and password are supported; SSPI and tickets are not set up here.")
	_ = rule("guest.lockout", "documented", "real", "Windows 11 22H2: Account lockout threshold 10, duration 10 minutes; security option Accounts: Limit local account use of blank passwords to console logon only",
		"After the threshold of wrong passwords the correct one is refused too, for ten minutes (Windows 11; other systems when set); a blank password is valid at the console only.")
	_ = rule("guest.switched-off", "documented", "real", "open-vm-tools tools.conf, group guestoperations: disabled; API reference: OperationDisabledByGuest", "tools.conf of the guest disables guest operations, all or single ones.")
	_ = rule("guest.old-tools", "documented", "real", "API reference: GuestComponentsOutOfDate; guest operations since vSphere API 5.0", "Tools that are too old for guest operations answer GuestComponentsOutOfDate.")
	_ = rule("guest.logons", "documented", "real", "API reference: TooManyGuestLogons", "A guest accepts a maximum number of sessions at once (no limit unless set).")
	_ = rule("guest.restarted-tools", "documented", "real", "API reference: StartProgramInGuest: exit code and end time are lost when Tools restart", "A program that runs while Tools restart goes on, but its exit code is lost: its pid is no longer listed.")
	_ = rule("guest.program", "documented", "real", "API reference: StartProgramInGuest, FileNotFound", "The program must exist in the guest, under an absolute path of its system; a missing working directory is refused too.")
	_ = rule("guest.process", "documented", "real", "API reference: GuestProcessNotFound", "Only a running process can be terminated; an ended one stays listed for five minutes and is lost when Tools restart.")
	_ = rule("guest.file", "documented", "real", "API reference: FileNotFound, FileAlreadyExists, NotAFile, NotADirectory, DirectoryNotEmpty", "File operations refuse what the system refuses.")
	_ = rule("guest.permission", "documented", "real", "API reference: GuestPermissionDenied of every file operation; CannotAccessFile of StartProgramInGuest; GuestPermissionDenied of TerminateProcessInGuest",
		"A file operation has the rights of the account: a standard user changes nothing in system directories, sees no other home directory, and terminates no other account's process; a program without execute permission is CannotAccessFile.")
	_ = rule("guest.list-lag", "seen", "real", "govmomi guest/toolbox: the process list may not hold a new pid yet", "A new program may not be listed yet (when set), although its pid is known and it can be terminated.")
	_ = rule("guest.list", "documented", "real", "API reference: ListFilesInGuest: index, maxResults (50), matchPattern, remaining", "A list is returned in pages of maxResults, fifty by default, and reports how many remain; the pattern is a regular expression.")
	_ = rule("guest.environment", "documented", "real", "API reference: GuestProgramSpec.envVariables, arguments", "envVariables replace the whole environment; the arguments of a Linux program are shell text.")
	_ = rule("guest.attributes", "documented", "real", "API reference: GuestPosixFileAttributes, GuestWindowsFileAttributes", "File attributes are those of the guest's operating system.")
	_ = rule("guest.transfer", "documented", "real", "API reference: FileTransferInformation", "A transfer URL is valid for one transfer, within ten minutes, with the announced size; it becomes invalid when the VM is powered off.")
	_ = rule("guest.transfer-aborted", "documented", "inferred", "API reference: InitiateFileTransferToGuest (a transfer is aborted when the power state changes while it is in progress); vmware/open-vm-tools issue 78 (the agent of the host answers 500 Internal Server Error, without a reason); that a restart of the guest is answered so too is inferred",
		"A VM that is powered off or reset, or a guest that restarts, aborts the transfer in progress: 500, and no file.")
	_ = rule("guest.transfer-full", "memory", "inferred", "no public account of the answer was found; 500 without a reason, as for other failures (vmware/open-vm-tools issue 78)",
		"A guest disk that fills under a transfer aborts it: 500, and a part of the file stays.")
)

func (r *Service) registerGuestOps() {
	r.managers()
	h := func(method string, f func(*VM, string, any) (any, *fault.Error), get func(any) (types.ManagedObjectReference, types.BaseGuestAuthentication)) {
		r.s.Handle(method, func(c *api.Call) (any, *fault.Error) {
			ref, auth := get(c.Req)
			vm, e := r.of(ref)
			if e != nil {
				return nil, e
			}
			user, e := r.enter(vm, method, auth)
			if e != nil {
				return nil, e
			}
			return f(vm, user, c.Req)
		})
	}
	type target = types.ManagedObjectReference
	type auth = types.BaseGuestAuthentication
	h("ValidateCredentialsInGuest", func(*VM, string, any) (any, *fault.Error) { return &api.Void{}, nil },
		func(q any) (target, auth) { x := q.(*types.ValidateCredentialsInGuest); return x.Vm, x.Auth })
	h("StartProgramInGuest", r.startProgram, func(q any) (target, auth) { x := q.(*types.StartProgramInGuest); return x.Vm, x.Auth })
	h("ListProcessesInGuest", func(vm *VM, _ string, q any) (any, *fault.Error) {
		var out []types.GuestProcessInfo
		for _, p := range vm.guest.Processes(q.(*types.ListProcessesInGuest).Pids) {
			i := types.GuestProcessInfo{Name: p.Name, Pid: p.Pid, Owner: p.Owner, CmdLine: p.Cmd, StartTime: p.Started, EndTime: p.Ended}
			if p.Ended != nil {
				i.ExitCode = p.Exit
			}
			out = append(out, i)
		}
		return &types.ListProcessesInGuestResponse{Returnval: out}, nil
	}, func(q any) (target, auth) { x := q.(*types.ListProcessesInGuest); return x.Vm, x.Auth })
	h("TerminateProcessInGuest", func(vm *VM, user string, q any) (any, *fault.Error) {
		pid := q.(*types.TerminateProcessInGuest).Pid
		switch err := vm.guest.Terminate(user, pid); {
		case errors.Is(err, guest.ErrAccess):
			return nil, fault.New(&types.GuestPermissionDenied{}, "Insufficient permissions in the guest operating system: process %d", pid)
		case err != nil:
			return nil, fault.New(&types.GuestProcessNotFound{Pid: pid}, "The process %d was not found in the guest.", pid)
		}
		return &api.Void{}, nil
	}, func(q any) (target, auth) { x := q.(*types.TerminateProcessInGuest); return x.Vm, x.Auth })
	h("ReadEnvironmentVariableInGuest", func(vm *VM, user string, q any) (any, *fault.Error) {
		env := vm.guest.Environment(user)
		names := q.(*types.ReadEnvironmentVariableInGuest).Names
		if len(names) == 0 {
			for k := range env {
				names = append(names, k)
			}
			sort.Strings(names)
		}
		out := []string{}
		for _, n := range names {
			for k, v := range env {
				if k == n || vm.guest.OS() == "windows" && strings.EqualFold(k, n) {
					out = append(out, k+"="+v)
				}
			}
		}
		return &types.ReadEnvironmentVariableInGuestResponse{Returnval: out}, nil
	}, func(q any) (target, auth) { x := q.(*types.ReadEnvironmentVariableInGuest); return x.Vm, x.Auth })
	h("MakeDirectoryInGuest", func(vm *VM, user string, q any) (any, *fault.Error) {
		x := q.(*types.MakeDirectoryInGuest)
		p, err := vm.guest.Writable(x.DirectoryPath)
		if err == nil {
			err = vm.guest.Access(user, p, true)
		}
		if err == nil {
			if _, serr := os.Lstat(p); serr == nil {
				err = guest.ErrExists
			} else if x.CreateParentDirectories {
				err = os.MkdirAll(p, 0o755)
			} else {
				err = os.Mkdir(p, 0o755)
			}
			if err == nil {
				vm.guest.Own(user, p)
			}
		}
		return void(err, x.DirectoryPath)
	}, func(q any) (target, auth) { x := q.(*types.MakeDirectoryInGuest); return x.Vm, x.Auth })
	h("DeleteFileInGuest", func(vm *VM, user string, q any) (any, *fault.Error) {
		x := q.(*types.DeleteFileInGuest)
		p, err := vm.guest.Writable(x.FilePath)
		if err == nil {
			err = vm.guest.Removable(user, p)
		}
		if err == nil {
			var st fs.FileInfo
			if st, err = os.Lstat(p); err == nil && st.IsDir() {
				err = guest.ErrIsDir
			} else if err == nil {
				err = os.Remove(p)
			}
		}
		return void(err, x.FilePath)
	}, func(q any) (target, auth) { x := q.(*types.DeleteFileInGuest); return x.Vm, x.Auth })
	h("DeleteDirectoryInGuest", func(vm *VM, user string, q any) (any, *fault.Error) {
		x := q.(*types.DeleteDirectoryInGuest)
		p, err := vm.guest.Writable(x.DirectoryPath)
		if err == nil {
			err = vm.guest.Removable(user, p)
		}
		if err == nil {
			var st fs.FileInfo
			switch st, err = os.Lstat(p); {
			case err != nil:
			case !st.IsDir():
				err = guest.ErrNotDir
			case x.Recursive:
				err = os.RemoveAll(p)
			default:
				err = os.Remove(p)
			}
		}
		return void(err, x.DirectoryPath)
	}, func(q any) (target, auth) { x := q.(*types.DeleteDirectoryInGuest); return x.Vm, x.Auth })
	move := func(from, to string, overwrite, dir bool, vm *VM, user string) (any, *fault.Error) {
		a, err := vm.guest.Writable(from)
		if err != nil {
			return void(err, from)
		}
		b, err := vm.guest.Writable(to)
		if err != nil {
			return void(err, to)
		}
		if err := vm.guest.Removable(user, a); err != nil {
			return void(err, from)
		}
		if err := vm.guest.Removable(user, b); err != nil {
			return void(err, to)
		}
		st, err := os.Lstat(a)
		switch {
		case err != nil:
			return void(err, from)
		case st.IsDir() && !dir:
			return void(guest.ErrIsDir, from)
		case !st.IsDir() && dir:
			return void(guest.ErrNotDir, from)
		}
		if _, err := os.Lstat(b); err == nil && !overwrite {
			return void(guest.ErrExists, to)
		}
		return void(os.Rename(a, b), to)
	}
	h("MoveFileInGuest", func(vm *VM, user string, q any) (any, *fault.Error) {
		x := q.(*types.MoveFileInGuest)
		return move(x.SrcFilePath, x.DstFilePath, x.Overwrite, false, vm, user)
	}, func(q any) (target, auth) { x := q.(*types.MoveFileInGuest); return x.Vm, x.Auth })
	h("MoveDirectoryInGuest", func(vm *VM, user string, q any) (any, *fault.Error) {
		x := q.(*types.MoveDirectoryInGuest)
		return move(x.SrcDirectoryPath, x.DstDirectoryPath, false, true, vm, user)
	}, func(q any) (target, auth) { x := q.(*types.MoveDirectoryInGuest); return x.Vm, x.Auth })
	h("CreateTemporaryFileInGuest", func(vm *VM, user string, q any) (any, *fault.Error) {
		x := q.(*types.CreateTemporaryFileInGuest)
		name, e := temporary(vm, user, x.Prefix, x.Suffix, x.DirectoryPath, false)
		return &types.CreateTemporaryFileInGuestResponse{Returnval: name}, e
	}, func(q any) (target, auth) { x := q.(*types.CreateTemporaryFileInGuest); return x.Vm, x.Auth })
	h("CreateTemporaryDirectoryInGuest", func(vm *VM, user string, q any) (any, *fault.Error) {
		x := q.(*types.CreateTemporaryDirectoryInGuest)
		name, e := temporary(vm, user, x.Prefix, x.Suffix, x.DirectoryPath, true)
		return &types.CreateTemporaryDirectoryInGuestResponse{Returnval: name}, e
	}, func(q any) (target, auth) { x := q.(*types.CreateTemporaryDirectoryInGuest); return x.Vm, x.Auth })
	h("ChangeFileAttributesInGuest", func(vm *VM, user string, q any) (any, *fault.Error) {
		x := q.(*types.ChangeFileAttributesInGuest)
		p, err := vm.guest.Writable(x.GuestFilePath)
		if err == nil {
			_, err = os.Lstat(p)
		}
		if err == nil && !vm.guest.Attributes(p, nil).ReadOnly { // which is how it is removed again
			err = vm.guest.Access(user, p, true)
		}
		if err != nil {
			return void(err, x.GuestFilePath)
		}
		if e := applyAttributes(vm, user, p, x.GuestFilePath, x.FileAttributes); e != nil {
			return nil, e
		}
		return &api.Void{}, nil
	}, func(q any) (target, auth) { x := q.(*types.ChangeFileAttributesInGuest); return x.Vm, x.Auth })
	h("ListFilesInGuest", listFiles, func(q any) (target, auth) { x := q.(*types.ListFilesInGuest); return x.Vm, x.Auth })
	h("InitiateFileTransferToGuest", r.transferTo, func(q any) (target, auth) { x := q.(*types.InitiateFileTransferToGuest); return x.Vm, x.Auth })
	h("InitiateFileTransferFromGuest", r.transferFrom, func(q any) (target, auth) { x := q.(*types.InitiateFileTransferFromGuest); return x.Vm, x.Auth })
}

// managers makes sure that the three managers exist as objects.
func (r *Service) managers() {
	if r.w.Content.GuestOperationsManager == nil {
		return
	}
	ref := *r.w.Content.GuestOperationsManager
	m, ok := r.w.Reg.Get(ref).(interface {
		Reference() types.ManagedObjectReference
	})
	if !ok {
		return
	}
	name := func(kind string) *types.ManagedObjectReference {
		v := map[string]string{"GuestAuthManager": "guestOperationsAuthManager", "GuestFileManager": "guestOperationsFileManager",
			"GuestProcessManager": "guestOperationsProcessManager"}[kind]
		return &types.ManagedObjectReference{Type: kind, Value: v}
	}
	auth := &mo.GuestAuthManager{Self: *name("GuestAuthManager")}
	file := &mo.GuestFileManager{Self: *name("GuestFileManager")}
	proc := &mo.GuestProcessManager{Self: *name("GuestProcessManager")}
	r.w.Put(auth)
	r.w.Put(file)
	r.w.Put(proc)
	setManagers(m, &auth.Self, &file.Self, &proc.Self)
}

// enter checks the VM, its Tools and the credentials.
func (r *Service) enter(vm *VM, method string, auth types.BaseGuestAuthentication) (string, *fault.Error) {
	if e := vm.mustRun(); e != nil {
		return "", e
	}
	i := vm.guest.Info()
	if !i.Ready {
		return "", fault.New(&types.GuestOperationsUnavailable{})
	}
	switch vm.guest.Admit(method) {
	case guest.ErrOldTools:
		return "", fault.New(&types.GuestComponentsOutOfDate{}, "The guest operations agent in the virtual machine is too old.")
	case guest.ErrDisabled:
		return "", fault.New(&types.OperationDisabledByGuest{}, "The operation is disabled by the guest operating system.")
	}
	a, ok := auth.(*types.NamePasswordAuthentication)
	if !ok {
		return "", fault.New(&types.OperationNotSupportedByGuest{}, "The operation is not supported by the guest operating system.")
	}
	if a.InteractiveSession && vm.guest.Session() != a.Username {
		return "", fault.New(&types.InvalidGuestLogin{})
	}
	user, err := vm.guest.Login(a.Username, a.Password)
	if err != nil {
		r.w.Truth.VM("guest-login-failed", vm.hostName(), vm.Name, "user %s", a.Username)
		return "", fault.New(&types.InvalidGuestLogin{})
	}
	if vm.guest.Logons() != nil {
		return "", fault.New(&types.TooManyGuestLogons{}, "There are too many concurrent login sessions in the guest.")
	}
	return user, nil
}

func fileFault(err error, path string) *fault.Error {
	f := types.FileFault{File: path}
	switch {
	case errors.Is(err, guest.ErrBadPath):
		return fault.New(&types.InvalidArgument{InvalidProperty: "path"}, "A specified parameter was not correct: %s", path)
	case errors.Is(err, guest.ErrIsDir):
		return fault.New(&types.NotAFile{FileFault: f}, "%s is not a file", path)
	case errors.Is(err, guest.ErrNotDir), errors.Is(err, syscall.ENOTDIR):
		return fault.New(&types.NotADirectory{FileFault: f}, "%s is not a directory", path)
	case errors.Is(err, guest.ErrAccess):
		return fault.New(&types.GuestPermissionDenied{}, "Insufficient permissions in the guest operating system: %s", path)
	case errors.Is(err, guest.ErrReadOnly):
		return fault.New(&types.CannotAccessFile{FileFault: f}, "Unable to access file %s", path)
	case errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, guest.ErrNotEmpty):
		return fault.New(&types.DirectoryNotEmpty{FileFault: f}, "The directory %s is not empty", path)
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(&types.FileNotFound{FileFault: f}, "File %s was not found", path)
	case errors.Is(err, fs.ErrExist):
		return fault.New(&types.FileAlreadyExists{FileFault: f}, "The file %s already exists", path)
	}
	return fault.New(&types.FileFault{File: path}, "%s: %v", path, errors.Unwrap(err))
}

func void(err error, path string) (any, *fault.Error) {
	if err != nil {
		return nil, fileFault(err, path)
	}
	return &api.Void{}, nil
}

func (r *Service) startProgram(vm *VM, user string, q any) (any, *fault.Error) {
	x := q.(*types.StartProgramInGuest)
	if x.Spec == nil {
		return nil, fault.InvalidArgument("spec")
	}
	s := x.Spec.GetGuestProgramSpec()
	if _, ok := x.Spec.(*types.GuestWindowsProgramSpec); ok && vm.guest.OS() != "windows" {
		return nil, fault.InvalidArgument("spec")
	}
	if s.WorkingDirectory != "" {
		p, err := vm.guest.File(s.WorkingDirectory)
		if err == nil {
			err = vm.guest.Access(user, p, false)
		}
		if err == nil {
			var st fs.FileInfo
			if st, err = os.Stat(p); err == nil && !st.IsDir() {
				err = guest.ErrNotDir
			}
		}
		if err != nil {
			return nil, fileFault(err, s.WorkingDirectory)
		}
	}
	if p, err := vm.guest.File(s.ProgramPath); err == nil && errors.Is(vm.guest.Executable(user, p), guest.ErrAccess) {
		return nil, fault.New(&types.CannotAccessFile{FileFault: types.FileFault{File: s.ProgramPath}}, "Unable to access file %s", s.ProgramPath)
	}
	pid, err := vm.guest.StartProgram(user, guest.Program{Path: s.ProgramPath, Args: s.Arguments, Dir: s.WorkingDirectory, Env: s.EnvVariables})
	if err != nil {
		return nil, fault.New(&types.FileNotFound{FileFault: types.FileFault{File: s.ProgramPath}}, "File %s was not found", s.ProgramPath)
	}
	r.w.Truth.VM("guest-program", vm.hostName(), vm.Name, "%s: %s %s", user, s.ProgramPath, brief(s.Arguments))
	return &types.StartProgramInGuestResponse{Returnval: pid}, nil
}

func brief(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

func temporary(vm *VM, user, prefix, suffix, dir string, directory bool) (string, *fault.Error) {
	if dir == "" {
		dir = vm.guest.TempDir(user)
		if p, err := vm.guest.Writable(dir); err == nil {
			_ = os.MkdirAll(p, 0o755)
		}
	}
	p, err := vm.guest.Writable(dir)
	if err == nil {
		var st fs.FileInfo
		if st, err = os.Stat(p); err == nil && !st.IsDir() {
			err = guest.ErrNotDir
		}
	}
	if err == nil {
		err = vm.guest.Access(user, p, true)
	}
	if err != nil {
		return "", fileFault(err, dir)
	}
	if strings.ContainsAny(prefix+suffix, `/\`) {
		return "", fault.InvalidArgument("prefix")
	}
	name := prefix + "vmware" + uuid.NewString()[:8] + suffix
	if directory {
		err = os.Mkdir(filepath.Join(p, name), 0o755)
	} else {
		err = os.WriteFile(filepath.Join(p, name), nil, 0o644)
	}
	if err != nil {
		return "", fileFault(err, dir)
	}
	vm.guest.Own(user, filepath.Join(p, name))
	return vm.guest.Join(dir, name), nil
}
