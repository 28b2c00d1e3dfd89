package kubeadm

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"officiant/bundle/charset"
	"officiant/bundle/nearest"
	"officiant/bundle/yamltree"
)

// Config is what the documents of one kubeadm configuration file say. Empty
// fields were not set; no default of kubeadm is filled in.
type Config struct {
	KubernetesVersion    string // "v1.37.2" or "1.37.2"; what a vendor puts behind it is left out
	ClusterName          string
	CertificatesDir      string // absolute
	ControlPlaneEndpoint string // host or host:port
	ServiceSubnet        string // one CIDR, or two separated by a comma; without host bits
	DNSDomain            string
	CertSANs             []string
	EtcdServerCertSANs   []string
	EtcdPeerCertSANs     []string
	ExternalEtcd         bool
	EtcdCAFile           string // of an external etcd, as are the next two; absolute
	EtcdCertFile         string
	EtcdKeyFile          string
	EncryptionAlgorithm  string        // "RSA-2048", "ECDSA-P256", …
	Validity             time.Duration // of leaves
	CAValidity           time.Duration

	// Of the Init- or JoinConfiguration. A worker's JoinConfiguration says no address.
	NodeName         string
	AdvertiseAddress string
	BindPort         int

	Join       bool // there is a JoinConfiguration and no InitConfiguration
	HasCluster bool // there is a ClusterConfiguration

	Notes []*Error // what kubeadm leaves out with a warning, and so is left out here
}

// An Error says what is wrong at one place of a file. Parse returns several
// of them joined.
type Error struct {
	File         string
	Line, Column int
	Field        string // "ClusterConfiguration.networking.dnsDomain"; empty when it is about no field
	Problem      string
}

func (e *Error) Error() string {
	where := fmt.Sprintf("%s:%d:%d: ", e.File, e.Line, e.Column)
	if e.Field != "" {
		where += e.Field + ": "
	}
	return where + e.Problem
}

const group = "kubeadm.k8s.io/"

// File is a file's content, with its name in errors.
type File struct {
	Name string
	Data []byte
}

// Given names fields that a caller has from another source, such as a flag, which takes
// precedence over the file. They are not checked, and are empty in Config.
// "ClusterConfiguration.clusterName" is such a name.
type Given []string

// Parse reads a kubeadm configuration file of one or several documents. file
// is its name in errors, which are joined *Error.
func Parse(file string, data []byte) (*Config, error) { return ParseFiles(File{file, data}) }

// ParseFiles reads several files as if they were one: a node that joins has its
// JoinConfiguration in one and the cluster's ConfigMap in another.
func ParseFiles(files ...File) (*Config, error) { return Given(nil).ParseFiles(files...) }

// ParseFiles reads files as ParseFiles does, and passes over what is given.
func (g Given) ParseFiles(files ...File) (*Config, error) {
	r := &reader{docs: make(map[string]*document), given: make(map[string]bool)}
	for _, field := range g {
		r.given[field] = true
	}
	for _, f := range files {
		if err := r.readFile(f); err != nil {
			return nil, err
		}
	}
	if len(r.docs) == 0 && len(r.errs) == 0 {
		return nil, &Error{File: names(files), Line: 1, Column: 1, Problem: r.nothing()}
	}
	c := Config{Notes: r.notes}
	r.cluster(&c, r.docs[clusterKind])
	r.node(&c, r.docs[initKind], r.docs[joinKind])
	if len(r.errs) > 0 {
		return nil, errors.Join(r.errs...)
	}
	return &c, nil
}

func names(files []File) string {
	var list []string
	for _, f := range files {
		list = append(list, f.Name)
	}
	return strings.Join(list, ", ")
}

// readFile takes in a file of whatever editor.
func (r *reader) readFile(f File) error {
	from := origin{file: f.Name}
	if bad := yamltree.Small.CheckSize(f.Data); bad != nil {
		e := from.at(1, 1)
		e.Problem = bad.Problem
		return e
	}
	text, err := charset.UTF8(f.Data)
	if err != nil {
		e := from.at(1, 1)
		e.Problem = err.Error()
		return e
	}
	return r.read(from, text)
}

