//go:build linux

package stories

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shells are those that completion is typed in. begin loads it as a page of ours says,
// and puts a function before the program that shows what was completed. The program
// itself still answers what the shell asks it.
var shells = []struct {
	name, begin string
	args        []string
}{
	{"bash", `. /usr/share/bash-completion/bash_completion
NAME() { case $1 in __complete*) command NAME "$@";; *) echo "<$*>";; esac; }
. <(command NAME completion bash)
echo rea''dy`, []string{"--norc", "--noprofile", "-i"}},
	{"bash", `NAME() { case $1 in __complete*) command NAME "$@";; *) echo "<$*>";; esac; }
. <(command NAME completion bash)
declare -F _init_completion || echo rea''dy`, []string{"--norc", "--noprofile", "-i"}},
	{"zsh", `autoload -U compinit; compinit -u -D
NAME() { case $1 in __complete*) command NAME "$@";; *) echo "<$*>";; esac; }
. <(command NAME completion zsh)
echo rea''dy`, []string{"-f", "-i"}},
	{"fish", `function NAME
switch "$argv[1]"; case '__complete*'; command NAME $argv; case '*'; echo "<$argv>"; end
end
command NAME completion fish | source
echo rea''dy`, []string{"--no-config", "-i"}},
}

// TestCompletionInShells types the beginning of words and Tab, in real shells:
// subcommands, values that are enumerated, flags, and files of the right kind.
func TestCompletionInShells(t *testing.T) {
	for _, shell := range shells {
		t.Run(shell.name, func(t *testing.T) {
			path, err := exec.LookPath(shell.name)
			if err == nil && strings.Contains(shell.begin, "/usr/share/bash-completion") {
				_, err = os.Stat("/usr/share/bash-completion/bash_completion")
			}
			if err != nil {
				if os.Getenv("OFFICIANT_REQUIRE_SHELLS") != "" {
					t.Fatal(err)
				}
				t.Skipf("needs %s: .ci/setup-softhsm bash-completion zsh fish", shell.name)
			}
			for name, typed := range map[string]map[string]string{
				"officiant": {
					"ceremony verif\t":                    "<ceremony verify>",
					"ceremony verify ceremony -o y\t":     "<ceremony verify ceremony -o yaml>",
					"ceremony verify ceremony --relea\tx": "<ceremony verify ceremony --release-key x>",
					"ceremony run pla\t":                  "<ceremony run plan.yaml>",
					"--color nev\t version":               "<--color never version>",
					"ceremony run --station sta\t":        "<ceremony run --station station.yaml>",
					"ceremony new --station-grade so\t":   "<ceremony new --station-grade software>",
				},
				"officiant-node": {
					"request --roles control-plane,et\t": "<request --roles control-plane,etcd>",
					"instal\t":                           "<install>",
					"status -o js\t":                     "<status -o json>",
				},
			} {
				completes(t, path, name, shell.begin, shell.args, typed)
			}
		})
	}
}

func completes(t *testing.T, shell, name, begin string, args []string, typed map[string]string) {
	dir := t.TempDir()
	files := []string{"plan.yaml", "station.yaml", "plan.txt", "station.txt"}
	if filepath.Base(shell) == "fish" {
		files = files[:2] // fish has no completion by a file's ending: it offers every file
	}
	for _, file := range files {
		if err := os.WriteFile(filepath.Join(dir, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path := programs + ":" + os.Getenv("PATH")
	p := sitWith(t, dir, []string{"TERM=dumb", "HOME=" + dir, "PS1=> ", "PATH=" + path}, shell, args...)
	p.types(strings.ReplaceAll(begin, "NAME", name))
	p.sees("ready")
	for line, want := range typed {
		p.types(name + " " + line)
		p.sees(want)
	}
	p.types("exit")
	<-p.ended
}
