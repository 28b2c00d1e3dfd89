package terminal

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestScreen: what people see at a width, line by line.
func TestScreen(t *testing.T) {
	const fingerprint = "3ad25076c73a39255d4a4618516386d4d1bbb688f68dbd90616fc41de24b101e"
	for _, c := range []struct{ name, line, want string }{
		{"short", "done", "done"},
		{"prose", "the record is whole, closed, and signed by its release key",
			"the record is whole, closed, and signed\nby its release key"},
		{"indented", "    the record is whole, closed, and signed by its key",
			"    the record is whole, closed, and\n    signed by its key"},
		{"behind a label", "ok    the record is whole, closed, and signed by its key",
			"ok    the record is whole, closed, and\n      signed by its key"},
		{"a flag", "      --out FILE   where the plan goes, with its schema",
			"      --out FILE   where the plan goes,\n                   with its schema"},
		{"a fingerprint is never broken", "SHA-256 " + fingerprint, "SHA-256\n" + fingerprint},
		{"nor a long one alone", "  " + fingerprint, "  " + fingerprint},
		{"a command can be pasted", "Next:  officiant ceremony check plan.yaml --station 'my station.yaml'",
			"Next:  officiant ceremony check \\\n    plan.yaml --station \\\n    'my station.yaml'"},
		{"a signature by hand", `printf 'officiant plan approval v1\n87d8\n' | ssh-keygen -Y sign`,
			"printf \\\n    'officiant plan approval v1\\n87d8\\n' \\\n    | ssh-keygen -Y sign"},
		{"how to go on", "  to continue: officiant ceremony run plan.yaml --dir ceremony",
			"  to continue: officiant ceremony run \\\n      plan.yaml --dir ceremony"},
		{"a command's second line", "    --from etc-kubernetes --status status --reason lost",
			"    --from etc-kubernetes --status \\\n        status --reason lost"},
		{"a flag that is explained", "      --from PATH   what is left of the certificates",
			"      --from PATH   what is left of the\n                    certificates"},
		{"a program's name begins an error", "officiant: openssl is not there, and nothing was signed",
			"officiant: openssl is not there, and\nnothing was signed"},
		{"JSON", `  "line": "the record is whole, closed, and signed"`,
			`  "line": "the record is whole, closed, and signed"`},
		{"umlauts", "ö ö ö ö ö ö ö ö ö ö ö ö ö ö ö ö ö ö ö ö", "ö ö ö ö ö ö ö ö ö ö ö ö ö ö ö ö ö ö ö ö"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			s := NewScreen(&out, "40")
			for i := range len(c.line) { // however it arrives
				fmt.Fprint(s, c.line[i:i+1])
			}
			fmt.Fprintln(s)
			if want := c.want + "\n"; out.String() != want {
				t.Errorf("got\n%swant\n%s", out.String(), want)
			}
		})
	}
}

// TestScreenKeepsEverything: at whatever width no word is lost, and a line is too
// wide only where one word is.
func TestScreenKeepsEverything(t *testing.T) {
	text := "  label   some words and " + strings.Repeat("x", 70) + " more of them, and then officiant more\n"
	for width := narrowest; width < 130; width++ {
		var out strings.Builder
		fmt.Fprint(NewScreen(&out, fmt.Sprint(width)), text)
		if got, want := strings.Fields(out.String()), strings.Fields(text); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("width %d: %q", width, got)
		}
		for line := range strings.Lines(out.String()) {
			wide := utf8.RuneCountInString(line)-1 > width
			if wide && len(strings.Fields(line)) > 1 {
				t.Errorf("width %d: %q", width, line)
			}
		}
	}
}

// TestPipe: what is searched is not folded.
func TestPipe(t *testing.T) {
	var out strings.Builder
	s := NewScreen(&out, "")
	line := strings.Repeat("word ", 60) + "\n"
	fmt.Fprint(s, line)
	table := &Table{}
	table.Add("a", strings.TrimSpace(line))
	if err := table.Write(s, Width(s)); err != nil {
		t.Fatal(err)
	}
	if want := line + "a  " + strings.TrimSpace(line) + "\n"; out.String() != want {
		t.Errorf("got %q", out.String())
	}
}

// TestQuestion: it is seen before its line ends.
func TestQuestion(t *testing.T) {
	var out strings.Builder
	s := NewScreen(&out, "40")
	fmt.Fprint(s, "PIN: ")
	if out.Len() > 0 {
		t.Errorf("%q is there already", out.String())
	}
	flush(s)
	if out.String() != "PIN: " {
		t.Errorf("got %q", out.String())
	}
}

// TestPaint: marks at the beginning of a line have a colour, the rest has none.
func TestPaint(t *testing.T) {
	for line, want := range map[string]string{
		"ok    12 checks":           "\x1b[32mok\x1b[0m    12 checks",
		"  FAIL  bundles":           "  \x1b[31mFAIL\x1b[0m  bundles",
		"warning: the clock":        "\x1b[33mwarning:\x1b[0m the clock",
		"officiant: no such":        "\x1b[31mofficiant:\x1b[0m no such",
		"officiant ceremony verify": "officiant ceremony verify",
		"okay, it is done":          "okay, it is done",
		"    done":                  "    done", // a loop in a script
		"    finding":               "    finding",
		"done  12 certificates":     "\x1b[32mdone\x1b[0m  12 certificates",
	} {
		var out strings.Builder
		s := NewScreen(&out, "")
		Paint(s, Always)
		if fmt.Fprintln(s, line); out.String() != want+"\n" {
			t.Errorf("%q, want %q", out.String(), want)
		}
		out.Reset()
		Paint(s, Never)
		if fmt.Fprintln(s, line); out.String() != line+"\n" {
			t.Errorf("%q, and nobody wants colours", out.String())
		}
	}
	var c Color
	if c.Set("purple") == nil {
		t.Error("purple is taken")
	}
}
