package softhsm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// folders are where distributions put the module.
var folders = []string{
	"/usr/lib/softhsm",                   // Debian, Ubuntu
	"/usr/lib/x86_64-linux-gnu/softhsm",  // Debian, Ubuntu
	"/usr/lib/aarch64-linux-gnu/softhsm", // Debian, Ubuntu
	"/usr/lib64/pkcs11",                  // Fedora
	"/usr/lib64/softhsm",                 // openSUSE
	"/usr/lib/pkcs11",                    // Arch
	"/usr/local/lib/softhsm",             // built from source
	"/opt/homebrew/lib/softhsm",          // macOS
}

// Find returns the path of SoftHSM's PKCS#11 module; its error says where it
// was looked for and what to install.
func Find() (module string, err error) { return findIn(folders) }

func findIn(folders []string) (string, error) {
	for _, folder := range folders {
		p := filepath.Join(folder, "libsofthsm2.so")
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() {
			return p, nil
		}
	}
	return "", fmt.Errorf("SoftHSM's libsofthsm2.so is not in %s; Debian and Ubuntu have it in the package softhsm2 (apt-get install softhsm2)",
		strings.Join(folders, ", "))
}
