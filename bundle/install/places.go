package install

import (
	"encoding/pem"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"officiant/bundle"
	"officiant/bundle/kubepki"
)

const defaultPKI = kubernetesDir + "/pki"

// underRoot is an absolute path as one below the root.
func underRoot(at string) string { return strings.TrimPrefix(at, "/") }

// placeOf is where a file lies, below the root.
func placeOf(f kubepki.File) string { return underRoot(f.Place) }

// shown is how a path below the root is told: below /etc/kubernetes, or whole.
func shown(at string) string {
	if rest, ok := strings.CutPrefix(at, kubernetesDir+"/"); ok {
		return rest
	}
	return "/" + at
}

// ofExternalEtcd says whether a file lies where etcd.external has it.
func ofExternalEtcd(f kubepki.File) bool {
	return !strings.HasPrefix(f.Place, "/"+kubernetesDir+"/") && (f.Authority == kubepki.EtcdAuthority ||
		f.Leaf == "apiserver-etcd-client")
}

// foldersOf are the folders that files lie in, below the root.
func foldersOf(files []kubepki.File) []string {
	var folders []string
	for _, f := range files {
		if folder := path.Dir(placeOf(f)); !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	return folders
}

// certificateFolders are kubeadm's certificatesDir, /etc/kubernetes/pki where that is
// another folder, and the etcd folder in each where it is a link: a walk enters none,
// but components do.
func (b below) certificateFolders(p kubepki.Places) []string {
	var folders []string
	var seen []fs.FileInfo
	for _, folder := range []string{underRoot(p.Dir()), defaultPKI} {
		info, err := b.files.Stat(b.at(folder))
		if err != nil || slices.ContainsFunc(seen, func(s fs.FileInfo) bool { return os.SameFile(s, info) }) {
			continue
		}
		seen, folders = append(seen, info), append(folders, folder)
		if link, err := b.files.Lstat(b.at(folder + "/etcd")); err == nil && link.Mode()&fs.ModeSymlink != 0 {
			folders = append(folders, folder+"/etcd")
		}
	}
	return folders
}

// strangers refuses a bundle that would replace, outside of /etc/kubernetes, what is
// neither certificates nor a key: its places say where, and the release key alone must
// not reach other files of the machine.
func (p preparation) strangers(a *accepted) error {
	var findings []bundle.Finding
	for _, f := range a.files {
		if strings.HasPrefix(placeOf(f), kubernetesDir+"/") {
			continue
		}
		now, err := p.read(placeOf(f))
		if err != nil {
			return err
		}
		if now == nil {
			continue
		}
		block, _ := pem.Decode(now.data)
		clear(now.data)
		if block == nil || block.Type != "CERTIFICATE" && !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			findings = append(findings, bundle.Finding{File: placeOf(f),
				Problem: "is neither certificates nor a private key, and the bundle has " + f.Path +
					" go there: move it away"})
		}
	}
	if len(findings) > 0 {
		return &Refused{nameOf(a.bundle), findings}
	}
	return nil
}
