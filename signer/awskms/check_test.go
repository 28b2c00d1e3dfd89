package awskms

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/signer"
	"officiant/signer/awskms/awskmstest"
)

// TestGate: keys that cannot sign or must not are refused, and the rest is graded.
func TestGate(t *testing.T) {
	end := float64(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC).Unix())
	yes := true
	for _, c := range []struct {
		name   string
		change func(*awskmstest.Metadata)
		is     error // nil: the key is opened
		grade  signer.Grade
		want   string
	}{
		{"as made", func(*awskmstest.Metadata) {}, nil, signer.Software, "nothing shows that AWS answers there"},
		{"imported", func(m *awskmstest.Metadata) { m.Origin = "EXTERNAL"; m.ValidTo = &end }, nil, signer.Unproven, "EXTERNAL"},
		{"an end", func(m *awskmstest.Metadata) { m.ValidTo = &end }, nil, signer.Unproven, "2030-01-02T03:04:05Z"},
		{"multi-Region", func(m *awskmstest.Metadata) { m.MultiRegion = &yes }, nil, signer.Unproven, "replicated"},
		{"unsaid", func(m *awskmstest.Metadata) { m.MultiRegion = nil }, nil, signer.Unproven, "absent"},
		{"key store", func(m *awskmstest.Metadata) { m.CustomKeyStoreId = "cks-1" }, nil, signer.Unproven, "custom key store"},
		{"CloudHSM", func(m *awskmstest.Metadata) { m.Origin = "AWS_CLOUDHSM" }, signer.ErrUnsupported, "", "AWS_CLOUDHSM"},
		{"external key store", func(m *awskmstest.Metadata) { m.Origin = "EXTERNAL_KEY_STORE" }, signer.ErrUnsupported, "", "EXTERNAL_KEY_STORE"},
		{"no origin", func(m *awskmstest.Metadata) { m.Origin = "" }, signer.ErrUnsupported, "", "origin"},
		{"AWS's own", func(m *awskmstest.Metadata) { m.KeyManager = "AWS" }, signer.ErrUnsupported, "", "managed by AWS"},
		{"for encryption", func(m *awskmstest.Metadata) { m.KeyUsage = "ENCRYPT_DECRYPT" }, signer.ErrUnsupported, "", "ENCRYPT_DECRYPT"},
		{"secp256k1", func(m *awskmstest.Metadata) { m.KeySpec = "ECC_SECG_P256K1" }, signer.ErrUnsupported, "", "ECC_SECG_P256K1"},
		{"another spec", func(m *awskmstest.Metadata) { m.KeySpec = "ECC_NIST_P384" }, errAny, "", "ECDSA-P256, not ECC_NIST_P384"},
		{"disabled", func(m *awskmstest.Metadata) { m.KeyState = "Disabled" }, signer.ErrUnavailable, "", "disabled; aws kms enable-key --key-id arn:aws:kms:"},
		{"to be deleted", func(m *awskmstest.Metadata) { m.KeyState = "PendingDeletion"; m.DeletionDate = &end }, signer.ErrUnavailable, "", "scheduled for deletion (PendingDeletion, on 2030-01-02T03:04:05Z); aws kms cancel-key-deletion"},
		{"no material", func(m *awskmstest.Metadata) { m.KeyState = "PendingImport" }, signer.ErrUnavailable, "", "PendingImport"},
		{"unavailable", func(m *awskmstest.Metadata) { m.KeyState = "Unavailable" }, signer.ErrUnavailable, "", "Unavailable"},
		{"no state", func(m *awskmstest.Metadata) { m.KeyState = "" }, signer.ErrUnavailable, "", "state"},
		{"another Region", func(m *awskmstest.Metadata) { m.Arn = strings.Replace(m.Arn, awskmstest.Region, "us-east-1", 1) }, errAny, "", "another Region"},
		{"another id", func(m *awskmstest.Metadata) { m.Arn += "0" }, errAny, "", "which is no key"},
		{"no ARN", func(m *awskmstest.Metadata) { m.Arn = "" }, errAny, "", "which is no key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := newKMS(t)
			server.Add("alias/a", "ECC_NIST_P256")
			s := opened(t, server, quick)
			server.Change("alias/a", c.change)
			k, err := s.Find(t.Context(), signer.Ref{URI: server.URI("alias/a"), Label: "demo/root"})
			if c.is == nil {
				if err != nil {
					t.Fatal(err)
				}
				if info := k.Info(); info.Grade != c.grade || !strings.Contains(info.Reason, c.want) {
					t.Errorf("%s: %s", info.Grade, info.Reason)
				}
				return
			}
			if c.is == errAny {
				c.is = nil
			}
			says(t, c.name, err, c.is, c.want, `"demo/root"`)
		})
	}
}

