package kubepki

import "slices"

// cutover is a change between releases. It may have been brought back to
// patch releases of older minors.
type cutover struct {
	at        Version
	backports []Version
}

func from(major, minor, patch int, backports ...Version) cutover {
	return cutover{Version{major, minor, patch}, backports}
}

// reached says whether the change is in release v.
func (c cutover) reached(v Version) bool {
	return v.Compare(c.at) >= 0 || slices.ContainsFunc(c.backports, func(b Version) bool {
		return v.Major == b.Major && v.Minor == b.Minor && v.Patch >= b.Patch
	})
}

// since is a fact that holds from a cutover on, until the next one of its list.
type since[T any] struct {
	cutover cutover
	value   T
}

// at returns the last fact of the list that release v has reached.
func at[T any](facts []since[T], v Version) T {
	var value T
	for _, f := range facts {
		if f.cutover.reached(v) {
			value = f.value
		}
	}
	return value
}

// The cutovers, each once. PR numbers are kubernetes/kubernetes.
var (
	always = from(1, 17, 0)
	// PR 94398: controller-manager.conf and scheduler.conf point at their own API server.
	localControllers = from(1, 20, 0)
	// The API server signs service-account tokens itself.
	tokenSigning = from(1, 20, 0)
	// PRs 121305, 121837, 120521, 119859: system:masters is gone from all but super-admin.conf.
	withoutMasters = from(1, 29, 0)
	// Feature gate ControlPlaneKubeletLocalMode, on by default: a control-plane
	// node has its kubelet talk to its own API server.
	localKubelets = from(1, 33, 0)
	// PR 123102: kubeadm takes a kubeconfig whose CA data holds more than the first
	// certificate of ca.crt; before, it compared the two byte for byte.
	severalInKubeconfig = from(1, 31, 0)
	// PR 138957 and its cherry-picks 138958, 138959, 138960, 138964.
	kubeletClientWithoutGroup = from(1, 37, 0,
		Version{1, 33, 12}, Version{1, 34, 8}, Version{1, 35, 5}, Version{1, 36, 1})
)

// kubeadmAPIs are the newest versions of kubeadm's configuration API that a
// release reads (kubeadm.k8s.io).
var kubeadmAPIs = []since[string]{
	{always, "v1beta2"}, {from(1, 22, 0), "v1beta3"}, {from(1, 31, 0), "v1beta4"},
}

// SeveralInKubeconfig says whether kubeadm of that release takes a kubeconfig
// that trusts more than one authority.
func SeveralInKubeconfig(v Version) bool { return severalInKubeconfig.reached(v) }

// signingControllers are kube-controller-manager's names for the controller that signs
// certificates (cmd/kube-controller-manager/names): the former is understood later, too.
var signingControllers = []since[string]{
	{always, "csrsigning"}, {from(1, 28, 0), "certificatesigningrequest-signing-controller"},
}

// SigningController is what a release calls the controller that signs certificates.
func SigningController(v Version) string { return at(signingControllers, v) }

// KubeadmAPI is the version of kubeadm's configuration API to write for a release.
func KubeadmAPI(v Version) string { return at(kubeadmAPIs, v) }
