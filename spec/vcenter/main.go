// vcenter is a vCenter for tests: strict, slow in the right places, and honest about GPUs.
// It runs alone, speaks vim25 over TLS, and tells the truth about itself at /gpsim/.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "vcenter:", err)
		os.Exit(1)
	}
}
