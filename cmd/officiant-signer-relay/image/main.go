// Command image writes an OCI image archive of a static program, from scratch: the program
// and nothing else, for one architecture or several. The same programs give the same
// bytes; no registry, daemon or clock is asked. `make image` runs it.
//
//	image OUT.tar VERSION ARCH=PROGRAM...
//
// The form is that of the OCI image specification 1.1: an image layout in a tar, as
// skopeo, podman and `ctr images import` read it.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: image OUT.tar VERSION ARCH=PROGRAM...")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}
