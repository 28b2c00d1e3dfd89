package install

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"officiant/bundle"
	"officiant/bundle/certfile"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/privatekey"
)

// rotatedKubelet is where a kubelet that rotates its certificate keeps it, with
// its key; kubelet.conf then names this file.
const rotatedKubelet = "var/lib/kubelet/pki/kubelet-client-current.pem"

// Standing is what a node has installed from a cluster that Officiant did not make.
type Standing struct {
	Authorities   map[kubepki.Authority]*x509.Certificate // those its trust files hold
	Leaves        map[string]*InUse                       // by Leaf.Name, with their keys
	AccountKey    []byte                                  // sa.key as it lies there; nil where there is none. The caller clears it
	AccountPublic []byte                                  // its public half, PEM
}

// Standing reads what the node has in place and looks whether it can be brought
// in: one self-signed authority in each trust file, each with a key of its own,
// and every certificate the node needs, by its family's authority, with its key.
// A *Refused names all that is missing. No authority's private key is read.
func (n *Node) Standing(c kubepki.Cluster, node kubepki.Node) (*Standing, error) {
	if err := n.below().contained("var/lib/kubelet/pki"); err != nil {
		return nil, err
	}
	leaves, err := kubepki.Leaves(c, node)
	if err != nil {
		return nil, err
	}
	files, err := kubepki.Files(c, node)
	if err != nil {
		return nil, err
	}
	r := &standing{credentials: n.credentials(), now: n.Now, facts: node, cluster: c, external: c.ExternalEtcd,
		found: &Standing{Authorities: map[kubepki.Authority]*x509.Certificate{}, Leaves: map[string]*InUse{}}}
	for _, f := range files {
		switch f.Kind {
		case kubepki.TrustFile:
			r.authority(f)
		case kubepki.ServiceAccountKey:
			r.account(f.Place)
		}
	}
	r.apart()
	for _, l := range leaves {
		r.leaf(l)
	}
	if len(r.findings) > 0 {
		clear(r.found.AccountKey)
		return nil, &Refused{"this node cannot be adopted as it is", r.findings}
	}
	return r.found, nil
}

// standing collects what a node has, and what is wrong with it.
type standing struct {
	credentials
	now      func() time.Time
	facts    kubepki.Node
	cluster  kubepki.Cluster
	external bool // etcd is
	found    *Standing
	findings []bundle.Finding
}

func (r *standing) add(file, format string, args ...any) {
	f := bundle.Finding{File: underRoot(file), Problem: fmt.Sprintf(format, args...)}
	f.File, f.Problem = r.once(f.File, f.Problem)
	r.findings = append(r.findings, f)
}

// once names a file once: a problem that begins with a path is that file's. Errors of the
// system have the path that was opened, and whose it is stands before already.
func (r *standing) once(file, problem string) (string, string) {
	rest := problem
	for _, call := range []string{"read ", "open ", "lstat ", "stat "} {
		rest = strings.TrimPrefix(rest, call)
	}
	at, is, ok := strings.Cut(rest, ": ")
	if link, what, cut := strings.Cut(rest, " is a link "); cut && len(link) < len(at) {
		at, is, ok = link, "is a link "+what, true
	}
	here := r.root
	if !strings.HasSuffix(here, "/") {
		here += "/"
	}
	switch {
	case !ok:
		return file, problem
	case strings.TrimPrefix(at, here) == file:
		return file, is
	case strings.HasPrefix(at, here) && !strings.Contains(at, " "):
		return strings.TrimPrefix(at, here), is
	}
	return file, problem
}

