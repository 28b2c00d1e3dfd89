package commandtest

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

type part struct {
	Names []string          `json:"names"`
	Says  map[string]string `json:"says,omitempty"`
}

type printed struct {
	*part
	N     int       `json:"n"`
	Rate  float64   `json:"rate"`
	At    time.Time `json:"at"`
	Parts []part    `json:"parts"`
	Last  *part     `json:"last"`
	Done  bool      `json:"done,omitempty"`
	inner int
}

// TestSchemaRefuses shows that a schema of Go types takes what they print, and says no
// to everything else.
func TestSchemaRefuses(t *testing.T) {
	var schema Object
	if err := json.Unmarshal(schemaOf(t, "x", reflect.TypeFor[printed](), nil), &schema); err != nil {
		t.Fatal(err)
	}
	good, err := json.Marshal(printed{part: &part{Names: []string{"a"}}, At: time.Now().UTC(), Rate: 1.5, inner: 1,
		Parts: []part{{Names: []string{}, Says: map[string]string{"x": "y"}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, says string }{
		{`"n":0`, `"n":0`, ""},
		{`"n":0`, `"n":0.5`, "x.n: 0.5 is no integer"},
		{`"n":0`, `"m":0`, "x: has a field m"},
		{`"n":0,`, ``, "x: has no n"},
		{`["a"]`, `["a",1]`, "x.names[1]: 1 is no string"},
		{`["a"]`, `null`, "x.names: <nil> is no array"},
		{`"last":null`, `"last":[]`, "x.last: is none of the alternatives"},
		{`"last":null`, `"last":{"names":[]}`, ""},
		{`"x":"y"`, `"x":1`, "x.parts[0].says.x: 1 is no string"},
		{`"at":"2`, `"at":"x`, "does not match"},
	} {
		text := strings.Replace(string(good), c.old, c.new, 1)
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err, text)
		}
		found := strings.Join(Violations(schema, schema, v, "x"), "\n")
		if (c.says == "") != (found == "") || !strings.Contains(found, c.says) {
			t.Errorf("%s: found %q, want %q", text, found, c.says)
		}
	}
}
