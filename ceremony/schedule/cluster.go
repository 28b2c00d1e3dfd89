package schedule

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"officiant/bundle/kubeadm"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
)

// clusterFacts are what a plan and its kubeadm file say of the cluster.
type clusterFacts struct {
	cluster kubepki.Cluster
	kubeadm *kubeadm.Config // nil when the plan names none
	hold    bool            // without them, nothing of the nodes can be expanded
}

// clusterPass puts the facts of the cluster together.
type clusterPass struct {
	base
	facts *clusterFacts
}

func clusterOf(b base) *clusterFacts {
	pass := &clusterPass{b, &clusterFacts{}}
	pass.facts.hold = pass.check()
	return pass.facts
}

// check puts the cluster's facts together: what the plan says, else what its
// kubeadm file says, else kubeadm's defaults. It says whether they hold.
func (b *clusterPass) check() bool {
	in := &b.p.Cluster
	if in.Kubeadm != "" {
		b.readKubeadm(in.Kubeadm)
		if b.facts.kubeadm == nil {
			return false
		}
		merge(in, b.facts.kubeadm)
	} else if in.Name == "" {
		b.Refuse(plan.At{"cluster"}, "the cluster needs a name, or a kubeadm file that says it")
		return false
	}
	facts := kubepki.Cluster{
		Name:                 in.Name,
		Naming:               in.Naming,
		ControlPlaneEndpoint: in.ControlPlaneEndpoint,
		ServiceSubnet:        in.ServiceSubnet,
		DNSDomain:            in.DNSDomain,
		CertSANs:             in.CertSANs,
		EtcdServerCertSANs:   in.EtcdServerCertSANs,
		EtcdPeerCertSANs:     in.EtcdPeerCertSANs,
		ExternalEtcd:         in.ExternalEtcd,
		Places:               b.places(),
		ByHand:               in.Kubeadm == "",
		KubeletServing:       b.p.Has(kubepki.KubeletServingAuthority),
		KubeletClient:        b.p.Has(kubepki.KubeletClientAuthority),
	}
	if in.KubernetesVersion != "" {
		v, err := kubepki.ParseVersion(in.KubernetesVersion)
		if err != nil {
			b.refuseFact("kubernetesVersion", err.Error())
			return false
		}
		facts.KubernetesVersion = v
	}
	for id, o := range in.Overrides {
		if facts.Overrides == nil {
			facts.Overrides = map[string]kubepki.Override{}
		}
		facts.Overrides[id] = kubepki.Override{CommonName: o.CommonName, Organization: o.Organization, ExtraSANs: o.ExtraSANs}
	}
	facts = facts.Complete()
	before := len(b.Problems)
	for _, err := range list(facts.Validate()) {
		b.refuseField(err)
	}
	if len(b.Problems) > before {
		return false
	}
	in.Name, in.Naming, in.ServiceSubnet, in.DNSDomain = facts.Name, facts.Naming, facts.ServiceSubnet, facts.DNSDomain
	b.facts.cluster = facts
	b.warnCluster()
	return true
}

func (b *clusterPass) readKubeadm(name string) {
	where := plan.At{"cluster", "kubeadm"}
	data := b.input(name, where)
	if data == nil {
		return
	}
	cfg, err := kubeadm.Parse(b.Show(name), data)
	for _, err := range list(err) {
		var e *kubeadm.Error
		if !errors.As(err, &e) {
			b.Refuse(where, "%v", err)
			continue
		}
		p := plan.Problem{File: e.File, Line: e.Line, Column: e.Column, Message: e.Problem}
		if e.Field != "" {
			p.Message = e.Field + ": " + p.Message
		}
		b.Problems = append(b.Problems, p)
	}
	if err != nil {
		return
	}
	if !cfg.HasCluster {
		b.RefuseInput(name, "has no ClusterConfiguration")
		return
	}
	for _, v := range []time.Duration{cfg.Validity, cfg.CAValidity} {
		if v == 0 {
			continue
		}
		if err := new(plan.Duration).UnmarshalText([]byte(v.String())); err != nil {
			b.RefuseInput(name, "validity period: %v", err)
		}
	}
	b.facts.kubeadm = cfg
}

