package kubepki

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

const (
	kubernetesDir = "/etc/kubernetes"
	defaultPKI    = kubernetesDir + "/pki"
)

// Places says where a bundle's files below pki/ are installed, if kubeadm's
// configuration has other locations. All are absolute; empty is kubeadm's default.
// Since bundles of format 5.
type Places struct {
	CertificatesDir string `json:"certificatesDir,omitempty"`
	// Of etcd.external, on control-plane nodes: what the API server reads.
	EtcdCAFile   string `json:"etcdCAFile,omitempty"`
	EtcdCertFile string `json:"etcdCertFile,omitempty"`
	EtcdKeyFile  string `json:"etcdKeyFile,omitempty"`
}

// external are the files of etcd.external, by where a bundle has them.
func (p Places) external() map[string]string {
	const client = pkiDir + "apiserver-etcd-client"
	return map[string]string{etcdCAFile: p.EtcdCAFile, client + ".crt": p.EtcdCertFile, client + ".key": p.EtcdKeyFile}
}

// Plain leaves out what is where it would be anyway.
func (p Places) Plain() Places {
	if p.CertificatesDir = clean(p.CertificatesDir); p.CertificatesDir == defaultPKI {
		p.CertificatesDir = ""
	}
	plain := func(file *string, by string) {
		if *file = clean(*file); *file == p.in(by) {
			*file = ""
		}
	}
	plain(&p.EtcdCAFile, etcdCAFile)
	plain(&p.EtcdCertFile, pkiDir+"apiserver-etcd-client.crt")
	plain(&p.EtcdKeyFile, pkiDir+"apiserver-etcd-client.key")
	return p
}

func clean(at string) string {
	if at == "" {
		return ""
	}
	return path.Clean(at)
}

// in is where a bundle's file lies by certificatesDir alone.
func (p Places) in(file string) string {
	rest, ok := strings.CutPrefix(file, pkiDir)
	if !ok || p.CertificatesDir == "" {
		return path.Join(kubernetesDir, file)
	}
	return path.Join(p.CertificatesDir, rest)
}

// of is where a bundle's file lies on a node.
func (p Places) of(n Node, file string) string {
	if at := p.external()[file]; at != "" && n.Has(ControlPlane) {
		return at
	}
	return p.in(file)
}

// Place is the absolute path on a node of a bundle's file ("pki/ca.crt", "admin.conf").
func (c Cluster) Place(n Node, file string) string { return c.Places.of(n, file) }

// Dir is kubeadm's certificatesDir.
func (p Places) Dir() string { return cmp.Or(p.CertificatesDir, defaultPKI) }

// Validate says what is wrong with places, as joined *FieldError.
func (p Places) Validate() error { return p.problems().err() }

func (p Places) problems() problems {
	var wrong problems
	if dir := p.CertificatesDir; dir != "" {
		switch problem := misplaced(dir); {
		case problem != "":
			wrong.add("certificatesDir", "%s %s", dir, problem)
		case within(dir, kubernetesDir):
			wrong.add("certificatesDir", "%s holds other files of Kubernetes: certificates need a folder of their own",
				dir)
		}
	}
	seen := map[string]string{}
	for _, f := range []struct{ field, at string }{
		{"etcdCAFile", p.EtcdCAFile}, {"etcdCertFile", p.EtcdCertFile}, {"etcdKeyFile", p.EtcdKeyFile},
	} {
		if f.at == "" {
			continue
		}
		if problem := misplaced(path.Dir(f.at)); problem != "" {
			wrong.add(f.field, "%s: the folder %s %s", f.at, path.Dir(f.at), problem)
		}
		if by := seen[f.at]; by != "" {
			wrong.add(f.field, "%s is %s, too: a bundle's files are one each", f.at, by)
		} else if other := p.taken(f.at); other != "" {
			wrong.add(f.field, "%s is where %s lies", f.at, other)
		}
		seen[f.at] = f.field
	}
	return wrong
}

// taken says which other file of Kubernetes lies at a place.
func (p Places) taken(at string) string {
	var files []string
	for _, r := range fileRows {
		if !r.authority.Online() { // Files tells where a cluster has them
			files = append(files, r.path)
		}
	}
	for _, r := range rows {
		if r.config != nil {
			files = append(files, r.name)
		} else {
			files = append(files, pkiDir+r.name+".crt", pkiDir+r.name+".key")
		}
	}
	files = append(files, pkiDir+"ca.key", pkiDir+"etcd/ca.key", pkiDir+"front-proxy-ca.key")
	i := slices.IndexFunc(files, func(file string) bool { return p.in(file) == at })
	if i < 0 {
		return ""
	}
	return files[i]
}

// never are folders in which no certificate of a node has anything to do.
var never = []string{
	"/bin", "/boot", "/dev", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys", "/tmp", "/usr",
	kubernetesDir + "/manifests", "/var/lib/officiant-node", "/var/lib/kubelet", "/var/run", "/var/tmp",
}

// misplaced says why nothing is to be placed in a folder; empty when it may be.
func misplaced(dir string) string {
	switch {
	case !path.IsAbs(dir) || path.Clean(dir) != dir:
		return "is not an absolute path"
	case strings.Trim(dir, "/ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != "" ||
		strings.Contains(dir, "/."):
		return "has other characters than letters, digits, dots, dashes and underscores, " +
			"or a part that begins with a dot"
	case strings.Count(dir, "/") < 2:
		return "is the machine's own: certificates need one below it"
	}
	for _, n := range never {
		if within(n, dir) {
			return "is no folder for certificates"
		}
	}
	return ""
}

// within says whether a path is a folder or lies below it.
func within(folder, at string) bool { return at == folder || strings.HasPrefix(at, folder+"/") }

// MayHold says whether a file at an absolute path could be one of some cluster's places.
func MayHold(file string) bool {
	return path.Clean(file) == file && misplaced(path.Dir(file)) == ""
}
