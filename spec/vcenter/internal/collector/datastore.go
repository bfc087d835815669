package collector

// datastore.go: a datastore as clients see it. The simulator shows a directory of this
// computer as a volume's URL; a client is shown a VMFS volume with a URL of its own.

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/world"
)

var _ = rules.Add(rules.Rule{ID: "collector.datastore-url", Sure: "documented", As: "real", Source: "API reference: DatastoreSummary.url, VmfsDatastoreInfo, HostVmfsVolume",
	Text: "A datastore of type VMFS has a VmfsDatastoreInfo and the URL ds:///vmfs/volumes/UUID/."})

// volume returns a copy without the directory.
func volume(ds mo.Datastore) *mo.Datastore {
	sum := sha256.Sum256([]byte("volume " + ds.Name))
	id := world.VolumeID(ds.Name)
	ds.Summary.Url = "ds:///vmfs/volumes/" + id + "/"
	ds.Host = slices.Clone(ds.Host)
	for i := range ds.Host {
		ds.Host[i].MountInfo.Path = "/vmfs/volumes/" + id
	}
	if ds.Info == nil {
		return &ds
	}
	info := *ds.Info.GetDatastoreInfo()
	info.Url = ds.Summary.Url
	ssd, local := false, !(ds.Summary.MultipleHostAccess != nil && *ds.Summary.MultipleHostAccess)
	ds.Info = &types.VmfsDatastoreInfo{DatastoreInfo: info, MaxPhysicalRDMFileSize: info.MaxFileSize, MaxVirtualRDMFileSize: info.MaxFileSize,
		Vmfs: &types.HostVmfsVolume{
			HostFileSystemVolume: types.HostFileSystemVolume{Type: "VMFS", Name: ds.Name, Capacity: ds.Summary.Capacity},
			BlockSizeMb:          1, BlockSize: 1024, MaxBlocks: 63963136, MajorVersion: 6, Version: "6.82", Uuid: id,
			Extent:         []types.HostScsiDiskPartition{{DiskName: fmt.Sprintf("naa.6%x", sum[16:31]), Partition: 1}},
			VmfsUpgradable: false, Ssd: &ssd, Local: &local, ForceMountedInfo: nil,
		}}
	return &ds
}

var _ = rules.Add(rules.Rule{ID: "collector.pod", Sure: "documented", As: "real", Source: "API reference: StoragePod.summary (name, capacity, freeSpace), StorageDrsPodConfigInfo.defaultVmBehavior (manual, automated)",
	Text: "The summary of a datastore cluster has its name and what its datastores have together; its behaviour is manual until it is set."})

// pod returns a copy with its summary.
func (r *Service) pod(p mo.StoragePod) *mo.StoragePod {
	p.Summary = &types.StoragePodSummary{Name: p.Name}
	for _, ref := range p.ChildEntity {
		if v, ok := r.value(ref); ok {
			if ds, is := v.Interface().(mo.Datastore); is {
				p.Summary.Capacity += ds.Summary.Capacity
				p.Summary.FreeSpace += ds.Summary.FreeSpace
			}
		}
	}
	if e := p.PodStorageDrsEntry; e != nil && e.StorageDrsConfig.PodConfig.DefaultVmBehavior == "" {
		own := *e
		own.StorageDrsConfig.PodConfig.DefaultVmBehavior = string(types.StorageDrsPodConfigInfoBehaviorManual)
		p.PodStorageDrsEntry = &own
	}
	return &p
}
