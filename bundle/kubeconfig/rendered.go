package kubeconfig

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// rendered reads a file of the one form that Render writes, without a parser of
// YAML: what it takes for the values, written again, has to be the same bytes. Every
// other form is Parse's.
func rendered(data []byte) (*Config, bool) {
	c := &Config{}
	lines := strings.Split(string(data), "\n")
	next := func(key string) (string, bool) {
		if len(lines) == 0 {
			return "", false
		}
		value, ok := strings.CutPrefix(lines[0], key)
		if ok {
			lines = lines[1:]
		}
		return value, ok
	}
	text := func(key string, to *string) bool {
		value, ok := next(key + ": ")
		if ok && strings.HasPrefix(value, `"`) {
			ok = json.Unmarshal([]byte(value), &value) == nil
		}
		*to = value
		return ok && value != ""
	}
	blob := func(key string, to *[]byte) {
		if value, ok := next("    " + key + ": "); ok {
			if *to, ok = decoded(value); !ok {
				*to = nil
			}
		}
	}
	fixed := func(all ...string) bool {
		for _, l := range all {
			if rest, ok := next(l); !ok || rest != "" {
				return false
			}
		}
		return true
	}
	var again [3]string
	if !fixed("apiVersion: v1", "clusters:", "- cluster:") {
		return nil, false
	}
	blob("certificate-authority-data", &c.CA)
	ok := text("    server", &c.Server) && text("  name", &c.Cluster) && fixed("contexts:", "- context:") &&
		text("    cluster", &again[0]) && text("    user", &again[1]) && text("  name", &c.Context) &&
		text("current-context", &again[2]) && fixed("kind: Config", "users:") && text("- name", &c.User)
	if !ok {
		return nil, false
	}
	if !fixed("  user: {}") {
		if !fixed("  user:") {
			return nil, false
		}
		blob("client-certificate-data", &c.Certificate)
		blob("client-key-data", &c.Key)
	}
	return c, bytes.Equal(c.Render(), data)
}

func decoded(text string) ([]byte, bool) {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	return data, err == nil && len(data) > 0
}