// read takes in every document of a file, or of a ConfigMap's text.
func (r *reader) read(from origin, data []byte) error {
	parts := split(data)
	if most := yamltree.Small.Documents; len(parts) > most {
		e := from.at(parts[most].line, 1)
		e.Problem = fmt.Sprintf("more than %d documents", most)
		return e
	}
	for _, part := range parts {
		r.from = from.below(part.line)
		body, err := r.parse(part.data)
		if err != nil {
			return err
		}
		d, err := r.document(body, part.data)
		if err != nil {
			return err
		}
		if d == nil {
			continue
		}
		if r.docs[d.kind] != nil {
			r.refuse(d.body, "", "a second %s", d.kind)
			continue
		}
		r.docs[d.kind] = d
	}
	return nil
}

// document checks one document's shape, and returns nil when there is nothing
// in it for us. A ConfigMap's text is read on the way.
func (r *reader) document(body ast.Node, data []byte) (*document, error) {
	if body == nil || body.Type() == ast.NullType {
		return nil, nil
	}
	entries, ok := r.entries(body, "")
	if !ok {
		return nil, nil
	}
	var apiVersion, kind string
	for _, e := range entries {
		switch e.key {
		case "apiVersion":
			apiVersion, _ = r.text(e.value, "apiVersion")
		case "kind":
			kind, _ = r.text(e.value, "kind")
		}
	}
	if apiVersion == "" || kind == "" {
		r.refuse(body, "", "a document without apiVersion or kind")
		return nil, nil
	}
	if apiVersion == "v1" && (kind == configMapKind || strings.HasSuffix(kind, listKind)) {
		r.others = append(r.others, kind)
	}
	if apiVersion == "v1" && kind == configMapKind {
		return nil, r.configMap(body, data)
	}
	if apiVersion == "v1" && strings.HasSuffix(kind, listKind) {
		return nil, r.list(body, data)
	}
	name, ours := strings.CutPrefix(apiVersion, group)
	if !ours {
		return nil, r.foreign(body, apiVersion, kind)
	}
	v := slices.Index(versions, name)
	if v < 0 {
		r.refuse(body, "", "%s", unknownVersion(apiVersion, name))
		return nil, nil
	}
	if slices.Contains(others, kind) {
		r.others = append(r.others, kind)
		return nil, nil
	}
	fields, ok := kinds[kind]
	if !ok {
		near := nearest.Hint(kind, maps.Keys(kinds))
		for known := range kinds {
			if strings.HasPrefix(known, kind) { // ClusterConfig
				near = fmt.Sprintf("; did you mean %s?", known)
			}
		}
		if near != "" {
			r.refuse(body, "", "%s has no kind %s%s", apiVersion, kind, near)
			return nil, nil
		}
		r.note(body, "", "%s has no kind %s: the document is left out, as kubeadm leaves it out", apiVersion, kind)
		return nil, nil
	}
	d := &document{kind: kind, version: version(v), from: r.from, body: body, values: make(map[string]value)}
	r.walk(d, kind, fields, body)
	return d, nil
}

// foreign passes over a kind of somebody else's, unless it is one of kubeadm's under a
// group that is mistyped.
func (r *reader) foreign(body ast.Node, apiVersion, kind string) error {
	r.others = append(r.others, kind)
	theirs, _, _ := strings.Cut(apiVersion, "/")
	own := strings.TrimSuffix(group, "/")
	_, near := nearest.Name(theirs, slices.Values([]string{own}))
	if kinds[kind] != nil && (near || theirs == own) {
		r.refuse(body, "", "apiVersion %s is not kubeadm's, which is %s; did you mean %s%s?", apiVersion,
			group+"VERSION", group, versions[beta4])
	}
	return nil
}

// nothing says that there is no configuration, and what there is.
func (r *reader) nothing() string {
	none := "no ClusterConfiguration, InitConfiguration or JoinConfiguration in it"
	switch most := 5; {
	case len(r.others) == 0:
		return none + ", and no other document"
	case len(r.others) > most:
		return fmt.Sprintf("%s, but %s and %d more", none, strings.Join(r.others[:most], ", "), len(r.others)-most)
	}
	return none + ", but " + strings.Join(r.others, ", ")
}

