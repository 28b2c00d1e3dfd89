package charset

import (
	"testing"

	"officiant/bundle/refusaltest"
)

// near are texts that are like one that is refused, by its name in texts, and are taken.
var near = map[string]string{
	"UTF-16 cut":            "\xff\xfea\x00",
	"UTF-16 without a mark": "\xff\xfea\x00b\x00",
	"UTF-32":                "\xff\xfea\x00\x01\x00",
	"Latin-1":               "a: b\nc: \u00e9t\u00e9\n",
	"ZIP":                   "PK\x03\x04",
	"bzip2":                 "BZh9",
	"DER":                   "0\u0082",
	"gzip":                  "\x1f\u008b",
}

// TestReasons is the catalogue of what a text is refused with.
func TestReasons(t *testing.T) {
	rows := []refusaltest.Row{}
	for _, text := range texts() {
		row := refusaltest.Row{Of: text.what, Data: text.data, Says: text.refused, Not: near[text.what]}
		rows = append(rows, row)
	}
	refusaltest.Hold(t, refusaltest.Table{
		Read:    func(data []byte) error { _, err := UTF8(data); return err },
		Rows:    rows,
		Sources: []string{"charset.go"},
		Except:  map[string]string{"UTF-8 with a byte order mark": "the name of a charset, which is taken"},
	})
}
