#!/usr/bin/env bash
# A whole ceremony on SoftHSM, as `make demo` runs it: two nodes ask for
# certificates, a plan is made of it and checked, CA keys are made in two
# tokens, the bundles are signed, verified and installed. Everything lies under
# build/demo afterwards; nothing else on this machine is touched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

officiant=$PWD/build/officiant
node=$PWD/build/officiant-node
configurations=$PWD/softhsm/demo
demo=build/demo

if [ -e "$demo" ]; then
  echo "removing $demo, left by an earlier run"
  rm -rf "$demo"
fi
mkdir -p "$demo/plan" "$demo/requests"
cd "$demo"

run() { # COMMAND ARGUMENT…    shown as one would type it, then run
  printf '\n$ %s' "$(basename "$1")"
  printf ' %s' "${@:2}"
  printf '\n'
  "$@"
}

echo
echo "── On the nodes: keys are made and stay, requests go out"
for name in cp-1 worker-1; do
  mkdir -p "nodes/$name"
  cp "$configurations/$name.yaml" "nodes/$name/kubeadm.yaml"
done
run "$node" request --kubeadm nodes/cp-1/kubeadm.yaml --roles control-plane,etcd --root nodes/cp-1 --out requests/cp-1.req
run "$node" request --kubeadm nodes/worker-1/kubeadm.yaml --roles worker --root nodes/worker-1 --out requests/worker-1.req

echo
echo "── At a desk: the plan is written, reviewed and checked"
run "$officiant" softhsm init --dir room --station station.yaml
run "$officiant" ceremony new --kubeadm nodes/cp-1/kubeadm.yaml --requests requests --station-grade software --out plan/plan.yaml
run "$officiant" ceremony check plan/plan.yaml --station station.yaml
digest=$("$officiant" ceremony check plan/plan.yaml --station station.yaml --digest)

echo
echo "── In the room: keys are made in the tokens, everything is signed"
begin=$(date +%s%N)
run "$officiant" ceremony run plan/plan.yaml --station station.yaml --dir ceremony --confirm "$digest"
took=$((($(date +%s%N) - begin) / 1000000))

echo
echo "── Anywhere: all of it is checked again, with no token"
# The key that vouches for the directory is taken from it once, in the room, and kept elsewhere.
cp ceremony/release.pub release.pub
run "$officiant" ceremony verify ceremony --release-key release.pub
(
  cd ceremony/bundles/cp-1
  echo
  echo '$ openssl dgst -sha256 -verify ../../../release.pub -signature SHA256SUMS.sig SHA256SUMS && sha256sum --strict -c SHA256SUMS'
  openssl dgst -sha256 -verify ../../../release.pub -signature SHA256SUMS.sig SHA256SUMS
  sha256sum --strict --quiet -c SHA256SUMS && echo "sha256sum: every file is as listed"
)
if grep -rl "PRIVATE KEY" ceremony; then
  echo "demo: the files above hold a private key" >&2
  exit 1
fi

echo
echo "── On the nodes: bundles are verified and installed"
for name in cp-1 worker-1; do
  run "$node" verify "ceremony/bundles/$name.tar" --release-key release.pub
  run "$node" install "ceremony/bundles/$name.tar" --release-key release.pub --root "nodes/$name"
  run "$node" verify --root "nodes/$name" --release-key release.pub
done

cat <<TXT

── Done. The ceremony itself took $took ms.

  $demo/plan/                              what was reviewed: plan, kubeadm.yaml, requests
  $demo/ceremony/                          what came out: transcript, authorities, bundles
  $demo/nodes/cp-1/etc/kubernetes/         the control-plane node, ready for kubeadm init
  $demo/nodes/worker-1/etc/kubernetes/     the worker
  $demo/room/                              the two SoftHSM tokens, with the CA keys

  No node holds a CA key: there is no ca.key. make acceptance lets the real kubeadm judge such a node.
TXT
