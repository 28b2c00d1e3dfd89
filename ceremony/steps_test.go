package ceremony_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/station"
	"officiant/signer"
)

// at is a station of tokens by key: "root=a kubernetes=b".
func at(t *testing.T, more string, keys ...string) *station.Station {
	t.Helper()
	var b strings.Builder
	b.WriteString("apiVersion: officiant/v1\nkind: Station\nname: test\nkeys:\n")
	for _, k := range keys {
		name, token, _ := strings.Cut(k, "=")
		uri := fmt.Sprintf("pkcs11:token=%s;serial=0%s", token, token)
		if strings.HasPrefix(token, "kms") {
			uri = "awskms:///?region=eu-central-1"
		}
		fmt.Fprintf(&b, "  %s: %q\n", name, uri)
	}
	st, err := station.Parse("station.yaml", []byte(b.String()+more))
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// turns are the tokens in the order in which they have to be put in.
func turns(steps []ceremony.Step) string {
	var out []string
	for _, s := range steps {
		if strings.HasPrefix(s.Place, "token ") {
			out = append(out, strings.TrimPrefix(strings.Split(s.Place, ",")[0], "token "))
		}
	}
	return strings.Join(out, " ")
}

func TestTokensAreSwappedAsRarelyAsCanBe(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 1})
	c := f.Config(t, t.TempDir()).Plan
	for _, test := range []struct {
		keys []string
		more string
		want string
	}{
		{keys: []string{"default=a"}, want: "a"},
		{keys: []string{"root=r", "default=a"}, want: "a r a"},
		{keys: []string{"root=r", "kubernetes=k", "default=a"}, want: "k a r k a"},
		{keys: []string{"root=r", "etcd=e", "kubernetes=k", "front-proxy=k", "release=k"}, want: "k e r e k"},
		{keys: []string{"root=r", "release=r", "default=a"}, want: "a r a r"},
		{keys: []string{"root=r", "default=kms"}, want: "r"},
		{keys: []string{"root=r", "default=kms", "release=a"}, want: "a r a"},
		{keys: []string{"root=r", "default=a"}, more: "backups: {root: \"pkcs11:token=c;serial=0c\"}\n", want: "a r c a"},
	} {
		steps, err := ceremony.Steps(c, at(t, test.more, test.keys...))
		if err != nil {
			t.Fatal(err)
		}
		if got := turns(steps); got != test.want {
			t.Errorf("%s: tokens are put in as %q, want %q", test.keys, got, test.want)
		}
		final := 0
		for i, s := range steps {
			if s.N != i+1 {
				t.Errorf("%s: step %d has number %d", test.keys, i+1, s.N)
			}
			if s.Final {
				final++
				if !strings.HasPrefix(s.Title, "Make the kubernetes key") && !strings.HasPrefix(s.Title, "Make the release key") && !strings.HasPrefix(s.Title, "Make the root key") {
					t.Errorf("%s: no return after %q", test.keys, s.Title)
				}
				if before := steps[i-1]; !strings.HasPrefix(before.Title, "Open the ") {
					t.Errorf("%s: %q comes before the point of no return", test.keys, before.Title)
				}
			}
		}
		if final != 1 {
			t.Errorf("%s: %d points of no return", test.keys, final)
		}
	}
}

// TestOtherProgramsSteps: a record that was begun with another number of steps
// is not gone on with under other numbers.
func TestOtherProgramsSteps(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir := t.TempDir()
	cfg := f.Config(t, dir)
	cfg.Open = func(context.Context, signer.Ref, signer.PINFunc) (signer.Store, error) {
		return nil, signer.ErrUnavailable
	}
	if _, err := ceremony.Run(t.Context(), cfg); !errors.Is(err, signer.ErrUnavailable) {
		t.Fatal(err)
	}
	file := dir + "/transcript.jsonl"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(data), "\n")
	i := strings.LastIndex(first, `"steps":`)
	if err := os.WriteFile(file, []byte(first[:i]+`"steps":99}}`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ceremony.Run(t.Context(), f.Config(t, dir)); err == nil || !strings.Contains(err.Error(), "began with 99 steps") {
		t.Errorf("%v", err)
	}
}
