package install

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
)

// CertificatesDir looks whether kubeadm's certificatesDir is where bundles place files:
// /etc/kubernetes/pki, or a folder that pki is a link to, as kubespray has it. A
// *Refused says how it becomes so. dir is absolute; "" is kubeadm's default.
func (n *Node) CertificatesDir(dir string) error {
	b := n.below()
	const pki = kubernetesDir + "/pki"
	at := strings.TrimPrefix(path.Clean("/"+dir), "/")
	if dir == "" || at == pki {
		return nil
	}
	own, err := b.files.Stat(b.at(pki))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	theirs, terr := b.files.Stat(b.at(at))
	if terr != nil && !errors.Is(terr, fs.ErrNotExist) {
		return terr
	}
	if err == nil && terr == nil && os.SameFile(own, theirs) {
		return nil
	}
	refuse := func(format string, args ...any) error {
		return refusedf("certificatesDir", pki, format, args...)
	}
	switch {
	case err != nil:
		return refuse("kubeadm's certificatesDir is /%s, and bundles place their files below /%s: make that a link to it, "+
			"mkdir -p /%s && ln -s /%s /%s", at, pki, at, at, pki)
	case terr != nil:
		return refuse("kubeadm's certificatesDir is /%s, which is not there, and /%s is: move that and leave "+
			"a link to it in its place, mv /%s /%s && ln -s /%s /%s; or leave certificatesDir out", at, pki, pki, at, at, pki)
	}
	return refuse("kubeadm's certificatesDir is /%s, and /%s is another folder and no link to it: "+
		"move what is needed of it to /%s, remove it, and ln -s /%s /%s; or leave certificatesDir out", at, pki, at, at, pki)
}
