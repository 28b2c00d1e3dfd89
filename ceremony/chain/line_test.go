package chain_test

import (
	"strings"
	"testing"
	"time"

	"officiant/ceremony/chain"
)

type made struct {
	Name  string   `json:"name"`
	Names []string `json:"names"`
}

func (made) Type() chain.Type { return "made" }

// TestOneSpelling: what Encode writes, Decode reads, and nothing else.
func TestOneSpelling(t *testing.T) {
	records := chain.Of(made{})
	raw, err := chain.Encode(chain.Line{Seq: 7, Time: time.Unix(1, 0), Record: made{Name: "a<b"}})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSuffix(string(raw), "\n")
	l, err := records.Decode([]byte(text))
	if err != nil || l.Seq != 7 || l.Record.(made).Name != "a<b" || l.Hash.IsZero() {
		t.Fatalf("%+v, %v", l, err)
	}
	for name, other := range map[string]string{
		"another type":    strings.Replace(text, `"made"`, `"kept"`, 1),
		"a null list":     strings.Replace(text, `[]`, `null`, 1),
		"white space":     strings.Replace(text, `,"names"`, `, "names"`, 1),
		"a field more":    strings.Replace(text, `"names":[]`, `"names":[],"more":1`, 1),
		"another order":   strings.Replace(text, `"name":"a<b","names":[]`, `"names":[],"name":"a<b"`, 1),
		"an escape":       strings.Replace(text, `<`, `\u003c`, 1),
		"text after it":   text + "{}",
		"no decimals":     strings.Replace(text, `.000Z`, `Z`, 1),
		"a broken number": strings.Replace(text, `"seq":7`, `"seq":07`, 1),
	} {
		if _, err := records.Decode([]byte(other)); err == nil || other == text {
			t.Errorf("%s was read: %s", name, other)
		}
	}
}
