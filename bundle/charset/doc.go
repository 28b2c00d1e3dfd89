// Package charset turns text of whatever editor into UTF-8.
//
// Files that people write on Windows begin with a byte order mark, or are UTF-16
// altogether: `kubectl … > cluster.yaml` in Windows PowerShell 5 writes UTF-16.
// YAML allows it (YAML 1.2 section 5.2), and kubeadm and kubectl read it; so do we
// where the file is somebody else's. Files of our own formats are UTF-8, and a
// refusal calls what it found by its name.
package charset
