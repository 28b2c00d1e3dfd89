package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// opensslConfig makes openssl ca issue what Kubernetes takes for a kubelet's
// client certificate: subject from the request, extensions from here.
const opensslConfig = `openssl_conf = start
[start]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
MODULE_PATH = %[1]s
init = 0
[ca]
default_ca = bench
[bench]
database = %[2]s/index.txt
new_certs_dir = %[2]s/issued
certificate = %[3]s
rand_serial = yes
unique_subject = no
default_md = sha256
default_days = 365
policy = any
x509_extensions = leaf
[any]
organizationName = optional
commonName = supplied
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
`

// opensslCA issues the same workers' certificates from the same requests with
// the same key of the same token: one process, one login.
func (b *bench) opensslCA(c *conducted, t *token, workers []member) (usage, error) {
	dir, err := os.MkdirTemp(t.folder, "openssl-")
	if err != nil {
		return usage{}, err
	}
	if err := os.Mkdir(filepath.Join(dir, "issued"), 0o755); err != nil {
		return usage{}, err
	}
	if err := os.WriteFile(filepath.Join(dir, "index.txt"), nil, 0o644); err != nil {
		return usage{}, err
	}
	config := filepath.Join(dir, "openssl.cnf")
	text := fmt.Sprintf(opensslConfig, t.module, dir, filepath.Join(c.dir, "authorities", "kubernetes.crt"))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return usage{}, err
	}
	key := fmt.Sprintf("pkcs11:token=bench;object=demo/kubernetes;type=private;pin-source=%s", t.pinFile)
	args := []string{"ca", "-batch", "-notext", "-config", config, "-engine", "pkcs11", "-keyform", "engine", "-keyfile", key, "-infiles"}
	for _, w := range workers {
		args = append(args, w.csrs[0])
	}
	u, err := program{name: "openssl", args: args, env: t.environment(), folder: dir}.run()
	if err != nil {
		return u, err
	}
	// It ends well with files that are missing or empty.
	issued, err := os.ReadDir(filepath.Join(dir, "issued"))
	if err != nil {
		return u, err
	}
	for _, e := range issued {
		if i, err := e.Info(); err != nil || i.Size() == 0 || !strings.HasSuffix(e.Name(), ".pem") {
			return u, fmt.Errorf("openssl ca: %s is empty", e.Name())
		}
	}
	if len(issued) != len(workers) {
		return u, fmt.Errorf("openssl ca issued %d certificates of %d", len(issued), len(workers))
	}
	return u, nil
}
