module gpupt.test/vcenter

go 1.25.0

require (
	github.com/beevik/etree v1.7.0
	github.com/google/uuid v1.6.0
	github.com/russellhaering/goxmldsig v1.6.1
	github.com/vmware/govmomi v0.56.0
	golang.org/x/image v0.28.0
	gopkg.in/yaml.v3 v3.0.1
	mvdan.cc/sh/v3 v3.12.0
)

require (
	github.com/a8m/tree v0.0.0-20240104212747-2c8764a5f17e // indirect
	github.com/dougm/pretty v0.0.0-20160325215624-add1dbc86daf // indirect
	github.com/jonboulle/clockwork v0.5.0 // indirect
	github.com/kr/text v0.2.0 // indirect
	github.com/xlab/treeprint v1.2.0 // indirect
	golang.org/x/sys v0.33.0 // indirect
	golang.org/x/term v0.32.0 // indirect
	golang.org/x/text v0.41.0 // indirect
)
