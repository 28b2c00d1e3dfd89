package audit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
)

// What is in grant.json, in its order: docs/formats/grant.md.
type (
	grantText struct {
		APIVersion    string           `json:"apiVersion"`
		Kind          string           `json:"kind"`
		Cluster       string           `json:"cluster"`
		Sequence      int              `json:"sequence"`
		NotBefore     string           `json:"notBefore"`
		NotAfter      string           `json:"notAfter"`
		JournalKey    string           `json:"journalKey"`
		Authorities   []grantAuthority `json:"authorities"`
		KeyAlgorithms []string         `json:"keyAlgorithms"`
		Reserved      grantReserved    `json:"reserved"`
		RefusedKeys   []string         `json:"refusedKeys"`
		Nodes         []grantNode      `json:"nodes"`
		Users         []grantUser      `json:"users"`
	}
	grantAuthority struct {
		SignerName  string `json:"signerName"`
		Name        string `json:"name"`
		Certificate string `json:"certificate"`
		Life        string `json:"life"`
	}
	grantReserved struct {
		DNSNames []string `json:"dnsNames"`
		Networks []string `json:"networks"`
	}
	grantNode struct {
		Name        string   `json:"name"`
		Roles       []string `json:"roles"`
		DNSNames    []string `json:"dnsNames"`
		IPAddresses []string `json:"ipAddresses"`
		PerDay      int      `json:"signaturesPerDay"`
		Bootstrap   string   `json:"bootstrap,omitempty"`
	}
	grantUser struct {
		Name      string   `json:"name"`
		Groups    []string `json:"groups"`
		Requester string   `json:"requester"`
		PerDay    int      `json:"signaturesPerDay"`
	}
)

// grant holds grant.json and its signature against plan and record, out of which it is
// written again. It shares nothing with what made it.
func (a *bundleAudit) grant(c *Check) {
	if !a.plan.Plan.Grant.Given() {
		return
	}
	name, signature := a.marked(schedule.GrantFile), a.marked(schedule.GrantFile+".sig")
	a.expect(name, signature)
	s := a.ledger.signed[schedule.GrantName]
	if s == nil {
		c.problem("%s: no signature of it is on record", name)
		return
	}
	want, err := a.grantAgain()
	if err != nil {
		c.problem("%s: %v", name, err)
		return
	}
	if fingerprint.Of(want) != s.sum {
		c.problem("line %d: what was signed as the grant is not what plan and record make it", s.result)
	}
	if err := a.same(name, want); err != nil {
		c.problem("%v", err)
	}
	if err := a.same(signature, s.signature); err != nil {
		c.problem("%v", err)
	}
}

// grantAgain writes the grant.
func (a *bundleAudit) grantAgain() ([]byte, error) {
	p, open := &a.plan.Plan.Grant, a.t.Open()
	from := a.ledger.notBefore(a.t)
	until := from.Add(time.Duration(p.Validity))
	t := grantText{APIVersion: "officiant/v1", Kind: "Grant", Cluster: open.Cluster, Sequence: open.Sequence,
		JournalKey: p.Journal.String(), Nodes: []grantNode{}, Users: []grantUser{}}
	for _, algorithm := range p.KeyAlgorithms {
		t.KeyAlgorithms = append(t.KeyAlgorithms, string(algorithm))
	}
	issuing := map[kubepki.Authority]plan.Authority{}
	keys := slices.Clone(p.RefusedKeys)
	for _, by := range a.plan.Plan.Authorities {
		if by.Use == plan.Issue {
			issuing[by.Family] = by
		}
		if cert := a.authority(by.Name); cert != nil {
			keys = append(keys, fingerprint.Of(cert.RawSubjectPublicKeyInfo))
		}
	}
	if key := a.ledger.release(); key != nil {
		keys = append(keys, key.SPKI)
	}
	sign := func(signerName string, family kubepki.Authority) {
		by, ok := issuing[family]
		cert := a.authority(by.Name)
		if !ok || cert == nil {
			return
		}
		if cert.NotAfter.Before(until) {
			until = cert.NotAfter
		}
		t.Authorities = append(t.Authorities, grantAuthority{signerName, by.Name, string(certificatePEM(cert.Raw)),
			time.Duration(p.Life).String()})
	}
	sign("kubernetes.io/kube-apiserver-client-kubelet", kubepki.KubeletClientAuthority)
	sign("kubernetes.io/kubelet-serving", kubepki.KubeletServingAuthority)
	if len(p.Users) > 0 {
		sign("kubernetes.io/kube-apiserver-client", kubepki.KubeletClientAuthority)
	}
	t.NotBefore, t.NotAfter = from.UTC().Format(time.RFC3339), until.UTC().Format(time.RFC3339)
	slices.SortFunc(keys, func(x, y fingerprint.SHA256) int { return bytes.Compare(x[:], y[:]) })
	t.RefusedKeys = texts(slices.Compact(keys))
	t.Reserved = a.grantReserved(p)
	for _, n := range p.Nodes {
		t.Nodes = append(t.Nodes, grantNode{n.Name, plainTexts(n.Roles), plainTexts(n.DNSNames), texts(n.IPAddresses),
			n.SignaturesPerDay, n.Bootstrap})
	}
	for _, u := range p.Users {
		t.Users = append(t.Users, grantUser{u.Name, plainTexts(u.Groups), u.Requester, u.SignaturesPerDay})
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(t)
	return out.Bytes(), err
}

// grantReserved are the API server's names and addresses that no node of the grant has,
// the service networks, and what the plan adds.
func (a *bundleAudit) grantReserved(p *plan.Grant) grantReserved {
	r := grantReserved{DNSNames: slices.Clone(p.Reserved.DNSNames), Networks: texts(p.Reserved.Networks)}
	cluster := a.plan.Cluster
	api := slices.Concat(cluster.CertSANs, cluster.Overrides["kube-apiserver"].ExtraSANs)
	if endpoint := cluster.ControlPlaneEndpoint; endpoint != "" {
		host := endpoint
		if at, err := netip.ParseAddrPort(endpoint); err == nil {
			host = at.Addr().String()
		} else if i := strings.LastIndexByte(endpoint, ':'); i > 0 && strings.Count(endpoint, ":") == 1 {
			host = endpoint[:i]
		}
		api = append(api, strings.Trim(host, "[]"))
	}
	for _, s := range api {
		addr, err := netip.ParseAddr(s)
		ofNode := slices.ContainsFunc(p.Nodes, func(n plan.GrantNode) bool {
			return slices.Contains(n.DNSNames, strings.ToLower(s)) ||
				err == nil && slices.Contains(n.IPAddresses, addr.Unmap())
		})
		switch {
		case ofNode:
		case err == nil:
			r.Networks = append(r.Networks, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()).String())
		default:
			r.DNSNames = append(r.DNSNames, strings.ToLower(s))
		}
	}
	for s := range strings.SplitSeq(cluster.ServiceSubnet, ",") {
		if prefix, err := netip.ParsePrefix(s); err == nil {
			r.Networks = append(r.Networks, prefix.Masked().String())
		}
	}
	return grantReserved{sorted(r.DNSNames), sorted(r.Networks)}
}

func sorted(list []string) []string {
	list = append([]string{}, list...)
	slices.SortFunc(list, cmp.Compare[string])
	return slices.Compact(list)
}

func texts[T interface{ String() string }](list []T) []string {
	out := []string{}
	for _, v := range list {
		out = append(out, v.String())
	}
	return out
}

func plainTexts[T ~string](list []T) []string {
	out := []string{}
	for _, v := range list {
		out = append(out, string(v))
	}
	return out
}
