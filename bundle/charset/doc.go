// Package charset converts text from any editor to UTF-8.
//
// Files that people write on Windows may begin with a byte order mark, or be UTF-16
// throughout: `kubectl … > cluster.yaml` in Windows PowerShell 5 writes UTF-16.
// YAML allows it (YAML 1.2 section 5.2), and kubeadm and kubectl read it. So do we
// when the file is somebody else's. Files in our own formats are UTF-8, and a
// refusal names the encoding that it found.
package charset
