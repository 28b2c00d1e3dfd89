package manifests

// SigningController is kube-controller-manager's name for what would sign in the relay's
// place (cmd/kube-controller-manager/names, v1.37). Up to v1.27 it was "csrsigning", which
// is still understood. Approver and cleaner stay: the approver is what says of a node's
// first request that its bootstrap token may ask, the cleaner removes what nobody answers.
const SigningController = "certificatesigningrequest-signing-controller"

// Kubelet is a part of each kubelet's configuration.
const Kubelet = `# For every kubelet, in /var/lib/kubelet/config.yaml or a file of --config-dir.
# rotateCertificates: the kubelet asks for its next client certificate itself.
# serverTLSBootstrap: and for one to serve with, in place of one that nobody has signed.
# kubeadm starts kubelets of an external CA with --rotate-certificates=false: take that out
# of /var/lib/kubelet/kubeadm-flags.env, since a flag is above this file.
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
rotateCertificates: true
serverTLSBootstrap: true
`

// Kubeadm is a part of kubeadm's configuration.
const Kubeadm = `# A part of the ClusterConfiguration that kubeadm init and upgrade are given.
# client-ca-file: whom the API server takes for a user. client-ca.crt has the
#   intermediates kubernetes and kubelet-client; ca.crt stays single, and nothing else
#   names client-ca.crt.
# kubelet-certificate-authority: who has certified the kubelets that the API server asks
#   (kubectl logs and exec). It is kubelet-serving alone, and in no client CA. Until every
#   kubelet has a certificate of it, leave this out.
# controllers: without the signing controller nobody but the relay signs, also when a
#   cluster-signing file is given by mistake. "-csrsigning" is its name up to v1.27, and is
#   understood later. Approver and cleaner stay.
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
apiServer:
  extraArgs:
  - name: client-ca-file
    value: /etc/kubernetes/pki/client-ca.crt
  - name: kubelet-certificate-authority
    value: /etc/kubernetes/pki/kubelet-serving-ca.crt
controllerManager:
  extraArgs:
  - name: controllers
    value: "*,bootstrapsigner,tokencleaner,-` + SigningController + `"
`
