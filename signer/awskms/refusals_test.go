package awskms

import (
	"context"
	"crypto"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/signer"
	"officiant/signer/awskms/awskmstest"
)

// TestAnswersRefused: an answer that does not say what it has to is not taken, and the
// refusal says what is wrong with it.
func TestAnswersRefused(t *testing.T) {
	server := newKMS(t)
	server.Add("alias/a", "RSA_2048")
	s := opened(t, server, quick)
	for _, c := range []struct {
		action string
		fault  awskmstest.Fault
		want   string
	}{
		{"DescribeKey", awskmstest.Empty, "DescribeKey alias/a: the answer names no key"},
		{"GetPublicKey", awskmstest.Empty, `the answer is about another key, ""`},
		{"GetPublicKey", awskmstest.OtherExponent, "the public exponent is 3, not 65537"},
	} {
		server.Fail(c.action, c.fault, -1)
		_, err := s.Find(t.Context(), signer.Ref{URI: server.URI("alias/a"), Label: "demo/root"})
		says(t, c.action+" "+string(c.fault), err, nil, c.want)
		server.Fail(c.action, "", 0)
	}
	server.Fail("ListKeys", awskmstest.OtherKeyID, -1)
	_, err := s.List(t.Context())
	says(t, "a list with an alias", err, nil, `ListKeys: the answer names "arn:aws:kms:`, "which is no key")
	_, err = s.Find(t.Context(), signer.Ref{URI: server.URI("")})
	says(t, "no name", err, nil, "names no key: alias/NAME, a key id, an ARN or a label is needed")
}

// TestReadBackRefused: a key that was made and does not read back with its id is not used.
func TestReadBackRefused(t *testing.T) {
	server := newKMS(t)
	other := server.Add("alias/a", "ECC_NIST_P256")
	create := func(s *store, label string) error {
		_, err := s.Create(t.Context(), signer.Ref{URI: server.URI(""), Label: label}, p256, testKey)
		return err
	}
	server.Fail("ListResourceTags", awskmstest.OtherKeyID, -1)
	says(t, "without tags", create(opened(t, server, soon), "demo/bare"), signer.ErrNotFound,
		"its tag officiant:id is not there")
	server.Tag(other, tagID, strings.Repeat("ab", 16))
	says(t, "with another id", create(opened(t, server, quick), "demo/other"), nil,
		"its id is abababababababababababababababab")

	server.Fail("ListResourceTags", "", 0)
	server.Fail("DescribeKey", awskmstest.NotYet, -1)
	s := opened(t, server, quick)
	time.AfterFunc(100*time.Millisecond, func() { s.Close() })
	says(t, "closed", create(s, "demo/closed"), signer.ErrUnavailable, "closed meanwhile")
}

// TestDestroyRefused: the key that is deleted is the one that is meant, and nothing is said
// to be gone without its date.
func TestDestroyRefused(t *testing.T) {
	server := newKMS(t)
	server.Tag(server.Add("alias/a", "ECC_NIST_P256"), tagID, strings.Repeat("cd", 16))
	s := opened(t, server, quick)
	ref := signer.Ref{URI: server.URI(""), Label: "demo/root"}
	k, err := s.Create(t.Context(), ref, p256, testKey)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := fingerprint.SPKI(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	destroy := func() error {
		_, err := s.Destroy(t.Context(), ref, testKey, spki)
		return err
	}
	// Both keys are looked at to find the one of this id, which is then read again.
	server.FailLater("ListResourceTags", 2, awskmstest.OtherKeyID, -1)
	says(t, "another tag", destroy(), signer.ErrOther,
		`the tag officiant:id of `+k.Info().Attributes["Arn"]+` is "cdcd`)
	server.Fail("ListResourceTags", "", 0)
	if n := server.Count("ScheduleKeyDeletion"); n != 0 {
		t.Errorf("deletion was asked for %d times", n)
	}
	server.Fail("ScheduleKeyDeletion", awskmstest.OtherKeyID, 1)
	says(t, "another key", destroy(), nil, "ScheduleKeyDeletion", `the answer is about another key, "arn:aws:kms:`)

	server.Change(k.Info().Attributes["Arn"], func(m *awskmstest.Metadata) { m.KeyState, m.Enabled = "Enabled", true })
	server.Fail("ScheduleKeyDeletion", awskmstest.Dateless, 1)
	says(t, "no date", destroy(), nil, "ScheduleKeyDeletion", "the answer has no date")
}

// TestNoTurn: who waits for a turn waits no longer than the caller does.
func TestNoTurn(t *testing.T) {
	server := newKMS(t)
	server.Add("alias/a", "ECC_NIST_P256")
	s := opened(t, server, quick)
	k := find(t, s, server.URI("alias/a"))
	server.Fail("Sign", awskmstest.Slow, -1)
	slow, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	for range sessions {
		go func() {
			k.SignContext(slow, make([]byte, 32), crypto.SHA256)
			ended <- struct{}{}
		}()
	}
	for server.Count("Sign") < sessions {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := k.SignContext(ctx, make([]byte, 32), crypto.SHA256)
	says(t, "the ninth", err, context.DeadlineExceeded, "no turn in time")
	says(t, "the ninth", err, signer.ErrUnavailable)
	stop()
	for range sessions {
		<-ended
	}
	// All turns are taken, and the store is closed: nobody waits for one any more.
	other := opened(t, server, quick)
	for range sessions {
		other.tickets <- struct{}{}
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	says(t, "closed", other.begin(t.Context()), signer.ErrUnavailable, other.String()+": closed")
}