// errAny stands for any error.
var errAny = os.ErrInvalid

// TestStateChanges: a key that is disabled, or doomed, in the middle of it all.
func TestStateChanges(t *testing.T) {
	server := newKMS(t)
	server.Add("alias/a", "ECC_NIST_P256")
	k := find(t, opened(t, server, quick), server.URI("alias/a"))
	hash := signer.HashFor(k.Public())
	for state, want := range map[string]string{
		"Disabled":        "the key is disabled (DisabledException",
		"PendingDeletion": "it may be scheduled for deletion: aws kms describe-key --key-id arn:aws:kms:",
	} {
		server.Change("alias/a", func(m *awskmstest.Metadata) { m.KeyState = state })
		_, err := k.SignContext(t.Context(), make([]byte, 32), hash)
		says(t, state, err, signer.ErrUnavailable, want)
	}
}

// TestOpenRefuses: what is missing is said when a store is opened, not later.
func TestOpenRefuses(t *testing.T) {
	ref := func(server *awskmstest.Server) signer.Ref {
		return signer.Ref{URI: server.URI("alias/a"), Label: "demo/root"}
	}
	t.Run("no credentials", func(t *testing.T) {
		server := newKMS(t)
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		_, err := open(t.Context(), ref(server), quick)
		says(t, "no credentials", err, signer.ErrUnavailable, "AWS credentials", "aws sso login")
	})
	t.Run("no Region", func(t *testing.T) {
		newKMS(t)
		_, err := open(t.Context(), signer.Ref{URI: "awskms:///alias/a"}, quick)
		says(t, "no Region", err, signer.ErrUnavailable, "no Region is set", "?region=REGION")
	})
	t.Run("no such profile", func(t *testing.T) {
		server := newKMS(t)
		t.Setenv("AWS_PROFILE", "absent")
		_, err := open(t.Context(), ref(server), quick)
		says(t, "no such profile", err, signer.ErrUnavailable, "AWS configuration", "absent")
	})
	t.Run("offline", func(t *testing.T) {
		newKMS(t)
		_, err := open(t.Context(), signer.Ref{URI: "awskms:///alias/a?region=eu-central-1&endpoint=https://127.0.0.1:1"}, quick)
		says(t, "offline", err, signer.ErrUnavailable, "cannot be reached", "connection refused", "look at network")
	})
	t.Run("a stranger's certificate", func(t *testing.T) {
		server := newKMS(t)
		t.Setenv("AWS_CA_BUNDLE", "")
		_, err := open(t.Context(), ref(server), quick)
		says(t, "a stranger's certificate", err, signer.ErrUnavailable, "certificate")
	})
	t.Run("endpoint without TLS", func(t *testing.T) {
		newKMS(t)
		t.Setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1")
		_, err := open(t.Context(), signer.Ref{URI: "awskms:///alias/a?region=eu-central-1"}, quick)
		says(t, "endpoint without TLS", err, nil, "https://HOST")
	})
	t.Run("no key named", func(t *testing.T) {
		server := newKMS(t)
		if s, err := open(t.Context(), signer.Ref{URI: server.URI("")}, quick); err != nil {
			t.Error(err)
		} else {
			s.Close()
		}
		server.Fail("ListKeys", awskmstest.Deny, -1)
		_, err := open(t.Context(), signer.Ref{URI: server.URI("")}, quick)
		says(t, "no key named", err, signer.ErrUnavailable, "allow kms:ListKeys")
	})
	t.Run("denied", func(t *testing.T) {
		server := newKMS(t)
		server.Fail("DescribeKey", awskmstest.Deny, -1)
		_, err := open(t.Context(), ref(server), quick)
		says(t, "denied", err, signer.ErrUnavailable, "allow kms:DescribeKey")
	})
	t.Run("not our server", func(t *testing.T) {
		server := newKMS(t)
		t.Setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
		_, err := open(t.Context(), ref(server), quick)
		says(t, "not our server", err, signer.ErrUnavailable, "credentials not accepted")
	})
}