// places is where the kubeadm file has certificates lie. Programs before bundles of
// format 5 passed over it, so that what is wrong with it refuses no plan of theirs.
func (b *clusterPass) places() kubepki.Places {
	k := b.facts.kubeadm
	if k == nil {
		return kubepki.Places{}
	}
	p := kubepki.Places{CertificatesDir: k.CertificatesDir, EtcdCAFile: k.EtcdCAFile, EtcdCertFile: k.EtcdCertFile,
		EtcdKeyFile: k.EtcdKeyFile}.Plain()
	if err := p.Validate(); err != nil {
		for _, err := range list(err) {
			b.Warn(plan.At{"cluster", "kubeadm"}, "%v; bundles place all files below /etc/kubernetes/pki", err)
		}
		return kubepki.Places{}
	}
	return p
}

// merge fills what the plan does not say from the kubeadm file.
func merge(in *plan.Cluster, k *kubeadm.Config) {
	fill(&in.Name, k.ClusterName)
	fill(&in.KubernetesVersion, k.KubernetesVersion)
	fill(&in.ControlPlaneEndpoint, k.ControlPlaneEndpoint)
	fill(&in.ServiceSubnet, k.ServiceSubnet)
	fill(&in.DNSDomain, k.DNSDomain)
	if in.CertSANs == nil {
		in.CertSANs = k.CertSANs
	}
	if in.EtcdServerCertSANs == nil {
		in.EtcdServerCertSANs = k.EtcdServerCertSANs
	}
	if in.EtcdPeerCertSANs == nil {
		in.EtcdPeerCertSANs = k.EtcdPeerCertSANs
	}
	in.ExternalEtcd = in.ExternalEtcd || k.ExternalEtcd
}

func fill(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

// refuseField notes a *kubepki.FieldError where the fact was said.
func (b *clusterPass) refuseField(err error) {
	var f *kubepki.FieldError
	if !errors.As(err, &f) {
		b.Refuse(plan.At{"cluster"}, "cluster: %v", err)
		return
	}
	b.refuseFact(f.Field, f.Problem)
}

// refuseFact notes what is wrong with a fact ("certSANs[1]") in the plan, or
// in the kubeadm file when that said it.
func (b *clusterPass) refuseFact(field, problem string) {
	where := append(plan.At{"cluster"}, places(b.p, field)...)
	inline := b.Says(plan.At{"cluster", where[1]})
	if !inline && b.facts.kubeadm != nil && field != "name" {
		b.RefuseInput(b.p.Cluster.Kubeadm, "%s: %s", field, problem)
		return
	}
	b.Refuse(where, "cluster %s: %s", field, problem)
}

// places turns "overrides.admin.conf.organization[0]" into keys and indexes.
func places(p *plan.Plan, field string) plan.At {
	var out plan.At
	if rest, ok := strings.CutPrefix(field, "overrides."); ok {
		for id := range p.Cluster.Overrides { // an id may have dots
			if after, ok := strings.CutPrefix(rest+".", id+"."); ok {
				return append(plan.At{"overrides", id}, places(p, strings.TrimSuffix(after, "."))...)
			}
		}
	}
	if field == "" {
		return nil
	}
	for _, part := range strings.Split(field, ".") {
		key, index, indexed := strings.Cut(strings.TrimSuffix(part, "]"), "[")
		out = append(out, key)
		if n, err := strconv.Atoi(index); indexed && err == nil {
			out = append(out, n)
		}
	}
	return out
}

func (b *clusterPass) warnCluster() {
	v := b.facts.cluster.KubernetesVersion
	if !kubepki.Known(v) {
		b.Warn(plan.At{"cluster", "kubernetesVersion"}, "Kubernetes %s is newer than this program knows; the facts of "+
			"%s are used", v, kubepki.Newest())
	}
	if b.facts.cluster.Name == "kubernetes" {
		b.Warn(plan.At{"cluster"}, `the cluster has kubeadm's default name "kubernetes"; token labels and CA subjects `+
			`carry it, and a second cluster of that name cannot be told apart`)
	}
}

// list takes joined errors apart.
func list(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// validity is what the plan says, else the kubeadm file, else the default.
func validity(d *plan.Duration, kubeadm time.Duration, fallback time.Duration) {
	switch {
	case *d != 0:
	case kubeadm != 0:
		*d = plan.Duration(kubeadm)
	default:
		*d = plan.Duration(fallback)
	}
}
