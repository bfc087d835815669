// The last version of govmomi whose module still has govc with its test suite; later ones keep it in a module of its
// own. go.sum pins it. Nothing of the test vCenter is built from this module.
module gpupt.test/suite

go 1.19

require github.com/vmware/govmomi v0.25.0

require (
	github.com/a8m/tree v0.0.0-20210115125333-10a5fd5b637d // indirect
	github.com/google/uuid v0.0.0-20170306145142-6a5e28554805 // indirect
	github.com/kr/pretty v0.1.0 // indirect
	github.com/kr/text v0.1.0 // indirect
)
