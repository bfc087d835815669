package main

// serve.go: govmomi's simulator as it is, with a large fleet.
//
// Its own Model waits for each task in turn, 20 ms and more apiece. Here the tasks are begun by calls in the same
// process and waited for together: 5,000 machines and 1,000 hosts stand after some twenty seconds.

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

// await waits until the simulator has so many objects of a kind.
func await(service *simulator.Service, kind string, count int) {
	for until := time.Now().Add(5 * time.Minute); len(service.Context.Map.All(kind)) < count; {
		if time.Now().After(until) {
			check(fmt.Errorf("%d of %d %s after five minutes", len(service.Context.Map.All(kind)), count, kind))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func machine(name string) types.VirtualMachineConfigSpec {
	config := types.VirtualMachineConfigSpec{
		Name: name, GuestId: string(types.VirtualMachineGuestOsIdentifierOtherGuest),
		Files: &types.VirtualMachineFileInfo{VmPathName: "[LocalDS_0]"},
	}
	var devices object.VirtualDeviceList
	scsi, err := devices.CreateSCSIController("pvscsi")
	check(err)
	ide, err := devices.CreateIDEController()
	check(err)
	cdrom, err := devices.CreateCdrom(ide.(*types.VirtualIDEController))
	check(err)
	disk := devices.CreateDisk(scsi.(types.BaseVirtualController), types.ManagedObjectReference{},
		config.Files.VmPathName+" "+path.Join(name, "disk1.vmdk"))
	disk.CapacityInKB = 10 << 20
	nic := esx.EthernetCard
	devices = append(devices, scsi, cdrom, disk, &nic)
	config.DeviceChange, err = devices.ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd)
	check(err)
	return config
}

// fleet brings the simulator to so many machines and hosts in all.
func fleet(service *simulator.Service, machines, hosts int) {
	ctx := context.Background()
	client, err := vim25.NewClient(ctx, service)
	check(err)
	finder := find.NewFinder(client)
	center, err := finder.DefaultDatacenter(ctx)
	check(err)
	finder.SetDatacenter(center)
	folders, err := center.Folders(ctx)
	check(err)
	cluster, err := finder.DefaultClusterComputeResource(ctx)
	check(err)
	pool, err := cluster.ResourcePool(ctx)
	check(err)
	first, err := cluster.Hosts(ctx)
	check(err)
	for i := len(service.Context.Map.All("VirtualMachine")); i < machines; i++ {
		_, err := folders.VmFolder.CreateVM(ctx, machine(fmt.Sprintf("vm-%04d", i)), pool, first[i%len(first)])
		check(err)
	}
	await(service, "VirtualMachine", machines)
	for i := len(service.Context.Map.All("HostSystem")); i < hosts; i++ {
		_, err := cluster.AddHost(ctx, types.HostConnectSpec{HostName: fmt.Sprintf("host-%04d", i)}, true, nil, nil)
		check(err)
	}
	await(service, "HostSystem", hosts)
}

// serve prints "HOST:PORT CA-FILE" and serves until standard input ends. /requests gives the number of calls since it
// was asked before.
func serve(machines, hosts int) {
	model := simulator.VPX()
	model.Portgroup = 0 // a switch of its own would know each of the hosts
	check(model.Create())
	defer model.Remove()
	fleet(model.Service, machines, hosts)
	model.Service.TLS = new(tls.Config)
	server := model.Service.NewServer()
	defer server.Close()
	authorities, err := server.CertificateFile()
	check(err)
	defer os.Remove(authorities)
	var calls atomic.Int64
	inner := server.Config.Handler
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/requests":
			fmt.Fprintln(w, calls.Swap(0))
			return
		case r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/sdk"):
			calls.Add(1)
		}
		inner.ServeHTTP(w, r)
	})
	fmt.Println(server.URL.Host, authorities)
	_, _ = io.Copy(io.Discard, os.Stdin)
}
