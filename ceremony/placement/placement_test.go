package placement_test

import (
	"context"
	"slices"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/placement"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
	"officiant/signer"
)

// A plan or a station may ask for a maker's attestation where there can be one: of a key
// that exists, in a token, and of any key where the maker attests what is created.
func TestAttested(t *testing.T) {
	st, err := station.Parse("s", []byte("apiVersion: officiant/v1\nkind: Station\nname: x\n"+
		"keys: {root: 'pkcs11:token=x;object=root', etcd: 'pkcs11:token=x;object=etcd'}\nevidence: {etcd: attested}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := &schedule.Ceremony{Plan: &plan.Plan{Authorities: []plan.Authority{
		{Name: "root", Key: plan.Key{Existing: fingerprint.Of([]byte("key"))}, Evidence: signer.Attested},
		{Name: "etcd", Key: plan.Key{Create: signer.ECDSAP256}, Evidence: signer.Consistent},
	}}}
	const (
		none    = "key root: evidence attested is asked for, and no key there can have it"
		created = "key etcd: evidence attested is asked for, and no key that is created there can have it"
	)
	for name, test := range map[string]struct {
		of   placement.Backend
		want []string
	}{
		"nowhere":            {placement.Backend{}, []string{none, created}},
		"of what exists":     {placement.Backend{Vouched: true}, []string{created}},
		"of what is created": {placement.Backend{Attests: true}, nil},
	} {
		test.of.Supports = func(signer.Ref, signer.Spec) error { return nil }
		report := placement.Look(t.Context(), c, st, []string{"root", "etcd"},
			func(signer.Ref) (placement.Backend, error) { return test.of, nil })
		if !slices.Equal(report.Findings, test.want) {
			t.Errorf("%s: %q", name, report.Findings)
		}
	}
}

// TestSlots: where keys are made in slots, a URI names one by its id; what is in it is a
// finding for a key that is to be made, and who has to log in is said.
func TestSlots(t *testing.T) {
	st, err := station.Parse("s", []byte("apiVersion: officiant/v1\nkind: Station\nname: x\n"+
		"keys: {root: 'pkcs11:token=x;id=%02?so-pin-source=fd:3', etcd: 'pkcs11:token=x;id=%05', "+
		"kubernetes: 'pkcs11:token=x;id=%06'}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := &schedule.Ceremony{Plan: &plan.Plan{Authorities: []plan.Authority{
		{Name: "root", Key: plan.Key{Create: signer.ECDSAP256}},
		{Name: "etcd", Key: plan.Key{Create: signer.ECDSAP256}},
		{Name: "kubernetes", Key: plan.Key{Existing: fingerprint.Of([]byte("key"))}},
	}}}
	look := func(slots bool, vacant error) placement.Report {
		return placement.Look(t.Context(), c, st, []string{"root", "etcd", "kubernetes"},
			func(signer.Ref) (placement.Backend, error) {
				return placement.Backend{Slots: slots, Supports: func(signer.Ref, signer.Spec) error { return nil },
					Vacant: func(context.Context, signer.Ref) error { return vacant }}, nil
			})
	}
	if r := look(true, nil); len(r.Findings) > 0 || len(r.Unknown) > 0 || !slices.Equal(r.Warnings, []string{
		"key etcd: making it takes the management key, which is asked for: its URI names no so-pin-source"}) {
		t.Errorf("%+v", r)
	}
	if r := look(true, signer.ErrExists); !slices.Equal(r.Findings, []string{"key root: a key of this name exists",
		"key etcd: a key of this name exists"}) {
		t.Errorf("%+v", r)
	}
	if r := look(true, signer.ErrUnavailable); len(r.Findings) > 0 || len(r.Unknown) != 2 {
		t.Errorf("%+v", r)
	}
	if r := look(false, nil); len(r.Findings) != 2 {
		t.Errorf("%+v", r)
	}
}