func (r *standing) authority(f kubepki.File) {
	data, err := r.files.ReadFile(r.at(f.Place))
	if missing := errors.Is(err, fs.ErrNotExist); missing && f.Authority == kubepki.EtcdAuthority && r.external {
		r.add(f.Place, "is not there. %s", externalEtcd)
		return
	} else if missing {
		r.add(f.Place, "is not there; every node of the cluster that has one has the same: copy it from there")
		return
	}
	if err != nil {
		r.add(f.Place, "%v", plain(err))
		return
	}
	list, err := certfile.PEM(data)
	list = slices.CompactFunc(list, (*x509.Certificate).Equal) // twice the same is one
	switch {
	case err != nil:
		r.add(f.Place, "%v", err)
	case len(list) > 1 && list[0].CheckSignatureFrom(list[1]) == nil:
		r.add(f.Place, "holds %s and what certified it, %s: an external authority, and no hierarchy of kubeadm's own",
			list[0].Subject, list[1].Subject)
	case len(list) != 1:
		r.add(f.Place, "holds %d certificates, not one: finish the change of authorities that is under way first",
			len(list))
	case !bytes.Equal(list[0].RawSubject, list[0].RawIssuer):
		r.add(f.Place,
			"%s is not self-signed: it is below the external authority %s, and no hierarchy of kubeadm's own",
			list[0].Subject, list[0].Issuer)
	case r.now().After(list[0].NotAfter):
		r.add(
			f.Place,
			"%s expired on %s: nothing in this cluster is valid any more",
			list[0].Subject,
			list[0].NotAfter.UTC().Format(time.DateOnly),
		)
	default:
		r.found.Authorities[f.Authority] = list[0]
	}
}

// apart refuses an authority that is two families' at once: in a trust file that
// has it beside a new one, whatever it certified logs in as before, and no stage
// tells the families apart.
func (r *standing) apart() {
	all := r.found.Authorities
	families := slices.Sorted(maps.Keys(all))
	for i, a := range families {
		for _, b := range families[i+1:] {
			if sameKey(all[a].PublicKey, all[b].PublicKey) {
				r.add(
					r.cluster.Places.Dir(),
					"the %s and %s authorities are one key: whoever has a certificate of one is taken by the other, so the cluster "+
						"cannot be moved family by family. Give them authorities of their own first, as kubeadm makes them",
					a,
					b,
				)
			}
		}
	}
}

func (r *standing) leaf(l kubepki.Leaf) {
	u, err := r.inUse(l)
	if err != nil && l.Kubeconfig != nil && r.rotates(l.Place) {
		u, err = r.rotated(l)
	}
	issuer := r.found.Authorities[l.Authority]
	switch {
	case err != nil:
		r.add(l.Place, "%v", err)
	case len(u.Chain) == 0 || u.Key == nil:
		r.missing(l, u)
	case u.Chain[0].IsCA:
		r.add(l.Place, "is a CA certificate")
	case r.now().After(u.Chain[0].NotAfter):
		r.add(l.Place, "expired on %s: renew it first, %s", u.Chain[0].NotAfter.UTC().Format(time.DateOnly), r.renew(l))
	case issuer != nil && u.Chain[0].CheckSignatureFrom(issuer) != nil:
		r.add(l.Place, "was not signed by the %s authority this node trusts (%s): %v", l.Authority, issuer.Subject,
			u.Chain[0].CheckSignatureFrom(issuer))
	default:
		for _, problem := range kubepki.NotOf(u.Chain[0], r.facts, l) {
			r.add(l.Place, "%s", problem)
		}
		r.found.Leaves[l.Name] = u
	}
}

// externalEtcd says why kubeadm makes no etcd files, and what would be taken.
const externalEtcd = "The cluster's etcd is external: kubeadm makes no such file and passes over the phase, and " +
	"the API server uses what etcd.external names in the kubeadm file (caFile, certFile, keyFile), which is " +
	"where this was looked for: name there the files that the API server's manifest names"

// missing names what makes a leaf that is not there.
func (r *standing) missing(l kubepki.Leaf, u *InUse) {
	what, away := "is not there", ""
	switch {
	case len(u.Chain) > 0 && l.Kubeconfig != nil:
		what, away = "has a certificate, and no private key", "move it away, and "
	case len(u.Chain) > 0:
		what, away = fmt.Sprintf("is there, and its private key %s is not", l.KeyPlace), "move it away, and "
	case u.Key != nil && l.Kubeconfig == nil:
		what, away = fmt.Sprintf("is not there, and its private key %s is", l.KeyPlace), "move that away, and "
	default:
		if there, _ := r.there(strings.TrimPrefix(l.Place, "/")); there {
			what, away = "has neither a client certificate nor a private key", "move it away, and "
		}
	}
	switch {
	case r.external && l.Authority == kubepki.EtcdAuthority && !r.facts.Has(kubepki.Etcd):
		r.add(l.Place, "%s. %s", what, externalEtcd)
	default: // kubeadm keeps what is there, and stops at half of it
		r.add(l.Place, "%s; %swhile its authority's key is at hand, %s makes it", what, away, remake(l))
	}
}

