package main

// examples are shown by --help and in the manual pages, by command.
var examples = map[string]string{
	"ceremony new": `
officiant ceremony new --kubeadm kubeadm.yaml --requests requests --out plan.yaml
officiant ceremony new --kubeadm kubeadm.yaml --requests requests --previous ceremonies --out plan.yaml`,
	"ceremony check": `
officiant ceremony check plan.yaml --station station.yaml
officiant ceremony check plan.yaml -o json`,
	"ceremony diff": `
officiant ceremony diff old/plan.yaml plan.yaml
officiant ceremony diff ceremony plan.yaml`,
	"ceremony status": `
officiant ceremony status ceremony --station station.yaml
officiant ceremony status ceremony -o json`,
	"ceremony approve": `
officiant ceremony approve plan.yaml --key ~/.ssh/id_ed25519`,
	"ceremony script": `
officiant ceremony script plan.yaml --station station.yaml`,
	"ceremony rehearse": `
officiant ceremony rehearse plan.yaml --station station.yaml --dir rehearsal`,
	"ceremony run": `
officiant ceremony run plan.yaml --station station.yaml --dir ceremony
officiant ceremony run plan.yaml --station station.yaml --dir ceremony --confirm DIGEST`,
	"ceremony verify": `
officiant ceremony verify ceremony --release-key release.pub
officiant ceremony verify ceremony-2 --previous ceremony --release-key release.pub -o json`,
	"ceremony sign": `
officiant ceremony sign ceremony --witness alice --key ~/.ssh/id_ed25519`,
	"ceremony note": `
officiant ceremony note ceremony "the room was left from 14:05 to 14:20" --by alice`,
	"ceremony abandon": `
officiant ceremony abandon ceremony --reason "the station was wrong"
officiant ceremony abandon ceremony --key ~/.ssh/id_ed25519
officiant ceremony abandon ceremony --station station.yaml --previous ceremonies`,
	"ceremony report": `
officiant ceremony report ceremony --out minutes.html
officiant ceremony report ceremony -o text`,
	"ceremony inventory": `
officiant ceremony inventory ceremonies
officiant ceremony inventory ceremonies --node cp-1 -o csv`,
	"ceremony expiry": `
officiant ceremony expiry ceremonies --within 90d`,
	"ceremony renew": `
officiant ceremony renew ceremonies --within 90d --requests requests --out plan.yaml`,
	"ceremony rollover": `
officiant ceremony rollover ceremonies --authority kubernetes --stage trust --status status --out plan.yaml`,
	"ceremony revoke": `
officiant ceremony revoke ceremonies --node worker-1 --reason keyCompromise --out plan.yaml`,
	"ceremony adopt": `
officiant ceremony adopt --kubeadm kubeadm.yaml --requests requests --out plan.yaml`,
	"ceremony recover": `
officiant ceremony recover --station station.yaml --kubeadm kubeadm.yaml --requests requests \
    --from etc-kubernetes --status status --reason "the safe burnt" --out plan.yaml`,
	"signer list": `
officiant signer list "pkcs11:?module-path=/usr/lib/softhsm/libsofthsm2.so"`,
	"signer inspect": `
officiant signer inspect "pkcs11:serial=3468cced;object=demo%2Froot?module-path=/usr/lib/softhsm/libsofthsm2.so"`,
	"signer create": `
officiant signer create "pkcs11:serial=3468cced;object=demo%2Froot?module-path=/usr/lib/softhsm/libsofthsm2.so" \
    --algorithm ECDSA-P384`,
	"signer test": `
officiant signer test "pkcs11:serial=3468cced;object=demo%2Froot?module-path=/usr/lib/softhsm/libsofthsm2.so"`,
	"bundle inspect": `
officiant bundle inspect ceremony/bundles/cp-1.tar`,
	"bundle verify": `
officiant bundle verify ceremony/bundles/cp-1.tar --release-key release.pub`,
	"bundle diff": `
officiant bundle diff ceremony/bundles/cp-1.tar ceremony-2/bundles/cp-1.tar`,
	"pin split": `
officiant pin split --change demo/root --station station.yaml --threshold 2 \
    --person kim=kim.pub --person alice=alice.pub --person bob --out set`,
	"pin check": `
officiant pin check set set/share-1-kim.age --identity kim`,
	"pin drill": `
officiant pin drill set --out drill.txt`,
	"pin show": `
officiant pin show set drill.txt`,
	"pin reshare": `
officiant pin reshare set --threshold 2 --person kim=kim.pub --person noor --out set-2`,
	"fleet publish": `
officiant fleet publish ceremonies --to /srv/bundles --wave canary=worker-1 --wave control=cp-1,cp-2,cp-3`,
	"fleet status": `
officiant fleet status /srv/bundles
officiant fleet status /srv/bundles -o json`,
	"softhsm init": `
officiant softhsm init --dir room --station station.yaml`,
	"doctor": `
officiant doctor --station station.yaml
officiant doctor --station station.yaml --plan plan.yaml`,
	"schema": `
officiant schema plan`,
	"man": `
officiant man /usr/local/share/man/man1`,
}
