package schedule

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" // OpenSSH hides names with it; nothing is signed
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// KnownHosts says which SSH key is which host's: OpenSSH's known_hosts, names
// in clear or hashed. Lines of a pattern or a certification authority speak of
// many hosts, and vouch for none.
type KnownHosts struct {
	lines   []hostLine
	byKey   map[string][]int // lines of a key
	revoked map[string]int   // its line's number
}

type hostLine struct {
	number int
	hosts  []string
	key    string // wire format
}

// ReadKnownHosts reads a known_hosts file. Its error names the line.
func ReadKnownHosts(data []byte) (*KnownHosts, error) {
	k := &KnownHosts{byKey: map[string][]int{}, revoked: map[string]int{}}
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		marker, hosts, key, _, _, err := ssh.ParseKnownHosts(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		wire := string(key.Marshal())
		switch marker {
		case "":
			k.byKey[wire] = append(k.byKey[wire], len(k.lines))
			k.lines = append(k.lines, hostLine{number, hosts, wire})
		case "revoked":
			k.revoked[wire] = number
		case "cert-authority":
		default:
			return nil, fmt.Errorf("line %d: @%s is neither @revoked nor @cert-authority", number, marker)
		}
	}
	if len(k.lines) == 0 {
		return nil, errors.New("names no host's key")
	}
	return k, nil
}

// Vouches says why a key is not that host's; nil when it is.
func (k *KnownHosts) Vouches(host string, key ssh.PublicKey) error {
	wire, shown := string(key.Marshal()), ssh.FingerprintSHA256(key)
	if n, ok := k.revoked[wire]; ok {
		return fmt.Errorf("the key %s is revoked in line %d", shown, n)
	}
	host = strings.ToLower(host)
	for _, i := range k.byKey[wire] {
		if k.lines[i].names(host) {
			return nil
		}
	}
	for _, l := range k.lines {
		if l.names(host) {
			return fmt.Errorf("the key %s is not the one line %d has for %s", shown, l.number, host)
		}
	}
	return fmt.Errorf("no line is of %s", host)
}

// Shared finds another host that has the key of this one: a machine cloned with
// its host key. others are names by host, in lower case. It is empty when there
// is none.
func (k *KnownHosts) Shared(host string, key ssh.PublicKey, others map[string]string) string {
	host = strings.ToLower(host)
	for _, i := range k.byKey[string(key.Marshal())] {
		for _, h := range k.lines[i].hosts {
			if strings.ToLower(h) == host || hidden(h, host) {
				continue
			}
			if other, ok := others[strings.ToLower(h)]; ok {
				return other
			}
			if !strings.HasPrefix(h, "|") {
				continue
			}
			is := unhidden(h)
			for name, other := range others {
				if is(name) {
					return other
				}
			}
		}
	}
	return ""
}

// names says whether a line is about a host, and not about a pattern it fits.
func (l *hostLine) names(host string) bool {
	for _, h := range l.hosts {
		if strings.ToLower(h) == host || hidden(h, host) {
			return true
		}
	}
	return false
}

// hidden says whether a hashed name, |1|SALT|HASH, is that host's.
func hidden(hashed, host string) bool { return unhidden(hashed)(host) }

// unhidden reads a hashed name once, to be held against many hosts.
func unhidden(hashed string) (is func(host string) bool) {
	none := func(string) bool { return false }
	parts := strings.Split(hashed, "|")
	if len(parts) != 4 || parts[0] != "" || parts[1] != "1" {
		return none
	}
	salt, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return none
	}
	want, err := base64.StdEncoding.DecodeString(parts[3])
	if err != nil {
		return none
	}
	mac := hmac.New(sha1.New, salt)
	var sum [sha1.Size]byte
	return func(host string) bool {
		mac.Reset()
		mac.Write([]byte(host))
		return hmac.Equal(mac.Sum(sum[:0]), want)
	}
}
