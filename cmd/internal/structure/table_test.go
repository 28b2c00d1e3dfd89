package structure

// row is a package's line in the table. A name that ends in /... stands for
// the package of that name and everything below it.
type row struct {
	pkg string
	may []string
}

// everybody may be imported by every package.
var everybody = []string{"bundle/fingerprint", "bundle/charset", "bundle/nearest", "bundle/yamltree"}

const durable = "bundle/durable"

// table says which of our packages a package may import. Names are relative to
// the module; go.mod's own name is not in them.
var table = []row{
	{"bundle/tree", nil},
	{"bundle/kubelet", nil},
	{"bundle/durable", []string{"bundle/tree"}},
	{"bundle/fingerprint", nil},
	{"bundle/charset", nil},
	{"bundle/nearest", nil},
	{"bundle/yamltree", nil},
	{"bundle/visible", nil},
	{"bundle/phrase", nil},
	{"bundle/kubepki", []string{"bundle/visible"}},
	{"bundle/privatekey", nil},
	{"bundle/certfile", nil},
	{"bundle/kubeconfig", []string{"bundle/certfile", "bundle/privatekey"}},
	{"bundle/kubeadm", nil},
	{"bundle/seal", nil},
	{"bundle/sshsig", nil},
	{"bundle/request", []string{"bundle/kubepki", "bundle/kubeadm", "bundle/kubeconfig", "bundle/seal",
		"bundle/privatekey", "bundle/sshsig", "bundle/certfile", durable}},
	{"bundle", []string{"bundle/certfile", "bundle/kubepki", "bundle/kubeadm", "bundle/kubeconfig", "bundle/seal",
		"bundle/request", "bundle/privatekey", durable}},
	{"bundle/contents", []string{"bundle", "bundle/kubeconfig", "bundle/privatekey"}},
	{"bundle/install", []string{
		"bundle", "bundle/certfile", "bundle/contents", "bundle/kubepki", "bundle/kubeconfig", "bundle/kubelet",
		"bundle/seal",
		"bundle/privatekey", "bundle/tree", durable}},
	{"bundle/fetch", []string{durable}},
	{"bundle/service", []string{"bundle/kubepki", "bundle/kubeconfig", durable}},
	{"bundle/statement", []string{"bundle", "bundle/install", "bundle/kubepki"}},
	{"bundle/update", []string{"bundle", "bundle/fetch", "bundle/install", "bundle/kubepki", "bundle/statement"}},

	{"signer", nil},
	{"signer/attestation/roots", nil},
	{"signer/attestation", []string{"signer/attestation/roots"}},
	{"signer/pkcs11", []string{"bundle/nearest", "signer", "signer/attestation", "signer/pkcs11/module"}},
	{"signer/pkcs11/module", []string{"signer"}},
	{"signer/backoff", nil},
	{"signer/gcpkms", []string{"signer", "signer/attestation/roots", "signer/backoff"}},
	{"signer/awskms", []string{"signer", "signer/backoff"}},
	{"signer/signertest", []string{"signer"}},
	{"signer/awskms/awskmstest", nil},
	{"signer/gcpkms/gcpkmstest", nil},
	{"signer/pkcs11/pivcard", nil},
	{"signer/pkcs11/pkcs11test", []string{"signer/pkcs11/pivcard"}},

	{"ceremony/revocation", nil},
	{"ceremony/plan", []string{"bundle/kubepki", "bundle/nearest", "bundle/visible", "ceremony/approval",
		"ceremony/revocation", "signer"}},
	{"ceremony/schedule", []string{"ceremony/plan", "ceremony/history", "bundle/certfile", "bundle/kubepki",
		"bundle/kubeadm", "bundle/nearest",
		"bundle/request", "bundle/seal", "ceremony/approval", "ceremony/revocation", "signer",
		"ceremony/online/grant", "ceremony/online/journal", "ceremony/online/proof"}},
	{"ceremony/station", []string{"bundle/visible", "ceremony/preflight", "signer", durable}},
	{"ceremony/approval", []string{"bundle/sshsig", durable}},
	{"ceremony/profile", []string{"ceremony/schedule", "bundle/kubepki"}},
	{"ceremony/lint", []string{"bundle/kubepki", "ceremony/revocation"}},
	{"ceremony/receipt", []string{"ceremony/plan", "ceremony/schedule", "bundle/kubepki"}},
	{"ceremony/issue", []string{"ceremony/lint", "signer", durable}},
	{"ceremony/chain", nil},
	{"ceremony/transcript", []string{"ceremony/chain", durable}},
	{"ceremony/history", []string{"ceremony/transcript", "ceremony/revocation"}},
	{"ceremony/history/historytest", []string{"ceremony/transcript", durable}},
	{"ceremony/comparison", nil},
	{"ceremony/status", []string{"ceremony/comparison", "ceremony/transcript", durable}},
	{"ceremony/quorum", []string{"bundle/seal"}},
	{"ceremony/attestation", []string{"signer/attestation/roots"}},
	{"ceremony/audit", []string{"bundle/phrase", "ceremony/attestation", "ceremony/quorum",
		"ceremony/transcript", "ceremony/history", "ceremony/plan", "ceremony/schedule", "ceremony/online/proof",
		"ceremony/approval", "ceremony/revocation", "bundle", "bundle/kubepki", "bundle/privatekey", durable}},
	{"ceremony/preflight", []string{"signer"}},
	{"ceremony/placement", []string{"bundle/nearest", "ceremony/schedule", "ceremony/station", "signer"}},
	{"ceremony/progress", []string{"ceremony/transcript", "signer", durable}},
	{"ceremony/fleet", []string{"bundle", "bundle/statement", "ceremony/history", durable}},
	{"ceremony/inventory", []string{"ceremony/history", "ceremony/transcript", "ceremony/revocation",
		"ceremony/online/proof"}},
	{"ceremony/next", []string{"ceremony/online/proof", "ceremony/plan", "ceremony/schedule", "ceremony/history",
		"ceremony/transcript",
		"ceremony/revocation", "bundle", "bundle/request", "bundle/install", "bundle/kubepki", "bundle/statement",
		"bundle/kubeadm", "bundle/nearest", "signer", durable}},
	{"ceremony/abandon", []string{"ceremony", "ceremony/approval", "ceremony/history", "ceremony/progress",
		"ceremony/station", "ceremony/transcript", "signer", durable}},
	{"ceremony/report", []string{"ceremony/transcript", "ceremony/plan", "ceremony/schedule", "ceremony/inventory",
		"ceremony/revocation",
		"ceremony/audit", "bundle/kubepki", "bundle/phrase", durable}},
	{"ceremony/online/grant", []string{"signer"}},
	{"ceremony/online/policy", []string{"ceremony/online/grant", "signer"}},
	{"ceremony/online/journal", []string{"ceremony/chain", "signer", durable}},
	{"ceremony/online", []string{"ceremony/chain", "ceremony/issue", "ceremony/lint", "ceremony/profile",
		"ceremony/schedule", "ceremony/online/grant", "ceremony/online/policy", "ceremony/online/journal",
		"bundle/kubepki", "signer", durable}},
	{"ceremony/online/endpoint", []string{"ceremony/online", "ceremony/online/policy"}},
	{"ceremony/online/csrlist", []string{"ceremony/online/policy"}},
	{"ceremony/online/proof", []string{"ceremony/chain", "ceremony/online/grant", "ceremony/online/journal", "signer"}},
	{"ceremony", []string{"bundle/...", "ceremony/...", "signer"}},

	{"softhsm", []string{"bundle/visible", "signer/pkcs11/module"}},

	{"cmd/officiant", []string{"bundle/...", "ceremony/...", "signer", "signer/pkcs11", "signer/pkcs11/module",
		"signer/gcpkms", "signer/awskms", "softhsm", "cmd/internal/..."}},
	{"cmd/officiant-node", []string{"bundle/...", "ceremony/transcript", "cmd/internal/..."}},
	{"cmd/officiant-signer", []string{"bundle", "ceremony/issue", "ceremony/online/...", "ceremony/station", "signer",
		"signer/pkcs11", "signer/pkcs11/module", "signer/gcpkms", "signer/awskms", "cmd/internal/...", durable}},
	{"cmd/bench", []string{"bundle/...", "ceremony/plan", "ceremony/schedule", "ceremony/transcript",
		"ceremony/history", "ceremony/inventory", "signer", "signer/pkcs11", "signer/pkcs11/module",
		"signer/awskms/...", "signer/gcpkms/...", "softhsm"}},
	// Help is folded as everything is; manual pages have the exit codes.
	{"cmd/internal/...", []string{"bundle/visible", "cmd/internal/..."}},

	{"ceremony/online/onlinetest", []string{"ceremony/online/grant", "ceremony/online/policy", "signer"}},
	{"bundle/limittest", nil},
	{"bundle/refusaltest", nil},
	{"bundle/bundletest", []string{"bundle", "bundle/kubepki", "bundle/seal", "bundle/request", "bundle/kubeconfig",
		durable}},
	{"bundle/install/installtest", []string{"bundle/bundletest", "bundle/install", durable}},
	{"ceremony/ceremonytest", []string{"bundle/...", "ceremony/...", "signer", "signer/pkcs11", "signer/pkcs11/module",
		"softhsm"}},
}

