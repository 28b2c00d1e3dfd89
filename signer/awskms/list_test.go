package awskms

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"officiant/signer"
	"officiant/signer/awskms/awskmstest"
)

// inARegion are keys of all kinds, and why they cannot be used; "": they can.
var inARegion = map[string]struct {
	edit func(*awskmstest.Metadata)
	says string
}{
	"alias/found":     {func(*awskmstest.Metadata) {}, ""},
	"alias/imported":  {func(m *awskmstest.Metadata) { m.Origin = "EXTERNAL" }, ""},
	"alias/disabled":  {func(m *awskmstest.Metadata) { m.KeyState = "Disabled" }, "disabled; aws kms enable-key"},
	"alias/doomed":    {func(m *awskmstest.Metadata) { m.KeyState = "PendingDeletion" }, "scheduled for deletion"},
	"alias/secp256k1": {func(m *awskmstest.Metadata) { m.KeySpec = "ECC_SECG_P256K1" }, "ECC_SECG_P256K1"},
	"alias/cloudhsm":  {func(m *awskmstest.Metadata) { m.Origin = "AWS_CLOUDHSM" }, "AWS_CLOUDHSM"},
	"alias/lies":      {func(m *awskmstest.Metadata) { m.KeySpec = "ECC_NIST_P384" }, "ECDSA-P256, not ECC_NIST_P384"},
}

// TestList: every key for signing of Region and account, over several pages;
// those that can be used as Find tells them, the others with the reason.
func TestList(t *testing.T) {
	server := newKMS(t)
	s := opened(t, server, quick)
	reasons := map[string]string{} // by ARN; "": usable
	for _, label := range []string{"demo/two", "demo/one"} {
		k, err := s.Create(t.Context(), signer.Ref{URI: server.URI(""), Label: label}, p256, signer.ID{label[5]})
		if err != nil {
			t.Fatal(err)
		}
		reasons[k.Info().Attributes["Arn"]] = ""
	}
	for alias, c := range inARegion {
		reasons[server.Add(alias, "ECC_NIST_P256")] = c.says
		server.Change(alias, c.edit)
	}
	badTag := server.Add("alias/tagged", "ECC_NIST_P256")
	server.Tag(badTag, "officiant:id", "xyz")
	reasons[badTag] = "its tag officiant:id is not an id"
	server.AddForeign("alias/symmetric", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "CUSTOMER")
	server.AddForeign("alias/mac", "HMAC_256", "GENERATE_VERIFY_MAC", "CUSTOMER")
	server.AddForeign("alias/amazon", "ECC_NIST_P256", "SIGN_VERIFY", "AWS")

	before := server.Count("ListKeys")
	listed, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := server.Count("ListKeys") - before; n != 7 {
		t.Errorf("%d keys in %d pages", server.Keys(), n)
	}
	if !slices.IsSortedFunc(listed, func(a, b signer.Info) int { return strings.Compare(a.Label, b.Label) }) {
		t.Error("not by label")
	}
	for _, i := range listed {
		arn := i.Attributes["Arn"]
		want, ok := reasons[arn]
		delete(reasons, arn)
		switch {
		case !ok:
			t.Errorf("%s: listed, or twice", arn)
		case want != "":
			if i.Algorithm != "" || i.Grade != signer.Unproven || !strings.Contains(i.Reason, want) || i.Label == "" || i.Device != s.Describe() {
				t.Errorf("%s: %+v, want %q", arn, i, want)
			}
		default:
			k, err := s.Find(t.Context(), signer.Ref{URI: server.URI(arn)})
			if err != nil {
				t.Error(err)
			} else if !reflect.DeepEqual(k.Info(), i) {
				t.Errorf("listed\n%+v\nfound\n%+v", i, k.Info())
			}
		}
	}
	if len(reasons) > 0 {
		t.Errorf("not listed: %v", reasons)
	}
	if server.Count("Sign") > 0 {
		t.Error("something was signed")
	}
}

