package main

// examples are shown by --help and in the manual pages, by command.
var examples = map[string]string{
	"request": `
officiant-node request --kubeadm kubeadm.yaml --roles control-plane,etcd --out cp-1.req
officiant-node request --name worker-1 --roles worker --cluster demo --kubernetes-version v1.37.2 \
    --control-plane-endpoint api.demo.test:6443 --out worker-1.req`,
	"verify": `
officiant-node verify cp-1.tar --release-key release.pub
officiant-node verify --root / --release-key release.pub`,
	"install": `
officiant-node install cp-1.tar --release-key release.pub --dry-run
officiant-node install cp-1.tar --release-key release.pub`,
	"rollback": `
officiant-node rollback`,
	"status": `
officiant-node status
officiant-node status -o json`,
	"sync": `
officiant-node sync --from https://bundles.demo.test/demo --release-key /etc/officiant/release.pub --once
officiant-node sync --from /mnt/bundles --status-to /mnt/bundles/status \
    --release-key /etc/officiant/release.pub --install`,
	"share": `
officiant-node share --to cp-2.req --out cp-2.sa.age`,
	"unseal": `
officiant-node unseal worker-1.tar --identity identity.txt --release-key release.pub`,
	"man": `
officiant-node man /usr/local/share/man/man1`,
}
