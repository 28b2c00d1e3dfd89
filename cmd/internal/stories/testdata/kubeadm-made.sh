# kubeadm-made.sh: what `kubeadm init` and two joins leave on cp-1, cp-2 and worker-1,
# below nodes/, with the CA keys on disk; and cluster.yaml. By kubeadm itself when
# $KUBEADM is one, else by openssl, with the same names, usages and files.
set -euo pipefail
cat >cluster.yaml <<'YAML'
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: harbour
kubernetesVersion: v1.37.2
controlPlaneEndpoint: api.harbour.test:6443
YAML

# by_kubeadm NODE ADDRESS
by_kubeadm() {
  local root=$PWD/nodes/$1
  { cat cluster.yaml; echo "certificatesDir: $root/etc/kubernetes/pki"
    printf -- '---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n'
    printf 'nodeRegistration: {name: %s, criSocket: unix:///none}\nlocalAPIEndpoint: {advertiseAddress: %s}\n' "$1" "$2"
  } >"$1.init.yaml"
  "$KUBEADM" init phase certs all --config "$1.init.yaml" >/dev/null
  "$KUBEADM" init phase kubeconfig all --config "$1.init.yaml" --kubeconfig-dir "$root/etc/kubernetes" >/dev/null
}

# authority DIR FILE CN: self-signed, as pkiutil.NewCertificateAuthority makes it
authority() {
  openssl req -x509 -new -newkey rsa:2048 -nodes -keyout "$1/$2.key" -out "$1/$2.crt" -subj "/CN=$3" -days 3650 \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign \
    -addext "subjectAltName=DNS:$3" 2>/dev/null
}

# leaf FILE ISSUER SUBJECT USAGES [NAMES]
leaf() {
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" -subj "$3" 2>/dev/null
  { echo basicConstraints=critical,CA:FALSE; echo keyUsage=critical,digitalSignature,keyEncipherment; echo "extendedKeyUsage=$4"
    [ -z "${5:-}" ] || echo "subjectAltName=$5"; } >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 365 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
  rm "$1.csr" "$1.ext" "$2.srl"
}

# config FILE PKI SUBJECT USER SERVER
config() {
  leaf "$1" "$2/ca" "$3" clientAuth
  cat >"$1" <<YAML
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: $(base64 -w0 "$2/ca.crt")
    server: https://$5:6443
  name: harbour
contexts:
- context:
    cluster: harbour
    user: $4
  name: $4@harbour
current-context: $4@harbour
kind: Config
users:
- name: $4
  user:
    client-certificate-data: $(base64 -w0 "$1.crt")
    client-key-data: $(base64 -w0 "$1.key")
YAML
  rm "$1.crt" "$1.key"
}

# by_openssl NODE ADDRESS
by_openssl() {
  local k=nodes/$1/etc/kubernetes pki=nodes/$1/etc/kubernetes/pki both=serverAuth,clientAuth
  local names="DNS:$1,DNS:localhost,IP:$2,IP:127.0.0.1,IP:::1"
  mkdir -p "$pki/etcd"
  if [ ! -f "$pki/ca.key" ]; then
    authority "$pki" ca kubernetes; authority "$pki/etcd" ca etcd-ca; authority "$pki" front-proxy-ca front-proxy-ca
    openssl genrsa -traditional -out "$pki/sa.key" 2048 2>/dev/null; openssl rsa -in "$pki/sa.key" -pubout -out "$pki/sa.pub" 2>/dev/null
  fi
  leaf "$pki/apiserver" "$pki/ca" /CN=kube-apiserver serverAuth \
    "DNS:api.harbour.test,DNS:$1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:10.96.0.1,IP:$2"
  leaf "$pki/apiserver-kubelet-client" "$pki/ca" /CN=kube-apiserver-kubelet-client clientAuth
  leaf "$pki/apiserver-etcd-client" "$pki/etcd/ca" /CN=kube-apiserver-etcd-client clientAuth
  leaf "$pki/front-proxy-client" "$pki/front-proxy-ca" /CN=front-proxy-client clientAuth
  leaf "$pki/etcd/server" "$pki/etcd/ca" "/CN=$1" "$both" "$names"
  leaf "$pki/etcd/peer" "$pki/etcd/ca" "/CN=$1" "$both" "$names"
  leaf "$pki/etcd/healthcheck-client" "$pki/etcd/ca" /CN=kube-etcd-healthcheck-client clientAuth
  config "$k/admin.conf" "$pki" /O=kubeadm:cluster-admins/CN=kubernetes-admin kubernetes-admin api.harbour.test
  config "$k/super-admin.conf" "$pki" /O=system:masters/CN=kubernetes-super-admin kubernetes-super-admin api.harbour.test
  config "$k/controller-manager.conf" "$pki" /CN=system:kube-controller-manager system:kube-controller-manager "$2"
  config "$k/scheduler.conf" "$pki" /CN=system:kube-scheduler system:kube-scheduler "$2"
  config "$k/kubelet.conf" "$pki" "/O=system:nodes/CN=system:node:$1" "system:node:$1" "$2"
}

make=by_openssl
[ ! -x "${KUBEADM:-}" ] || make=by_kubeadm
$make cp-1 10.0.0.11
for node in cp-2:10.0.0.12 worker-1:10.0.0.21; do # what a node gets that joins
  name=${node%%:*}
  mkdir -p nodes/$name/etc/kubernetes/pki/etcd
  (cd nodes/cp-1/etc/kubernetes/pki && cp ca.* front-proxy-ca.* sa.* ../../../../$name/etc/kubernetes/pki/ && cp etcd/ca.* ../../../../$name/etc/kubernetes/pki/etcd/)
  $make "$name" "${node#*:}"
  rm nodes/$name/etc/kubernetes/super-admin.conf
done
k=nodes/worker-1/etc/kubernetes
mkdir keep && mv $k/pki/ca.crt $k/kubelet.conf keep/
rm -r $k/* && mkdir $k/pki && mv keep/ca.crt $k/pki/ && mv keep/kubelet.conf $k/ && rmdir keep

# Every kubelet of kubeadm's rotates: its certificate and key are not in kubelet.conf.
for node in cp-1 cp-2 worker-1; do
  conf=nodes/$node/etc/kubernetes/kubelet.conf pem=/var/lib/kubelet/pki/kubelet-client-current.pem
  mkdir -p nodes/$node/var/lib/kubelet/pki
  sed -n 's/^ *client-\(certificate\|key\)-data: //p' $conf | while read -r data; do base64 -d <<<"$data"; done >nodes/$node$pem
  sed -i "s|client-certificate-data: .*|client-certificate: $pem|; s|client-key-data: .*|client-key: $pem|" $conf
done
