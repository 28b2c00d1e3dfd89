package placement_test

import (
	"context"
	"strings"
	"testing"

	"officiant/bundle/kubepki"
	"officiant/ceremony/placement"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
	"officiant/signer"
)

// absent is a token that is not in, and those that are.
type absent []signer.Device

func (absent) Error() string              { return "token acme-root: not in" }
func (absent) Unwrap() error              { return signer.ErrAbsent }
func (a absent) Instead() []signer.Device { return a }

// looked is what a look says of a station of one or two keys, in a room.
func looked(t *testing.T, keys string, least signer.Grade, b placement.Backend) string {
	t.Helper()
	text := "apiVersion: officiant/v1\nkind: Station\nname: x\nkeys: {" + keys + "}\n"
	st, err := station.Parse("s", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"root"}
	if strings.Contains(keys, "etcd: ") {
		names = append(names, "etcd")
	}
	c := &schedule.Ceremony{Cluster: kubepki.Cluster{Name: "demo"}, Plan: &plan.Plan{Authorities: []plan.Authority{
		{Name: "root", Key: plan.Key{Create: signer.ECDSAP384}, Evidence: least},
		{Name: "etcd", Key: plan.Key{Create: signer.ECDSAP256}, Evidence: least},
	}}}
	if b.Supports == nil {
		b.Supports = func(signer.Ref, signer.Spec) error { return nil }
	}
	r := placement.Look(t.Context(), c, st, names, func(signer.Ref) (placement.Backend, error) { return b, nil })
	return strings.Join(append(r.Findings, r.Warnings...), "\n")
}

// TestRefusals has each thing that is said of a station's places, beside a room in which it
// is not said.
func TestRefusals(t *testing.T) {
	const root = "root: 'pkcs11:token=acme-root;serial=00a1'"
	seeing := func(d signer.Device) placement.Backend {
		return placement.Backend{See: func(context.Context, signer.Ref) (placement.Token, error) {
			return placement.Token{Device: d}, nil
		}}
	}
	missing := func(there ...signer.Device) placement.Backend {
		return placement.Backend{Supports: func(signer.Ref, signer.Spec) error { return absent(there) }}
	}
	device := signer.Device{Label: "acme-root", Serial: "00a1"}
	with := func(change func(d *signer.Device)) placement.Backend {
		d := device
		change(&d)
		return seeing(d)
	}
	software := with(func(d *signer.Device) { d.Software = true })
	for _, row := range []struct {
		of, keys string
		least    signer.Grade
		room     placement.Backend
		says     string // "" where nothing is said
	}{
		{"its token, as it is named", root, "", seeing(device), ""},
		{"two keys in one place", "root: 'pkcs11:token=acme-root;object=demo%2Fetcd', etcd: 'pkcs11:token=acme-root'",
			"", seeing(device),
			"key etcd: lives where root does; every key needs its own place"},
		{"two keys of two objects", "root: 'pkcs11:token=acme-root;object=demo%2Froot', etcd: 'pkcs11:token=acme-root'",
			"", seeing(device), ""},
		{"an id for a key that is made", "root: 'pkcs11:token=acme-root;id=%01'", "", seeing(device),
			"key root: its URI has an id, and the ceremony chooses the id of a key that it makes; leave it out, " +
				"or name an object"},
		{"a token in its bag", root, "", missing(), ""},
		{"another's token", root, "", missing(signer.Device{Label: "else", Serial: "77"}), ""},
		{"its serial under another label", root, "", missing(signer.Device{Label: "else", Serial: "00a1"}),
			"key root: its token is not in, and serial 00a1 is that of token else, and the station says acme-root: " +
				"is the station right?"},
		{"its label with another serial", root, "", missing(signer.Device{Label: "acme-root", Serial: "77"}),
			"token acme-root that is in has serial 77, and the station says 00a1: is"},
		{"a slip in its label", root, "", missing(signer.Device{Label: "acme-rot", Serial: "77"}),
			"token acme-rot, serial 77, is in, which is nearly what the station says: is"},
		{"a locked PIN", root, "", with(func(d *signer.Device) { d.PINLocked, d.PINFinalTry = true, true }),
			"token acme-root, serial 00a1: its PIN is locked; its security officer has to set a new one"},
		{"a last try", root, "", with(func(d *signer.Device) { d.PINFinalTry, d.PINCountLow = true, true }),
			"token acme-root, serial 00a1: one more wrong PIN locks it, so it is logged in to only when its serial is"},
		{"a wrong PIN before", root, "", with(func(d *signer.Device) { d.PINCountLow = true }),
			"token acme-root, serial 00a1: a wrong PIN was entered before"},
		{"software, and a device is asked for", root, signer.Consistent, software,
			`token acme-root, serial 00a1 is software, and evidence "consistent" is asked for of the root key`},
		{"software, and software is asked for", root, signer.Software, software, ""},
	} {
		t.Run(row.of, func(t *testing.T) {
			said := looked(t, row.keys, row.least, row.room)
			if row.says == "" && said != "" || !strings.Contains(said, row.says) || strings.Contains(said, "\n") {
				t.Errorf("%q, want %q", said, row.says)
			}
		})
	}
}
