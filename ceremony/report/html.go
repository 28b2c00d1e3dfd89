package report

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"rsc.io/qr"

	"officiant/bundle/fingerprint"
)

//go:embed page
var pages embed.FS

// templates are all pages and what they share. What they are given is escaped
// by its place in the page; the two exceptions are made of numbers alone, and
// of the style sheet that is part of the program.
var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"qr":     qrPath,
	"side":   qrSide,
	"style":  style,
	"groups": func(f fingerprint.SHA256) []string { return f.Lines()[:2] },
	"words":  wordRows,
	"join":   func(list []string) string { return strings.Join(list, ", ") },
	"parts":  func(subject string) []string { return strings.SplitAfter(subject, ",") }, // where a line may end
	"times":  func(n int) []struct{} { return make([]struct{}, n) },
}).ParseFS(pages, "page/*.html"))

func style() (template.CSS, error) {
	css, err := pages.ReadFile("page/style.css")
	return template.CSS(css), err
}

// render writes a page whole, or nothing of it.
func render(w io.Writer, name string, data any) error {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// wordRows are a fingerprint's words, four a row, as terminals show them.
func wordRows(f fingerprint.SHA256) [][]string {
	var rows [][]string
	for words := f.Words(); len(words) > 0; words = words[4:] {
		rows = append(rows, words[:4])
	}
	return rows
}

// quiet is the white border a QR code needs, in modules.
const quiet = 4

// qrPath draws a fingerprint's 64 hex digits as a QR code: an SVG path of runs.
func qrPath(f fingerprint.SHA256) (string, error) {
	code, err := qr.Encode(f.String(), qr.M)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			run := 0
			for x+run < code.Size && code.Black(x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run, run)
				x += run
			}
		}
	}
	return b.String(), nil
}

// qrSide is the width of the picture of a fingerprint's QR code, in modules.
func qrSide(f fingerprint.SHA256) (int, error) {
	code, err := qr.Encode(f.String(), qr.M)
	if err != nil {
		return 0, err
	}
	return code.Size + 2*quiet, nil
}

// HTML writes the script as one page.
func (s *Script) HTML(w io.Writer) error { return render(w, "script.html", s) }

// What the page of the script shows besides its fields.

func (s *Script) Known() []mark             { return s.known() }
func (s *Script) People() []person          { return s.people() }
func (s *Script) Materials() []string       { return s.materials() }
func (s *Script) Deviation() string         { return deviation }
func (s *Script) Failures() any             { return failures }
func (s *Script) Mark(name string) mark     { return mark{Name: name, F: s.Plan.Digest} }
func (s *Script) Sums() []Sum               { return append([]Sum{s.Program}, s.Modules...) }
func (s *Script) Duties() map[string]string { return duties }