// TestListFaults: what concerns one key is said of it; what concerns all ends
// the list, so that a short one never passes for a whole one.
func TestListFaults(t *testing.T) {
	server := newKMS(t)
	arn := server.Add("alias/a", "ECC_NIST_P256")
	s := opened(t, server, quick)
	for _, action := range []string{"ListKeys", "DescribeKey", "GetPublicKey", "ListResourceTags"} {
		for fault, want := range map[awskmstest.Fault]string{
			awskmstest.Throttle: "throttled", awskmstest.Expired: "credentials have expired", awskmstest.Skewed: "clock is wrong",
			awskmstest.Cut: "connection broke", awskmstest.Broken: "AWS KMS has failed",
		} {
			server.Fail(action, fault, -1)
			listed, err := s.List(t.Context())
			says(t, action+" "+string(fault), err, signer.ErrUnavailable, want, action)
			if listed != nil {
				t.Errorf("%s %s: %d keys came with the error", action, fault, len(listed))
			}
		}
		server.Fail(action, awskmstest.Slow, -1)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := s.List(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", action, err)
		}
		server.Fail(action, "", 0)
	}
	server.Fail("ListKeys", awskmstest.Endless, -1)
	listed, err := s.List(t.Context())
	says(t, "endless list", err, nil, "ListKeys: no end after 1000 pages")
	if listed != nil {
		t.Errorf("%d keys of a list without an end", len(listed))
	}
	server.Fail("ListKeys", "", 0)
	server.Fail("ListResourceTags", awskmstest.Endless, -1)
	if listed, err := s.List(t.Context()); err != nil || len(listed) != 1 || !strings.Contains(listed[0].Reason, "no end after 1000 pages") {
		t.Errorf("endless tags: %+v, %v", listed, err)
	}
	server.Fail("ListResourceTags", "", 0)
	server.Fail("ListKeys", awskmstest.Deny, -1)
	_, err = s.List(t.Context())
	says(t, "no list", err, signer.ErrUnavailable, "allow kms:ListKeys")
	server.Fail("ListKeys", "", 0)
	for _, action := range []string{"DescribeKey", "GetPublicKey"} {
		server.Fail(action, awskmstest.Deny, -1)
		listed, err := s.List(t.Context())
		if err != nil || len(listed) != 1 || listed[0].Algorithm != "" || !strings.Contains(listed[0].Reason, "allow kms:"+action) || listed[0].Attributes["Arn"] != arn {
			t.Errorf("%s denied: %+v, %v", action, listed, err)
		}
		server.Fail(action, "", 0)
	}
	server.Fail("DescribeKey", awskmstest.NotYet, -1) // deleted between two pages
	if listed, err := s.List(t.Context()); err != nil || len(listed) != 0 {
		t.Errorf("%+v, %v", listed, err)
	}
	server.Fail("DescribeKey", "", 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = s.List(t.Context())
	says(t, "closed", err, signer.ErrUnavailable, "closed")
}

// TestDeadlines: no request outlasts its caller's deadline.
func TestDeadlines(t *testing.T) {
	server := newKMS(t)
	server.Add("alias/a", "ECC_NIST_P256")
	ref := signer.Ref{URI: server.URI("alias/a"), Label: "demo/root"}
	s := opened(t, server, quick)
	for action, do := range map[string]func(context.Context, string) error{
		"DescribeKey":      func(ctx context.Context, _ string) error { _, err := s.Find(ctx, ref); return err },
		"GetPublicKey":     func(ctx context.Context, _ string) error { _, err := s.Find(ctx, ref); return err },
		"ListResourceTags": func(ctx context.Context, _ string) error { _, err := s.Find(ctx, ref); return err },
		"ListKeys":         func(ctx context.Context, _ string) error { _, err := s.FindID(ctx, ref, testKey); return err },
		"CreateKey": func(ctx context.Context, label string) error {
			_, err := s.Create(ctx, signer.Ref{URI: server.URI(""), Label: label}, p256, testKey)
			return err
		},
		"CreateAlias": func(ctx context.Context, label string) error {
			_, err := s.Create(ctx, signer.Ref{URI: server.URI(""), Label: label}, p256, testKey)
			return err
		},
	} {
		server.Fail(action, awskmstest.Slow, -1)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		err := do(ctx, "demo/late-"+strings.ToLower(action))
		cancel()
		says(t, action, err, context.DeadlineExceeded)
		server.Fail(action, "", 0)
	}
}

// TestRedirect: requests go where the URI says and nowhere else, whatever is
// answered there, though the other host has a certificate that is trusted.
func TestRedirect(t *testing.T) {
	var requests atomic.Int32
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer other.Close()
	server := newKMS(t)
	t.Setenv("AWS_SESSION_TOKEN", "token")
	server.Add("alias/a", "ECC_NIST_P256")
	s := opened(t, server, quick)
	k := find(t, s, server.URI("alias/a"))
	server.RedirectTo(other.URL)
	for _, action := range []string{"Sign", "DescribeKey"} {
		server.Fail(action, awskmstest.Redirect, -1)
	}
	_, err := k.SignContext(t.Context(), make([]byte, 32), signer.HashFor(k.Public()))
	says(t, "Sign", err, signer.ErrUnavailable, "another place (HTTP 307)")
	_, err = s.Find(t.Context(), signer.Ref{URI: server.URI("alias/a")})
	says(t, "DescribeKey", err, signer.ErrUnavailable, "another place")
	if n := requests.Load(); n > 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

// TestNoRoot: what a ceremony refuses a key by. An imported key, or one that can
// be replicated, is not as good as a plan's least evidence.
func TestNoRoot(t *testing.T) {
	yes := true
	for name, change := range map[string]func(*awskmstest.Metadata){
		"imported":     func(m *awskmstest.Metadata) { m.Origin = "EXTERNAL" },
		"multi-Region": func(m *awskmstest.Metadata) { m.MultiRegion = &yes },
	} {
		server := newKMS(t)
		server.Add("alias/a", "ECC_NIST_P256")
		s := opened(t, server, quick)
		if k := find(t, s, server.URI("alias/a")); !k.Info().Grade.AtLeast(signer.Software) {
			t.Errorf("as made: %s", k.Info().Grade)
		}
		server.Change("alias/a", change)
		if k := find(t, s, server.URI("alias/a")); k.Info().Grade.AtLeast(signer.Software) {
			t.Errorf("%s: %s", name, k.Info().Grade)
		}
	}
}
