//go:build linux

package stories

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var escapes = regexp.MustCompile(`\x1b\[[0-9]*m`)

// TestColor: marks have a colour on a terminal alone, unless somebody wants none; and
// what is said is the same without.
func TestColor(t *testing.T) {
	for _, program := range []string{"officiant", "officiant-node"} {
		path := filepath.Join(programs, program)
		plain := ""
		for _, c := range []struct {
			name     string
			env      []string
			args     []string
			colored  bool
			terminal bool
		}{
			{"a terminal", []string{"TERM=xterm"}, nil, true, true},
			{"asked for", []string{"TERM=dumb", "NO_COLOR=1"}, []string{"--color", "always"}, true, true},
			{"NO_COLOR", []string{"TERM=xterm", "NO_COLOR=1"}, nil, false, true},
			{"a dumb terminal", []string{"TERM=dumb"}, nil, false, true},
			{"never", []string{"TERM=xterm"}, []string{"--color=never"}, false, true},
			{"a pipe", []string{"TERM=xterm"}, nil, false, false},
			{"a pipe, asked for", []string{"TERM=xterm"}, []string{"--color", "always"}, true, false},
		} {
			args := append(c.args, "verify", "nowhere")
			if program == "officiant" {
				args = append(c.args, "ceremony", "verify", "nowhere")
			}
			var seen string
			if c.terminal {
				p := sitWith(t, t.TempDir(), c.env, path, args...)
				<-p.ended
				seen = strings.ReplaceAll(p.seen(), "\r\n", "\n")
			} else {
				cmd := exec.Command(path, args...)
				cmd.Env = append(os.Environ(), c.env...)
				out, _ := cmd.CombinedOutput()
				seen = string(out)
			}
			if got := strings.Contains(seen, "\x1b[31m"+program+":\x1b[0m"); got != c.colored {
				t.Errorf("%s, %s: in colour: %v, want %v: %q", program, c.name, got, c.colored, seen)
			}
			text := escapes.ReplaceAllString(seen, "")
			if strings.Contains(text, "\x1b") || !strings.Contains(text, program+": ") {
				t.Errorf("%s, %s: %q", program, c.name, text)
			}
			if text = strings.Join(strings.Fields(text), " "); plain == "" {
				plain = text
			} else if text != plain {
				t.Errorf("%s, %s says something else: %q, and %q", program, c.name, text, plain)
			}
		}
	}
}
