// vcenter is a vCenter for tests: strict, as slow as a real one where that matters, with GPU
// hosts. It runs standalone, speaks vim25 over TLS, and shows its state at /gpsim/.
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
