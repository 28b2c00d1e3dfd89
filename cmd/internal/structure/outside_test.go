package structure

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// programs are those of others that messages name, each with the words that begin a
// command of it; another word begins talk about the program.
var programs = map[string]string{
	"openssl":       "x509 pkey pkcs7 pkcs12 req dgst crl2pkcs7",
	"ssh-keygen":    "-p -y -Y -f -t",
	"softhsm2-util": "--init-token --show-slots",
	"pkcs11-tool":   "--module --login",
	"systemctl":     "restart try-restart daemon-reload enable",
	"crictl":        "ps stop",
	"age-keygen":    "-y -o",
	"aws":           "kms sso sts",
	"gcloud":        "auth services kms",
	"chattr":        "-i -a",
	"kubeadm":       "init join certs kubeconfig upgrade token config",
	"kubectl":       "get config create apply patch replace -n --server --kubeconfig",
}

// runByOthers are commands that no test of ours runs, and why.
var runByOthers = map[string]string{
	"aws kms":                 "an account at AWS: the calls are those that awskms itself makes",
	"aws sso":                 "an account at AWS, and a browser",
	"aws sts":                 "an account at AWS",
	"gcloud auth":             "an account at Google, and a browser",
	"gcloud services":         "an account at Google",
	"gcloud kms":              "an account at Google",
	"age-keygen -y":           "age's own program, which this machine may not have; TestRecipientOf has its answer",
	"kubectl replace":         "an API server that has the request; TestBatch compares its path",
	"systemctl daemon-reload": "systemd as the first process; a test has systemd-analyze read the units",
	"ssh-keygen -p":           "TestRefusals of bundle/privatekey, which takes it from the message",
	"chattr -i":               "needs root and ext4; install then succeeds, as without the attribute",
	"chattr -a":               "needs root and ext4; install then succeeds, as without the attribute",
}

// outsideIn are the commands of others' programs in a text: the program and the word
// that begins the command.
func outsideIn(text string) (all []string) {
	for _, m := range outside.FindAllStringSubmatch(text, -1) {
		if slices.Contains(strings.Fields(programs[m[1]]), m[2]) {
			all = append(all, m[1]+" "+m[2])
		}
	}
	return all
}

var outside = regexp.MustCompile(`(?:^|[^\w/.-])(` + alternatives() + `) ([a-zA-Z0-9-]+)`)

func alternatives() string {
	var names []string
	for name := range programs {
		names = append(names, regexp.QuoteMeta(name))
	}
	slices.Sort(names)
	return strings.Join(names, "|")
}

// unrun says which of the commands stand in no test and have no reason.
func unrun(named map[string]string, tests string, except map[string]string) (problems []string) {
	used := map[string]bool{}
	for command, file := range named {
		excepted := false
		for begin, why := range except {
			if why != "" && strings.HasPrefix(command, begin) {
				used[begin], excepted = true, true
			}
		}
		quoted := `"` + strings.ReplaceAll(command, " ", `", "`) + `"`
		if !excepted && !strings.Contains(tests, command) && !strings.Contains(tests, quoted) {
			problems = append(problems, file+": no test runs: "+command)
		}
	}
	for begin := range except {
		if !used[begin] {
			problems = append(problems, begin+": no message names it any more, or it has no reason")
		}
	}
	slices.Sort(problems)
	return problems
}

// TestOthersCommandsAreRun: a command of somebody else's program that a message has people
// type is typed in a test (the acceptance test's, where it needs a cluster), or listed.
func TestOthersCommandsAreRun(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	named := map[string]string{}
	var tests strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		if d.IsDir() {
			if name == "build" || name == ".git" {
				return fs.SkipDir
			}
			return nil
		}
		test := strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name,
			".ci/") || strings.HasSuffix(name, ".txtar") ||
			strings.HasPrefix(name, "cmd/acceptance/") || strings.HasSuffix(filepath.Dir(name), "test")
		if !d.Type().IsRegular() || !test && !strings.HasSuffix(name, ".go") ||
			filepath.Base(name) == "outside_test.go" {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if test {
			tests.Write(data)
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, data, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				text, _ := strconv.Unquote(l.Value)
				for _, c := range outsideIn(text) {
					named[c] = name
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(named) < 25 {
		t.Errorf("%d commands found: %v", len(named), named)
	}
	for _, problem := range unrun(named, tests.String(), runByOthers) {
		t.Error(problem)
	}
}

// TestUnrun shows that it can fail.
func TestUnrun(t *testing.T) {
	got := outsideIn("kubeadm takes it; `openssl req -inform der`, or kubeadm certs renew apiserver --x")
	if want := []string{"openssl req", "kubeadm certs"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	named := map[string]string{"openssl req": "a.go", "aws kms": "b.go"}
	if got := unrun(named, "sh(`openssl req -new`)", map[string]string{"aws": "an account"}); len(got) != 0 {
		t.Error(got)
	}
	if got := unrun(named, "openssl x509", map[string]string{"gone": "why", "aws": ""}); len(got) != 4 {
		t.Error(got)
	}
}
