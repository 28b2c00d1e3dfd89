package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"officiant/ceremony/ceremonytest"
	"officiant/cmd/internal/commandtest"
	"officiant/cmd/internal/exit"
)

// TestExitCodes types wrong command lines of every command: what docs/exit-codes.md says
// of each kind of mistake is so everywhere.
func TestExitCodes(t *testing.T) {
	dir, _ := ceremonytest.New(t, ceremonytest.Shape{Workers: 1}).Run(t)
	tmp := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(tmp, name)
		must(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	empty, plan := filepath.Join(tmp, "empty"), filepath.Join(dir, "plan.yaml")
	must(t, os.Mkdir(empty, 0o755))
	bundles, err := filepath.Glob(filepath.Join(dir, "bundles", "*.tar"))
	must(t, err)
	kubeadm := write(
		"kubeadm.yaml",
		"apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nclusterName: demo\n"+
			"kubernetesVersion: v1.37.2\ncontrolPlaneEndpoint: a.test:6443\n",
	)
	station := func(name, uri string) string {
		return write(name, "apiVersion: officiant/v1\nkind: Station\nname: room\nkeys: {default: \""+uri+"\"}\n")
	}
	replaced := strings.NewReplacer("DIR", dir, "EMPTY", empty, "PLAN", plan, "BUNDLE", bundles[0], "KUBEADM", kubeadm,
		"THERE", write("there", "x"), "OUT", filepath.Join(tmp, "out"), "NONE", filepath.Join(tmp, "none"),
		"BAD", write("bad.yaml", "apiVersion: officiant/v1\nkind: Plan\nname: x\n"),
		"ROOM", station("room.yaml", "pkcs11:token=x?module-path=/nowhere.so"),
		"GOOGLE", station("google.yaml", "gcpkms://x"), "NOMODULE", station("nomodule.yaml", "pkcs11:token=x"),
		"WRONG", write("station.yaml", "kind: Station\nkeys: 1\n"), "HEX", strings.Repeat("00", 32))
	tried := map[string]bool{}
	for _, row := range exitTable {
		kind, lines, _ := strings.Cut(row.lines, "\n")
		for line := range strings.Lines(lines) {
			words := strings.Fields(line)
			args := strings.Fields(replaced.Replace(line))
			var out, talk bytes.Buffer
			o := testOptions(t, &talk)
			o.Stdout = &out
			code := execute(t.Context(), o, args)
			if code != row.code {
				t.Errorf("%s: %s: exit code %d, want %d\n%s", kind, strings.TrimSpace(line), code, row.code, talk.String())
			}
			if talk.Len() == 0 {
				t.Errorf("%s: %s: nothing is said", kind, strings.TrimSpace(line))
			}
			tried[strings.Join(words[:min(2, len(words))], " ")] = true
			tried[words[0]] = true
		}
	}
	commandtest.Each(newRootCommand(&options{}), func(c *cobra.Command, path []string) {
		if !c.HasSubCommands() && !c.Hidden && !tried[strings.Join(path, " ")] && path[0] != "completion" {
			t.Errorf("%s is not tried", c.CommandPath())
		}
	})
}

// exitTable are wrong command lines, by kind: the first line of each row names it.
var exitTable = []struct {
	code  int
	lines string
}{
	{exit.Usage, `a command, topic or flag there is not
nowhere
ceremony nowhere
help nowhere
ceremony verify DIR --nowhere
ceremony
version --nowhere
`},
	{exit.Usage, `a value or argument that is wrong
ceremony check
ceremony check PLAN -o xml
ceremony report DIR -o json
ceremony check PLAN --digest -o json
ceremony expiry DIR --within soon
ceremony inventory DIR --kind branch
ceremony inventory DIR --state lost
ceremony renew DIR --within 1y --family root --out OUT
ceremony renew DIR --out OUT
ceremony verify DIR --root x
ceremony run PLAN
fleet publish
fleet publish DIR
pin split
pin check
pin drill
pin show
pin reshare
ceremony rollover DIR --out OUT
ceremony revoke DIR --out OUT
signer test demo/root --seconds 0
signer list nowhere
signer create pkcs11:token=x
schema nowhere
man
doctor x
ceremony abandon
ceremony recover
ceremony adopt
softhsm init
`},
	{exit.Usage, `a file or directory that is not there, or is another kind
ceremony check NONE
ceremony check EMPTY
ceremony script NONE
ceremony approve NONE --key NONE
ceremony rehearse NONE --station ROOM --dir OUT
ceremony run NONE --station ROOM --dir OUT
ceremony run PLAN --station NONE --dir OUT --confirm HEX
ceremony diff NONE PLAN
ceremony new --kubeadm NONE --requests EMPTY --out OUT
ceremony new --kubeadm KUBEADM --requests NONE --out OUT
ceremony verify DIR --release-key NONE
ceremony verify DIR --previous NONE
bundle inspect NONE
bundle verify NONE
bundle diff BUNDLE NONE
bundle verify BUNDLE --release-key NONE
doctor --station NONE
signer inspect demo/root --station NONE
fleet status NONE
`},
	{exit.Usage, `a directory that is none of a ceremony
ceremony verify EMPTY
ceremony verify NONE
ceremony status EMPTY
ceremony status NONE
ceremony diff EMPTY PLAN
ceremony sign EMPTY --witness a --key NONE
ceremony sign NONE --witness a --key NONE
ceremony note EMPTY --by a text
ceremony note NONE --by a text
ceremony report EMPTY --out OUT
ceremony report NONE --out OUT
ceremony inventory EMPTY
ceremony inventory NONE
ceremony expiry EMPTY
ceremony expiry NONE
ceremony renew EMPTY --within 1y --out OUT
ceremony renew NONE --within 1y --out OUT
ceremony rollover EMPTY --authority etcd --stage trust --status EMPTY --out OUT
fleet publish EMPTY --to OUT
fleet publish NONE --to OUT
fleet status EMPTY
ceremony revoke EMPTY --node a --reason superseded --out OUT
ceremony new --kubeadm KUBEADM --requests EMPTY --previous EMPTY --out OUT
`},
	{exit.Usage, `a file to write that is there
ceremony new --kubeadm KUBEADM --requests EMPTY --out THERE
ceremony renew DIR --within 1y --out THERE
ceremony report DIR --out THERE
softhsm init --dir OUT --station THERE
`},
	{exit.Refused, `a plan, station or URI that is refused
ceremony check BAD
ceremony script BAD
ceremony diff BAD PLAN
ceremony run BAD --station ROOM --dir OUT
ceremony run PLAN --station WRONG --dir OUT --confirm HEX
ceremony run PLAN --station GOOGLE --dir OUT --confirm HEX
ceremony check PLAN --station GOOGLE
ceremony check PLAN --station NONE
ceremony check PLAN --station NOMODULE
doctor --station WRONG
signer inspect demo/root --station GOOGLE
signer inspect demo/root --station NOMODULE
signer inspect pkcs11:token=x
signer inspect pkcs11:token=x;pin-value=1
signer inspect awskms:x
signer inspect gcpkms://x
signer inspect nowhere:x
signer test gcpkms://x
signer list nowhere:x
signer create awskms:x --algorithm ECDSA-P256
ceremony verify DIR --release-key BAD
bundle verify BUNDLE --release-key BAD
`},
	{exit.Unverified, `what does not verify, or whose origin is not established
ceremony verify DIR
bundle verify BUNDLE
bundle inspect EMPTY
`},
	{exit.Unavailable, `a token that is not there
signer inspect demo/root --station ROOM
`},
	{exit.Expiring, `something ends within the time
ceremony expiry DIR --within 30y
`},
	{exit.NothingDue, `nothing is due
ceremony renew DIR --within 1h --out OUT
`},
}
