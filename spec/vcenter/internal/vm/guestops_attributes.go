package vm

// guestops_attributes.go: lists of a guest's files, and their attributes of either system.

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/guest"
)

func applyAttributes(vm *VM, user, p, name string, a types.BaseGuestFileAttributes) *fault.Error {
	if a == nil {
		return nil
	}
	windows := vm.guest.OS() == "windows"
	switch x := a.(type) {
	case *types.GuestPosixFileAttributes:
		if windows {
			return fault.InvalidArgument("fileAttributes")
		}
		if x.Permissions != 0 {
			if err := os.Chmod(p, fs.FileMode(x.Permissions)&0o777); err != nil {
				return fileFault(err, name)
			}
		}
		if x.OwnerId != nil {
			if err := vm.guest.SetOwner(user, p, *x.OwnerId); err != nil {
				return fileFault(err, name)
			}
		}
	case *types.GuestWindowsFileAttributes:
		if !windows {
			return fault.InvalidArgument("fileAttributes")
		}
		vm.guest.Attributes(p, func(a *guest.WindowsAttributes) {
			if x.Hidden != nil {
				a.Hidden = *x.Hidden
			}
			if x.ReadOnly != nil {
				a.ReadOnly = *x.ReadOnly
			}
		})
	}
	b := a.GetGuestFileAttributes()
	if b.ModificationTime != nil {
		at := time.Now()
		if b.AccessTime != nil {
			at = *b.AccessTime
		}
		_ = os.Chtimes(p, at, *b.ModificationTime)
	}
	return nil
}

func attributes(vm *VM, p string, st fs.FileInfo) types.BaseGuestFileAttributes {
	mod := st.ModTime()
	base := types.GuestFileAttributes{ModificationTime: &mod, AccessTime: &mod}
	if vm.guest.OS() == "windows" {
		a := vm.guest.Attributes(p, nil)
		return &types.GuestWindowsFileAttributes{GuestFileAttributes: base, Hidden: &a.Hidden, ReadOnly: &a.ReadOnly, CreateTime: &mod}
	}
	owner := vm.guest.OwnerID(p)
	return &types.GuestPosixFileAttributes{GuestFileAttributes: base, OwnerId: &owner, GroupId: &owner, Permissions: int64(st.Mode().Perm())}
}

func listFiles(vm *VM, user string, q any) (any, *fault.Error) {
	x := q.(*types.ListFilesInGuest)
	p, err := vm.guest.File(x.FilePath)
	if err != nil {
		return nil, fileFault(err, x.FilePath)
	}
	st, err := os.Lstat(p)
	if err == nil {
		err = vm.guest.Access(user, p, false)
	}
	if err != nil {
		return nil, fileFault(err, x.FilePath)
	}
	var pattern *regexp.Regexp
	if x.MatchPattern != "" {
		if pattern, err = regexp.Compile(x.MatchPattern); err != nil {
			return nil, fault.InvalidArgument("matchPattern")
		}
	}
	var all []types.GuestFileInfo
	add := func(name string, st fs.FileInfo) {
		if pattern != nil && !pattern.MatchString(name) {
			return
		}
		kind := string(types.GuestFileTypeFile)
		if st.IsDir() {
			kind = string(types.GuestFileTypeDirectory)
		} else if st.Mode()&fs.ModeSymlink != 0 {
			kind = string(types.GuestFileTypeSymlink)
		}
		all = append(all, types.GuestFileInfo{Path: name, Type: kind, Size: st.Size(), Attributes: attributes(vm, filepath.Join(p, name), st)})
	}
	if st.IsDir() {
		list, err := os.ReadDir(p)
		if err != nil {
			return nil, fileFault(err, x.FilePath)
		}
		add(".", st)
		add("..", st)
		for _, e := range list {
			if i, err := e.Info(); err == nil {
				add(e.Name(), i)
			}
		}
	} else {
		name := filepath.Base(p)
		p = filepath.Dir(p)
		add(name, st)
	}
	out := types.GuestListFileInfo{}
	most := int(x.MaxResults)
	if most <= 0 {
		most = 50
	}
	from := min(int(x.Index), len(all))
	to := min(from+most, len(all))
	out.Files = all[from:to]
	out.Remaining = int32(len(all) - to)
	return &types.ListFilesInGuestResponse{Returnval: out}, nil
}
