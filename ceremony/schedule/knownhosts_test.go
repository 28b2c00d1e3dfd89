package schedule

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"officiant/bundle/kubepki"
	"officiant/bundle/limittest"
	"officiant/bundle/request"
)

func hostKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// known is a line of a known_hosts file.
func known(hosts string, key ssh.Signer) string {
	return hosts + " " + string(ssh.MarshalAuthorizedKey(key.PublicKey()))
}

func TestKnownHosts(t *testing.T) {
	a, b, c := hostKey(t), hostKey(t), hostKey(t)
	k, err := ReadKnownHosts([]byte("# ours\n\n" +
		known("cp-1,10.0.0.11", a) + known(knownhosts.HashHostname("worker-1"), b) + known("[worker-2]:2222", b) +
		known("*.lab,!cp-9", c) + known("@cert-authority *", c) + known("@revoked *", c) + known("old", c)))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		host string
		key  ssh.Signer
		want string
	}{
		{"cp-1", a, ""},
		{"CP-1", a, ""},
		{"10.0.0.11", a, ""},
		{"worker-1", b, ""},
		{"[worker-2]:2222", b, ""},
		{"cp-1", b, "the key … is not the one line 3 has for cp-1"},
		{"worker-1", a, "the key … is not the one line 4 has for worker-1"},
		{"worker-2", b, "no line is of worker-2"},
		{"cp-2", a, "no line is of cp-2"},
		{"cp-9", c, "the key … is revoked in line 8"},
		{"old", c, "the key … is revoked in line 8"},
	} {
		got := ""
		if err := k.Vouches(row.host, row.key.PublicKey()); err != nil {
			got = strings.Replace(err.Error(), ssh.FingerprintSHA256(row.key.PublicKey()), "…", 1)
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.host, got, row.want)
		}
	}
	// A pattern speaks of many.
	k, err = ReadKnownHosts([]byte(known("*", a) + known("cp-?", a) + known("@cert-authority cp-1", a)))
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Vouches("cp-1", a.PublicKey()); err == nil || err.Error() != "no line is of cp-1" {
		t.Error(err)
	}
	for _, row := range []struct{ what, text, want string }{
		{"empty", "", "names no host's key"},
		{"comments", "# x\n", "names no host's key"},
		{"revoked alone", known("@revoked *", a), "names no host's key"},
		{"half a line", known("cp-1", a) + "cp-2 ssh-ed25519\n", "line 2: "},
		{"not a key", "cp-2 ssh-ed25519 AAAA\n", "line 1: "},
		{"marker", known("@trusted cp-1", a), "line 1: @trusted is neither @revoked nor @cert-authority"},
	} {
		if _, err := ReadKnownHosts([]byte(row.text)); err == nil || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("%s: %v, want %s", row.what, err, row.want)
		}
	}
}

func FuzzKnownHosts(f *testing.F) {
	key := hostKey(f)
	f.Add([]byte(known("cp-1,|1|a|b", key)))
	f.Add([]byte("|1|AAAA|AAAA ssh-rsa AAAA\n@revoked * ssh-ed25519 A\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		k, err := ReadKnownHosts(data)
		if (k == nil) == (err == nil) {
			t.Fatalf("%v, %v", k, err)
		}
		if err == nil {
			k.Vouches("cp-1", key.PublicKey())
		}
	})
}

