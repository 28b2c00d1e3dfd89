package structure

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// own are the commands' files that read what the program itself has written, or that
// belongs to the system.
var own = map[string]string{
	"cmd/officiant/check.go":           "the schedule beside a plan is compared as a stream, line by line",
	"cmd/officiant/proposal.go":        "a folder's regular files, each up to its limit",
	"cmd/officiant/tries.go":           "what this machine remembers of wrong PINs",
	"cmd/officiant-node/sync_units.go": "systemd units, as they were written",
}

var (
	opens    = regexp.MustCompile(`\bos\.(ReadFile|Open)\(`)
	endless  = regexp.MustCompile(`infile\.ReadFile\(context\.(Background|TODO)\(\)`)
	commands = []string{"cmd/officiant", "cmd/officiant-node"}
)

// unbounded says how a command reads a file without a limit, or without an end.
func unbounded(name, text string) string {
	switch {
	case own[name] == "" && opens.MatchString(text):
		return opens.FindString(text) + " reads what a user names: infile.ReadFile has a limit, and ends at a signal"
	case strings.HasPrefix(name, "cmd/officiant-node/") && endless.MatchString(text):
		return "a signal does not end " + endless.FindString(text)
	}
	return ""
}

// TestUsersFilesHaveALimit: a file that a user names is read by infile.
func TestUsersFilesHaveALimit(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	met := map[string]bool{}
	for _, folder := range commands {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(folder, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name := folder + "/" + filepath.Base(file)
			met[name] = opens.Match(text)
			if problem := unbounded(name, string(text)); problem != "" {
				t.Errorf("%s: %s", name, problem)
			}
		}
	}
	for name := range own {
		if !met[name] {
			t.Errorf("%s opens no file any more: take it off the list", name)
		}
	}
	if unbounded("cmd/officiant/x.go", "os.Open(a)") == "" || unbounded("cmd/officiant/tries.go", "os.Open(a)") != "" ||
		unbounded("cmd/officiant-node/x.go", "infile.ReadFile(context.Background(), a, 1)") == "" {
		t.Error("the check does not tell them apart")
	}
}