// unknownVersion says of what time an API version is that is not read here.
func unknownVersion(apiVersion, name string) string {
	read := fmt.Sprintf("%s to %s and %s are read", versions[0], versions[beta4], versions[stable])
	if strings.HasPrefix(name, "v1alpha") {
		return fmt.Sprintf("apiVersion %s is of kubeadm 1.14 or older; %s, and Kubernetes 1.17 is the oldest release",
			apiVersion, read)
	}
	return fmt.Sprintf("apiVersion %s is none that kubeadm 1.37 or older has; %s%s", apiVersion, read,
		nearest.Hint(name, slices.Values(versions)))
}

// cluster takes over what the ClusterConfiguration says. d may be nil.
func (r *reader) cluster(c *Config, d *document) {
	if d == nil {
		return
	}
	r.from = d.from
	c.HasCluster = true
	c.KubernetesVersion = r.checked(d, "kubernetesVersion", Release)
	c.ClusterName = r.checked(d, "clusterName", nil)
	c.CertificatesDir = r.checked(d, "certificatesDir", checkAbsolute)
	c.ControlPlaneEndpoint = r.checked(d, "controlPlaneEndpoint", checkEndpoint)
	c.ServiceSubnet = r.checked(d, "networking.serviceSubnet", checkSubnets)
	c.DNSDomain = r.checked(d, "networking.dnsDomain", checkDomain)
	c.CertSANs = r.sans(d, "apiServer.certSANs", strings.ToLower)
	c.EtcdServerCertSANs = r.sans(d, "etcd.local.serverCertSANs", nil)
	c.EtcdPeerCertSANs = r.sans(d, "etcd.local.peerCertSANs", nil)
	c.Validity = r.duration(d, "certificateValidityPeriod")
	c.CAValidity = r.duration(d, "caCertificateValidityPeriod")
	c.EncryptionAlgorithm = r.checked(d, "encryptionAlgorithm", checkAlgorithm)

	if gate := d.values["featureGates."+keysGate]; gate.on {
		if c.EncryptionAlgorithm != "" && c.EncryptionAlgorithm != ecdsaP256 {
			r.refuse(
				gate.node,
				clusterKind+".featureGates.PublicKeysECDSA",
				"contradicts encryptionAlgorithm %s",
				c.EncryptionAlgorithm,
			)
		}
		c.EncryptionAlgorithm = ecdsaP256
	}
	external, hasExternal := d.values["etcd.external"]
	if _, hasLocal := d.values["etcd.local"]; hasExternal && hasLocal {
		r.refuse(external.node, clusterKind+".etcd.external", "stands beside local, etcd is one or the other")
	}
	c.ExternalEtcd = hasExternal
	c.EtcdCAFile = r.checked(d, "etcd.external.caFile", checkAbsolute)
	c.EtcdCertFile = r.checked(d, "etcd.external.certFile", checkAbsolute)
	c.EtcdKeyFile = r.checked(d, "etcd.external.keyFile", checkAbsolute)
}

// node takes over what Init- and JoinConfiguration say. Both may be nil.
func (r *reader) node(c *Config, init, join *document) {
	c.Join = join != nil && init == nil
	for _, from := range []struct {
		doc      *document
		endpoint string
	}{{init, "localAPIEndpoint."}, {join, "controlPlane.localAPIEndpoint."}} {
		if from.doc == nil {
			continue
		}
		r.from = from.doc.from
		r.agree(from.doc, "nodeRegistration.name", &c.NodeName, r.checked(from.doc, "nodeRegistration.name", checkNodeName))
		r.agree(
			from.doc,
			from.endpoint+"advertiseAddress",
			&c.AdvertiseAddress,
			r.address(from.doc, from.endpoint+"advertiseAddress"),
		)
		if port, ok := from.doc.values[from.endpoint+"bindPort"]; ok {
			where := from.doc.kind + "." + from.endpoint + "bindPort"
			switch {
			case port.number < 0 || port.number > 65535:
				r.refuse(port.node, where, "%d is no port: 1 to 65535, or left out for 6443", port.number)
			case c.BindPort != 0 && c.BindPort != port.number:
				r.refuse(port.node, where, "%d, but the InitConfiguration says %d", port.number, c.BindPort)
			}
			c.BindPort = port.number
		}
	}
}

// agree sets *had, unless the other document has said something else.
func (r *reader) agree(d *document, path string, had *string, text string) {
	if *had != "" && text != "" && *had != text {
		r.refuse(d.values[path].node, d.kind+"."+path, "%s, but the InitConfiguration says %s", text, *had)
	}
	if text != "" {
		*had = text
	}
}