// signedOnHost is a request of a worker signed by an SSH key, too.
func signedOnHost(t *testing.T, name string, key ssh.Signer) *request.Opened {
	t.Helper()
	n := kubepki.Node{Name: name, Roles: []kubepki.Role{kubepki.Worker}}
	leaves, err := kubepki.Leaves(facts, n)
	if err != nil {
		t.Fatal(err)
	}
	keys := request.Keys{}
	for _, l := range leaves {
		keys[l.Name] = newKey(t)
	}
	var by []request.Enclosure
	if key != nil {
		by = append(by, request.HostKey{Signer: key})
	}
	data, err := request.Make(facts, n, leaves, keys, recipients["worker-1"], now, rand.Reader, by...)
	if err != nil {
		t.Fatal(err)
	}
	o, err := request.Parse(name+".req", data)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// fleet is a plan of workers without fingerprints, and its inputs.
func fleet(t *testing.T, extra string, requests ...*request.Opened) (string, map[string]string) {
	t.Helper()
	by := map[string]*request.Opened{}
	var nodes []kubepki.Node
	for _, o := range requests {
		by[o.Node.Name] = o
		nodes = append(nodes, o.Node)
	}
	text, inputs := planFor(t, by, nodes...)
	return strings.Replace(unwritten(withoutWords(text)), "\nnodes:\n", "\n"+extra+"nodes:\n", 1), inputs
}

func TestHostKeysVouch(t *testing.T) {
	a, b := hostKey(t), hostKey(t)
	text, inputs := fleet(t, "knownHosts: known_hosts\n", signedOnHost(t, "worker-1", a), signedOnHost(t, "worker-2", b))
	text = strings.Replace(text, "  - name: worker-2\n", "  - name: worker-2\n    host: worker-2.lab.test\n", 1)
	inputs["known_hosts"] = known(knownhosts.HashHostname("worker-1"), a) + known("worker-2.lab.test", b)
	c, err := opens(text, inputs)
	if err != nil {
		t.Fatal(err)
	}
	if c.Vouched["worker-1"] != ByHostKey || strings.Count(written(c), " vouched=host-key sig=") != 2 {
		t.Errorf("%v\n%s", c.Vouched, written(c))
	}
	if _, ok := c.Inputs["known_hosts"]; !ok {
		t.Error("known_hosts is no input, so the digest does not cover it")
	}
}

func TestHostKeysDoNotVouch(t *testing.T) {
	a, b := hostKey(t), hostKey(t)
	const missing = "node worker-1: the fingerprint of its request is missing; it comes by another way than the request"
	const but = missing + ", and no key vouches for it: an SSH key signed it, but "
	const file = "knownHosts: known_hosts\n"
	shown := ssh.FingerprintSHA256(a.PublicKey())
	tests := []struct {
		name, extra, hosts, old, new string
		signer                       ssh.Signer
		want                         []string
	}{
		{name: "nobody signed", extra: file, hosts: known("worker-1", a), want: []string{missing}},
		{name: "no file", signer: a, want: []string{but + "the plan names no knownHosts"}},
		{name: "file is not there", extra: file, signer: a, want: []string{"known_hosts: file does not exist", but + "known_hosts does not read"}},
		{name: "file does not read", extra: file, hosts: "x", signer: a, want: []string{but + "known_hosts does not read", "line 1: …"}},
		{name: "another's key", extra: file, hosts: known("worker-1", b) + known("worker-2", a), signer: a,
			want: []string{but + "in known_hosts the key " + shown + " is not the one line 1 has for worker-1"}},
		{name: "unknown", extra: file, hosts: known("worker-2", a), signer: a, want: []string{but + "in known_hosts no line is of worker-1"}},
		{name: "revoked", extra: file, hosts: known("worker-1", a) + known("@revoked *", a), signer: a,
			want: []string{but + "in known_hosts the key " + shown + " is revoked in line 2"}},
		{name: "pattern", extra: file, hosts: known("worker-*", a), signer: a, want: []string{but + "in known_hosts no line is of worker-1"}},
		{name: "known by another name only", extra: file, hosts: known("worker-1", a), signer: a, old: "name: worker-1\n", new: "name: worker-1\n    host: w\n",
			want: []string{but + "in known_hosts no line is of w"}},
		{name: "host is a pattern", extra: file, hosts: known("worker-1", a), signer: a, old: "name: worker-1\n", new: "name: worker-1\n    host: w*\n",
			want: []string{`node worker-1: host "w*" is not one host's name`}},
		{name: "host without a file", signer: a, old: "name: worker-1\n", new: "name: worker-1\n    host: w\n",
			want: []string{"node worker-1: host is its name in a known_hosts file, and the plan names none (knownHosts)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, inputs := fleet(t, tt.extra, signedOnHost(t, "worker-1", tt.signer))
			if tt.hosts != "" {
				inputs["known_hosts"] = tt.hosts
			}
			c, err := opens(strings.Replace(text, tt.old, tt.new, 1), inputs)
			if err == nil {
				t.Fatalf("accepted:\n%s", written(c))
			}
			var got []string
			for _, p := range problems(t, err) {
				_, message, _ := strings.Cut(p, ": ")
				if strings.HasPrefix(message, "line 1: ") {
					message = "line 1: …"
				}
				got = append(got, message)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Machines cloned with their host key cannot vouch for themselves.
func TestClonedHostKey(t *testing.T) {
	a := hostKey(t)
	text, inputs := fleet(t, "knownHosts: known_hosts\n", signedOnHost(t, "worker-1", a), signedOnHost(t, "worker-2", a))
	text = strings.Replace(text, "  - name: worker-2\n", "  - name: worker-2\n    host: worker-1\n", 1)
	inputs["known_hosts"] = known("worker-1", a)
	_, err := opens(text, inputs)
	want := "node worker-2: the fingerprint of its request is missing; it comes by another way than the request, and no key vouches for it: an SSH key signed it, but the same key signed the request of worker-1"
	if got := problems(t, err); len(got) != 1 || !strings.HasSuffix(got[0], want) {
		t.Errorf("%q", got)
	}
}

// The file alone can show that two machines have the same key: then either of
// them could have signed, also when the other sent its request another way.
func TestSharedHostKey(t *testing.T) {
	a := hostKey(t)
	for what, tt := range map[string]struct{ hosts, old, new, other string }{
		"one line":             {hosts: known("worker-1,worker-2", a), other: "worker-2"},
		"two lines":            {hosts: known("worker-1", a) + known("worker-2", a), other: "worker-2"},
		"hidden":               {hosts: known("worker-1", a) + known(knownhosts.HashHostname("worker-2"), a), other: "worker-2"},
		"by another host name": {hosts: known("worker-1,W2.lab.test", a), old: "  - name: worker-2\n", new: "  - name: worker-2\n    host: w2.LAB.test\n", other: "worker-2"},
	} {
		t.Run(what, func(t *testing.T) {
			second := signedOnHost(t, "worker-2", nil)
			text, inputs := fleet(t, "knownHosts: known_hosts\n", signedOnHost(t, "worker-1", a), second)
			inputs["known_hosts"] = tt.hosts
			text = strings.Replace(text, tt.old, tt.new, 1) + "    fingerprint: \"" + second.Fingerprint.String() + "\"\n"
			c, err := opens(text, inputs)
			if err == nil {
				t.Fatalf("accepted:\n%s", written(c))
			}
			want := "an SSH key signed it, but in known_hosts that key is " + tt.other + "'s, too"
			if got := problems(t, err); len(got) != 1 || !strings.HasSuffix(got[0], want) {
				t.Errorf("%q", got)
			}
			// A second name of the same machine is no other machine.
			inputs["known_hosts"] = known("worker-1,10.0.0.7", a) + known(knownhosts.HashHostname("worker-1.lab.test"), a)
			if _, err := opens(text, inputs); err != nil {
				t.Errorf("names of one machine: %v", err)
			}
		})
	}
}

// A fleet's requests are found in a file that hides every name.
func BenchmarkKnownHosts(b *testing.B) {
	var text strings.Builder
	key := hostKey(b)
	for i := range 2000 {
		k := hostKey(b)
		if i == 1000 {
			k = key
		}
		text.WriteString(known(knownhosts.HashHostname(fmt.Sprintf("worker-%d", i)), k))
	}
	k, err := ReadKnownHosts([]byte(text.String()))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := k.Vouches("worker-1000", key.PublicKey()); err != nil {
			b.Fatal(err)
		}
	}
}
