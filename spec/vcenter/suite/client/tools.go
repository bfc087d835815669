//go:build tools

package suite

import _ "github.com/vmware/govmomi/govc"