// remake is the kubeadm command that makes a missing certificate. The phase wants
// nothing in the way: it keeps what is there.
func remake(l kubepki.Leaf) string {
	name := strings.TrimSuffix(strings.ReplaceAll(l.Name, "/", "-"), ".conf")
	if l.Kubeconfig != nil {
		return "kubeadm init phase kubeconfig " + name
	}
	return "kubeadm init phase certs " + name
}

// renew is what renews a leaf that has ended. kubeadm's own command leaves the
// kubelet's out.
func (r *standing) renew(l kubepki.Leaf) string {
	if l.Name == "kubelet.conf" {
		return fmt.Sprintf("where the authority's key is: kubeadm kubeconfig user --org system:nodes --client-name "+
			"system:node:%s > %s; "+
			"put that file in place of this node's, remove %s, and restart the kubelet", r.facts.Name, l.File, rotatedKubelet)
	}
	return "with kubeadm certs renew " + strings.ReplaceAll(l.Name, "/", "-")
}

// rotates says whether a kubeconfig names the file of a kubelet that rotates.
func (r *standing) rotates(file string) bool {
	data, err := r.files.ReadFile(r.at(file))
	defer clear(data)
	return err == nil && bytes.Contains(data, []byte("/"+rotatedKubelet))
}

// rotated reads certificate and key of a kubelet that rotates them.
func (r *standing) rotated(l kubepki.Leaf) (*InUse, error) {
	data, err := r.files.ReadFile(r.at(rotatedKubelet))
	if err != nil {
		return nil, plain(err)
	}
	defer clear(data)
	u := &InUse{File: r.at(rotatedKubelet)}
	if u.Chain, err = certfile.PEM(data); err != nil {
		return nil, fmt.Errorf("%s: %w", u.File, err)
	}
	if u.Key, err = privatekey.Read(data); err != nil {
		return nil, fmt.Errorf("%s: %w", u.File, err)
	}
	return u, u.matches(l)
}

// account takes the service-account pair; kubeadm never looks whether it is one.
func (r *standing) account(path string) {
	data, err := r.files.ReadFile(r.at(path))
	if errors.Is(err, fs.ErrNotExist) {
		r.add(path, "is not there; every control-plane node has the same: copy it from another one")
		return
	}
	if err != nil {
		r.add(path, "%v", plain(err))
		return
	}
	key, err := privatekey.Read(data)
	if err != nil {
		clear(data)
		r.add(path, "%v", err)
		return
	}
	public, err := publicPEM(key.Public())
	if err != nil {
		clear(data)
		r.add(path, "%v", err)
		return
	}
	r.found.AccountKey, r.found.AccountPublic = data, public
	r.accountPublic(strings.TrimSuffix(path, ".key")+".pub", key.Public())
}

// accountPublic holds sa.pub against sa.key: the bundle's has that key's public half
// alone. A file that is not there, or that Kubernetes does not read either, says nothing.
func (r *standing) accountPublic(path string, own crypto.PublicKey) {
	rest, err := r.files.ReadFile(r.at(path))
	if err != nil {
		return
	}
	keys, others := 0, 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if pub, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil && block.Type == "PUBLIC KEY" {
			if keys++; !sameKey(pub, own) {
				others++
			}
		}
	}
	switch {
	case keys > 0 && others == keys:
		r.add(path, "does not hold the public half of sa.key, so the API server refuses every token that is signed "+
			"with that; openssl pkey -in sa.key -pubout makes it")
	case others > 0:
		r.add(path, "holds %d public keys besides that of sa.key, and their tokens would be refused from the first "+
			"bundle on; once none of these is in use, leave that of sa.key alone in it", others)
	}
}

// plain is an error about a file without its name, which stands beside it.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func holdsCertificate(data []byte, want fingerprint.SHA256) bool {
	list, err := certfile.PEM(data)
	return err == nil &&
		slices.ContainsFunc(list, func(c *x509.Certificate) bool { return fingerprint.Of(c.Raw) == want })
}

func publicPEM(pub crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}