// TestEnvironment: the SDK's own settings hold, but for the number of tries.
func TestEnvironment(t *testing.T) {
	server := newKMS(t)
	arn := server.Add("alias/a", "ECC_NIST_P256")
	t.Setenv("AWS_REGION", awskmstest.Region)
	t.Setenv("AWS_ENDPOINT_URL_KMS", server.Endpoint())
	t.Setenv("AWS_MAX_ATTEMPTS", "50")
	t.Setenv("AWS_RETRY_MODE", "adaptive")
	s, err := open(t.Context(), signer.Ref{URI: "awskms:///alias/a", Label: "demo/root"}, quick)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := signer.Device{
		Backend: "awskms", Label: "eu-central-1/111122223333", Serial: "arn:aws:kms:eu-central-1:111122223333",
		Manufacturer: "AWS", Model: "KMS at " + server.Endpoint(),
	}
	if got := s.Describe(); got != want {
		t.Errorf("%+v", got)
	}
	for _, uri := range []string{"awskms:///" + arn, "awskms:///alias/a?region=eu-central-1", server.URI("alias/a")} {
		if _, err := s.Find(t.Context(), signer.Ref{URI: uri, Label: "demo/root"}); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
	_, err = s.Find(t.Context(), signer.Ref{URI: "awskms:///alias/a?region=us-east-1"})
	says(t, "another Region", err, nil, "another Region or endpoint")
	_, err = s.Find(t.Context(), signer.Ref{URI: "awskms:///alias/a?endpoint=https://kms.example"})
	says(t, "another endpoint", err, nil, "another Region or endpoint")

	before := server.Count("DescribeKey")
	server.Fail("DescribeKey", awskmstest.Broken, -1)
	_, err = s.Find(t.Context(), signer.Ref{URI: "awskms:///alias/a"})
	says(t, "AWS_MAX_ATTEMPTS", err, signer.ErrUnavailable)
	if n := server.Count("DescribeKey") - before; n != readTries {
		t.Errorf("asked %d times", n)
	}
}

// TestExisting opens keys that Officiant did not make.
func TestExisting(t *testing.T) {
	server := newKMS(t)
	arn := server.Add("alias/a", "RSA_2048")
	s := opened(t, server, quick)
	id := arn[strings.LastIndex(arn, "/")+1:]
	owner := strings.TrimSuffix(arn, "key/"+id)
	for _, place := range []string{"alias/a", arn, id, owner + "alias/a"} {
		k := find(t, s, server.URI(place))
		if info := k.Info(); info.Label != "demo/root" || string(info.ID) != id || info.Attributes["Arn"] != arn || info.Attributes["Tag officiant:id"] != absent {
			t.Errorf("%s: %+v", place, info)
		}
	}
	if k, err := s.Find(t.Context(), signer.Ref{URI: server.URI(arn)}); err != nil || k.Info().Label != id {
		t.Errorf("no label: %v", err)
	}
	server.Fail("ListResourceTags", awskmstest.Deny, -1)
	if k := find(t, s, server.URI(arn)); k.Info().Attributes["Tag officiant:id"] != "denied" || string(k.Info().ID) != id {
		t.Errorf("tags that may not be read: %+v", k.Info())
	}
	server.Fail("ListResourceTags", "", 0)
	server.Tag(arn, "officiant:id", "xyz")
	_, err := s.Find(t.Context(), signer.Ref{URI: server.URI(arn)})
	says(t, "a tag that is no id", err, nil, "officiant:id")
	_, err = s.Find(t.Context(), signer.Ref{URI: server.URI("alias/none"), Label: "demo/none"})
	says(t, "absent", err, signer.ErrNotFound, `"demo/none"`, "alias/none", "look at alias, Region and account")
}

func writePolicy(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
