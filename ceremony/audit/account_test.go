package audit_test

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

func spkiDER(pub crypto.PublicKey) ([]byte, error) { return x509.MarshalPKIXPublicKey(pub) }

// rotated is a cluster whose service-account key is rotated: three ceremonies
// after the first, one for each stage.
func rotated(t testing.TB) (c *chain, old, next []byte) {
	c = newChain(t)
	was := c.keys().InUse
	pair := c.pair(was, c.last())
	trust := c.next(c.release("release"), "{"+pair+", next: {create: ECDSA-P256}}", c.asked())
	made := *c.keys().Next
	made.File = "secrets/sa.next.key.age"
	issue := c.pair(made, trust) + ", former: [" + c.public(was.PublicKey) + "]"
	c.next(c.release("release"), "{"+issue+"}", keeps)
	c.next(c.release("release"), "{"+c.pair(made, trust)+"}", keeps)
	return c, was.PublicKey, made.PublicKey
}

// inPub are the fingerprints of the keys of a bundle's sa.pub.
func (s *scene) inPub(t testing.TB) (list []fingerprint.SHA256) {
	t.Helper()
	for _, k := range must(bundle.ParsePublicKeys(s.read("bundles/cp-1/pki/sa.pub"))) {
		list = append(list, must(fingerprint.SPKI(k)))
	}
	return list
}

// TestRotation: at each stage sa.pub holds who signs, then who will, then who did;
// sa.key.age is the old file, then the new one; and the audit finds nothing.
func TestRotation(t *testing.T) {
	c, old, next := rotated(t)
	o, n := fingerprint.Of(old), fingerprint.Of(next)
	for i, want := range [][]fingerprint.SHA256{{o}, {o, n}, {n, o}, {n}} {
		if got := c.past[i].inPub(t); !slices.Equal(got, want) {
			t.Errorf("ceremony %d: sa.pub holds %v, not %v", i+1, got, want)
		}
	}
	for i, from := range []string{"secrets/sa.key.age", "secrets/sa.next.key.age"} {
		file := c.past[i].read(from)
		for j := 2 * i; j < 2*i+2; j++ {
			if string(c.past[j].read("bundles/cp-1/pki/sa.key.age")) != string(file) {
				t.Errorf("ceremony %d: sa.key.age is not ceremony %d's %s", j+1, i+1, from)
			}
		}
	}
	for len(c.past) > 1 {
		c.verified()
		c.past = c.past[:len(c.past)-1]
	}
}

// TestForgedRotation: what one who has every key writes of the service-account keys,
// against the stages that were planned.
func TestForgedRotation(t *testing.T) {
	c, old, next := rotated(t)
	other := must(spkiDER(bundletest.Key(t).Public()))
	trust, issue, drop := c.past[1], c.past[2], c.past[3]
	for _, s := range []*scene{trust, issue, drop} {
		if f := s.forge(t); f.write() != nil || len(f.audit(t).Findings()) > 0 {
			t.Fatalf("the forger alone: %q", f.audit(t).Findings())
		}
	}
	pub := func(keys ...[]byte) func(*forger) {
		return func(f *forger) {
			f.parts = func(_ *bundle.Header, p *bundle.Parts) {
				p.ServiceAccountPublic = nil
				for _, der := range keys {
					p.ServiceAccountPublic = append(p.ServiceAccountPublic, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)
				}
			}
		}
	}
	// carried changes the record, and with it the bundles built of it.
	carried := func(change func(*transcript.Carried)) func(*forger) {
		return func(f *forger) {
			a, r := first(f, func(transcript.Carried) bool { return true })
			change(&r)
			a.record = r
		}
	}
	differs := []string{"pki/sa.pub: differs from what plan and record make it"}
	for what, tt := range map[string]struct {
		at    *scene
		forge func(*forger)
		says  []string
	}{
		"a key nobody planned":              {trust, pub(old, next, other), differs},
		"the next before the old":           {trust, pub(next, old), differs},
		"the old before the next":           {issue, pub(old, next), differs},
		"without the next":                  {trust, pub(old), differs},
		"without the old, too early":        {issue, pub(next), differs},
		"the old, after it was dropped":     {drop, pub(next, old), differs},
		"a former key on record alone":      {drop, carried(func(r *transcript.Carried) { r.Former = [][]byte{old} }), []string{"keeps 1 former service-account keys", "the plan's 0"}},
		"no former key on record":           {issue, carried(func(r *transcript.Carried) { r.Former = nil }), []string{"signed until now, and sa.pub does not keep it"}},
		"a former key that never signed":    {issue, carried(func(r *transcript.Carried) { r.Former = [][]byte{old, other} }), []string{"by the last record signed nothing"}},
		"the key in use as a former one":    {issue, carried(func(r *transcript.Carried) { r.Former = [][]byte{old, next} }), []string{"is in sa.pub twice"}},
		"a pair that was never announced":   {issue, carried(func(r *transcript.Carried) { r.PublicKey = other }), []string{"neither in use nor as the next"}},
		"the next one on record as another": {trust, func(f *forger) { change(f, func(r *transcript.Sealed) bool { r.Secret = "other"; return true }) }, []string{"seals other as"}},
		"the next one sealed to nobody":     {trust, func(f *forger) { change(f, func(r *transcript.Sealed) bool { r.Recipients = []string{}; return true }) }, []string{"service-account-next is sealed to []"}},
		"the next one is a CA's key": {trust, func(f *forger) {
			change(f, func(r *transcript.Sealed) bool { r.PublicKey = must(spkiDER(f.key("etcd").Public())); return true })
		}, []string{"is the etcd key"}},
		"the old key sealed again": {issue, func(f *forger) {
			f.parts = func(_ *bundle.Header, p *bundle.Parts) {
				p.ServiceAccountSealed = trust.read("bundles/cp-1/pki/sa.key.age")
			}
		}, []string{"pki/sa.key.age: differs"}},
		"the next one's file, a byte of it": {trust, func(f *forger) { f.spoil("secrets/sa.next.key.age") }, []string{"secrets/sa.next.key.age"}},
		"the next one that was never sealed": {trust, func(f *forger) {
			a, _ := first(f, func(transcript.Sealed) bool { return true })
			f.drop(a)
			f.keys.Next = nil
		}, []string{"0 sealed secrets of a service-account-next key on record"}},
	} {
		t.Run(what, func(t *testing.T) {
			f := tt.at.forge(t)
			tt.forge(f)
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			wantFinding(t, f.audit(t), tt.says...)
		})
	}
}

func (f *forger) spoil(name string) {
	data := f.read(name)
	data[len(data)/2] ^= 1
	f.scene.write(f.t, name, data)
}
