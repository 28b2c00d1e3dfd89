package chain_test

import (
	"strings"
	"testing"
	"time"

	"officiant/ceremony/chain"
)

// TestRefusals: why a line is not written, or not read, beside one that is.
func TestRefusals(t *testing.T) {
	records := chain.Of(made{})
	encoded := func(name string) (string, error) {
		raw, err := chain.Encode(chain.Line{Seq: 7, Time: time.Unix(1, 0), Record: made{Name: name}})
		return strings.TrimSuffix(string(raw), "\n"), err
	}
	if _, err := encoded("na\xefve"); err == nil || err.Error() != "made record: text is not UTF-8" {
		t.Error(err)
	}
	text, err := encoded("naïve")
	if err != nil {
		t.Fatal(err)
	}
	data := text[strings.Index(text, `,"data"`) : len(text)-1]
	for line, want := range map[string]string{
		text: "",
		strings.Replace(text, "{", "{ ", 1) + "{}": "not a line of a transcript: text after the object",
		strings.Replace(text, data, "", 1):         "data is missing",
		text[1:]:                                   "not a line of a transcript: ",
	} {
		_, err := records.Decode([]byte(line))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}