// testsOnly may be imported by tests, and by each other. The benchmark is one of
// them: no program has it in it.
var testsOnly = []string{
	"cmd/bench", "signer/signertest", "signer/awskms/awskmstest", "signer/gcpkms/gcpkmstest", "signer/pkcs11/pkcs11test",
	"signer/pkcs11/pivcard",
	"bundle/bundletest", "bundle/install/installtest", "bundle/limittest", "bundle/refusaltest",
	"ceremony/ceremonytest",
	"ceremony/history/historytest", "ceremony/online/onlinetest",
}

// bound says what a package may reach through others. Of our packages it
// reaches nothing that never names, and, where only is given, nothing else
// than that.
type bound struct {
	pkg         string
	only, never []string
	why         string
}

var bounds = []bound{
	{pkg: "bundle/...", only: []string{"bundle/..."},
		why: "a node links it, and a node knows nothing of keys and ceremonies"},
	{pkg: "signer/...", only: []string{"signer/...", "bundle/fingerprint", "bundle/nearest"},
		why: "a backend knows nothing of Kubernetes"},
	{pkg: "ceremony/audit", never: []string{"ceremony/profile", "ceremony/issue", "ceremony/lint", "signer/pkcs11",
		"signer/gcpkms", "signer/awskms"},
		why: "what proves a ceremony must not share code with what carried it out, and needs no token"},
	{pkg: "ceremony/plan", never: []string{"ceremony/transcript", "ceremony/history"},
		why: "a plan is what people review, whatever is on record"},
	{pkg: "ceremony/history",
		only: []string{"ceremony/chain", "ceremony/transcript", "ceremony/revocation", durable, "bundle/tree",
			"bundle/fingerprint"},
		why: "what is on record is read by nobody's rules but the record's own"},
	{pkg: "ceremony/...", never: []string{"signer/pkcs11", "signer/gcpkms", "signer/awskms", "softhsm", "cmd/..."},
		why: "backends are chosen in the program alone"},
	{pkg: "cmd/officiant-node",
		only: []string{"bundle/...", "ceremony/chain", "ceremony/transcript", "cmd/internal/..."},
		why:  "the node's program cannot reach a CA key"},
	{pkg: "cmd/internal/...", only: []string{"cmd/internal/...", "bundle/fingerprint", "bundle/nearest", "bundle/visible"},
		why: "both programs link it"},
}
