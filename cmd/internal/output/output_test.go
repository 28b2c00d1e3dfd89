package output

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

// TestYAML: YAML says what JSON says, also where a text looks like something else.
func TestYAML(t *testing.T) {
	for _, v := range []any{
		map[string]any{"a": []any{}, "b": map[string]any{}, "c": nil, "n": 12.0, "f": 1.5, "t": true},
		map[string]any{"serial": "0012e4", "yes": "yes", "null": "null", "time": "2026-11-29T22:21:31Z", "n": "012"},
		map[string]any{"lines": "a: b\n- c\n", "tab": "\ta", "colon": "a: b", "hash": "a #b", "empty": "", "tilde": "~",
			"escape": "\x1b[31m", "quote": `"a'`, "wide": "naïve → ß", "brace": "{a}", "star": "*a", "bang": "!a"},
		[]any{[]any{map[string]any{"x": []any{"y", 1.0}}}},
	} {
		var asYAML, asJSON strings.Builder
		if err := YAML.Write(&asYAML, v); err != nil {
			t.Fatal(err)
		}
		if err := JSON.Write(&asJSON, v); err != nil {
			t.Fatal(err)
		}
		var got any
		if err := yaml.Unmarshal([]byte(asYAML.String()), &got); err != nil {
			t.Fatalf("%v\n%s", err, asYAML.String())
		}
		again, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var back any
		if err := json.Unmarshal(again, &back); err != nil || !reflect.DeepEqual(back, v) {
			t.Errorf("%v\n%s\nis %s\nand was %s", err, asYAML.String(), again, asJSON.String())
		}
	}
}

// TestOrder: fields stay in the order in which JSON has them.
func TestOrder(t *testing.T) {
	var out strings.Builder
	err := YAML.Write(&out, struct {
		B int      `json:"b"`
		A []string `json:"a"`
	}{1, []string{"x"}})
	if want := "b: 1\na:\n  - x\n"; err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestFlag(t *testing.T) {
	for text, wrong := range map[string]bool{"table": false, "yaml": false, "csv": false, "xml": true, "": true} {
		var f Format
		c := &cobra.Command{Use: "x"}
		Flag(c, &f, "csv")
		err := c.ParseFlags([]string{"-o", text})
		if (err != nil) != wrong || !wrong && string(f) != text {
			t.Errorf("-o %s: %s, %v", text, f, err)
		}
		if wrong && !strings.Contains(err.Error(), "table, json, yaml or csv") {
			t.Error(err)
		}
	}
}
