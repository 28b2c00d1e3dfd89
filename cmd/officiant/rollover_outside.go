package main

import (
	"fmt"
	"slices"

	"officiant/bundle/kubepki"
	"officiant/ceremony/next"
)

// place is something that trusts an authority and that no bundle reaches.
type place struct {
	families []kubepki.Authority
	stages   []next.Stage
	what     string
	commands []string
}

var (
	ofKubernetes = []kubepki.Authority{kubepki.KubernetesAuthority}
	whenTrusted  = []next.Stage{next.Trust, next.Drop} // what is trusted changes
	always       = []next.Stage{next.Trust, next.Issue, next.Drop}
)

// beyondBundles lists what lies outside bundles, with the commands to see or change it.
// ca.crt stands for /etc/kubernetes/pki/ca.crt of a control-plane node that has
// installed the stage.
var beyondBundles = []place{
	{ofKubernetes, whenTrusted, "cluster-info, which kubeadm join reads (if the cluster has it): put ca.crt into it",
		[]string{
			"kubectl -n kube-public get configmap cluster-info -o jsonpath='{.data.kubeconfig}' >cluster-info.conf",
			`sed -i "s|certificate-authority-data:.*|certificate-authority-data: ` +
				`$(base64 -w0 /etc/kubernetes/pki/ca.crt)|" cluster-info.conf`,
			`kubectl -n kube-public patch configmap cluster-info --type merge ` +
				`-p "$(jq -Rs '{data: {kubeconfig: .}}' cluster-info.conf)"`,
		}},
	{ofKubernetes, []next.Stage{next.Issue, next.Drop}, "--discovery-token-ca-cert-hash of join commands that are " +
		"written down somewhere: it is now",
		[]string{"openssl x509 -in /etc/kubernetes/pki/ca.crt -noout -pubkey | openssl pkey -pubin -outform DER | " +
			"sha256sum"}},
	{ofKubernetes, whenTrusted, "kube-root-ca.crt, which every pod has: kube-controller-manager rewrites it once " +
		"it is restarted; restart programs that read it only at startup",
		[]string{"kubectl get configmap kube-root-ca.crt -o jsonpath='{.data.ca\\.crt}' | grep -c BEGIN"}},
	{ofKubernetes, whenTrusted, "webhooks, API services and CRD conversions whose caBundle is this authority: give " +
		"each what ca.crt holds",
		[]string{
			`kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations -o json | ` +
				`jq -r '.items[] | .metadata.name as $n | .webhooks[]? | ` +
				`select(.clientConfig.caBundle) | "\($n) \(.name)"'`,
			`kubectl get apiservices -o json | jq -r '.items[] | select(.spec.caBundle) | .metadata.name'`,
			`kubectl get customresourcedefinitions -o json | jq -r '.items[] | select(.spec.conversion.webhook.clientConfig.caBundle) | .metadata.name'`,
		}},
	{ofKubernetes, always, "kubeconfigs outside /etc/kubernetes (people's, CI's, copies of admin.conf): each needs " +
		"the new authorities before the drop, and a certificate by the new one",
		[]string{"kubectl config view --raw -o jsonpath='{.users[*].user.client-certificate-data}' | base64 -d | " +
			"openssl x509 -noout -issuer -enddate"}},
	{ofKubernetes, always, "kubelets whose certificates a signer in the cluster rotates: that signer has to be of " +
		"the new authority, too",
		[]string{"openssl x509 -in /var/lib/kubelet/pki/kubelet-client-current.pem -noout -issuer"}},
	{[]kubepki.Authority{kubepki.FrontProxyAuthority}, whenTrusted, "extension API servers: kube-apiserver writes " +
		"what they trust; check that it is there, and restart those that read it only once",
		[]string{`kubectl -n kube-system get configmap extension-apiserver-authentication -o jsonpath='{.data.requestheader-client-ca-file}' | grep -c BEGIN`}},
	{[]kubepki.Authority{kubepki.EtcdAuthority}, always, "clients of etcd that keep their files elsewhere (backups, " +
		"monitoring): give each what etcd/ca.crt holds, and before the drop a certificate by the new authority",
		[]string{"openssl crl2pkcs7 -nocrl -certfile /etc/kubernetes/pki/etcd/ca.crt | openssl pkcs7 -print_certs -noout"}},
	{[]kubepki.Authority{kubepki.Root}, whenTrusted, "each node's operator, who has to compare the new root's " +
		"words, as they are read out in the room, before its first bundle with it is installed",
		[]string{"officiant-node install BUNDLE --release-key release.pub --new-root FINGERPRINT"}},
	{[]kubepki.Authority{kubepki.Root}, whenTrusted, "whoever pinned the root (officiant ceremony verify --root, " +
		"officiant-node verify --root-ca): both fingerprints hold until the drop, then the new one alone",
		nil},
}

// outside says what no bundle of the stage reaches.
func (o *rolloverOptions) outside(r *next.Rollover) error {
	switch {
	case o.account:
		return o.tokens(r)
	case o.lost:
		return o.replaced(r.Release)
	case o.release && next.Stage(o.stage) == next.Trust:
		return o.announced(r.Release)
	case o.release:
		return o.succeeded(r.Release)
	}
	return o.beyond(r.Moves)
}

// beyond lists what the stage has to do with and no bundle reaches.
func (o *rolloverOptions) beyond(moves []next.Move) error {
	first := true
	for _, p := range beyondBundles {
		concerned := slices.ContainsFunc(moves, func(m next.Move) bool { return slices.Contains(p.families, m.Family) })
		if !concerned || !slices.Contains(p.stages, next.Stage(o.stage)) {
			continue
		}
		if first {
			fmt.Fprint(o.Stdout, "\nOutside bundles, once this stage is installed:\n")
			first = false
		}
		if _, err := fmt.Fprintf(o.Stdout, "\n- %s\n", p.what); err != nil {
			return err
		}
		for _, c := range p.commands {
			fmt.Fprintf(o.Stdout, "    %s\n", c)
		}
	}
	return nil
}
