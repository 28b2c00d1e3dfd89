package structure

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestAirgap holds the modules that the room's program links against the list.
func TestAirgap(t *testing.T) {
	holdModules(t, filepath.Join("testdata", "airgap-modules.txt"), "cmd/officiant", "-tags", "airgap")
}

// TestSigner does so for the online signer's; the clouds' modules are held elsewhere.
func TestSigner(t *testing.T) {
	holdModules(t, filepath.Join("testdata", "signer-modules.txt"), "cmd/officiant-signer", "-tags", "airgap")
}

// TestNode does so for the node's program, and shows that it is free of cgo.
func TestNode(t *testing.T) {
	holdModules(t, filepath.Join("testdata", "node-modules.txt"), "cmd/officiant-node")
	for _, p := range goList(t, "-deps", "./cmd/officiant-node") {
		// The standard library has a pure twin of what it does with cgo.
		if !p.Standard && len(p.CgoFiles) > 0 {
			t.Errorf("officiant-node links %s, which needs cgo", p.ImportPath)
		}
	}
}

// TestNodeNetwork holds what HTTP and TLS add to the node's program against a list: all of
// it is the standard library's, and nothing of it listens.
func TestNodeNetwork(t *testing.T) {
	file := filepath.Join("testdata", "node-network.txt")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	allowed, err := modules(string(text))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var linked []string
	for _, p := range goList(t, "-deps", "./cmd/officiant-node") {
		if p.Standard && network.MatchString(p.ImportPath) {
			linked = append(linked, p.ImportPath)
		}
	}
	for _, d := range differences(allowed, linked) {
		t.Errorf("%s: %s", file, d)
	}
}

// network are packages of the standard library that speak to others, or read what they say.
var network = regexp.MustCompile(`^(net|mime|compress|crypto/(tls|hpke))(/|$)|^vendor/`)

// maxNode is how large the node's program may be, in bytes, as make build makes it.
const maxNode = 12 << 20

// TestNodeIsSmall builds the node's program: it is static, and not large.
func TestNodeIsSmall(t *testing.T) {
	program := filepath.Join(t.TempDir(), "officiant-node")
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./cmd/officiant-node")
	c.Dir = filepath.Join("..", "..", "..")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if len(content) >= maxNode {
		t.Errorf("officiant-node has %d bytes, and may have less than %d", len(content), maxNode)
	}
	t.Logf("officiant-node has %.1f MiB", float64(len(content))/(1<<20))
	// It looks methods up by name, so that the linker keeps every one there is.
	for name, want := range map[string]bool{
		"text/template.(*state).evalField": false, "encoding/json.Unmarshal": true,
	} {
		if bytes.Contains(content, []byte(name)) != want {
			t.Errorf("%s is linked: %t", name, !want)
		}
	}
	f, err := elf.Open(program)
	if err != nil {
		t.Skip("no ELF file: ", err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("officiant-node is not static")
		}
	}
}

// TestNodeDoesNotListen: no source that the node's program links of ours listens.
func TestNodeDoesNotListen(t *testing.T) {
	looked := 0
	for _, p := range goList(t, "-deps", "./cmd/officiant-node") {
		name, ok := relative(p.ImportPath)
		if !ok {
			continue
		}
		files, err := filepath.Glob(filepath.Join("..", "..", "..", filepath.FromSlash(name), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if looked++; !strings.HasSuffix(file, "_test.go") && listens.Match(text) {
				t.Errorf("%s listens: %s", file, listens.Find(text))
			}
		}
	}
	if looked < 100 || !listens.MatchString("net.Listen(") || !listens.MatchString("http.ListenAndServe(") {
		t.Errorf("looked at %d files", looked)
	}
}

var listens = regexp.MustCompile(`\.Listen\w*\(|http\.Serve\w*\(|http\.Server\b`)

// TestGoogle holds what Google's SDK brings into the full program.
func TestGoogle(t *testing.T) {
	holdModules(t, filepath.Join("testdata", "gcpkms-modules.txt"), "signer/gcpkms")
}

// TestAmazon holds what the AWS SDK brings into the full program.
func TestAmazon(t *testing.T) {
	holdModules(t, filepath.Join("testdata", "awskms-modules.txt"), "signer/awskms")
}

// TestCgoIsSeen shows that the room's program is seen to need cgo: without it
// TestNode could not fail.
func TestCgoIsSeen(t *testing.T) {
	skipUntilThere(t, "cmd/officiant")
	if !slices.ContainsFunc(goList(t, "-deps", "./cmd/officiant"), func(p listed) bool { return !p.Standard && len(p.CgoFiles) > 0 }) {
		t.Error("no package of officiant is seen to need cgo, though PKCS#11 modules are loaded through it")
	}
}

func holdModules(t *testing.T, file, program string, tags ...string) {
	t.Helper()
	skipUntilThere(t, program)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	allowed, err := modules(string(text))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var linked []string
	for _, p := range goList(t, append(append([]string{"-deps"}, tags...), "./"+program)...) {
		if p.Module != nil && p.Module.Path != module && !slices.Contains(linked, p.Module.Path) {
			linked = append(linked, p.Module.Path)
		}
	}
	for _, d := range differences(allowed, linked) {
		t.Errorf("%s: %s", file, d)
	}
}

// modules reads an allow-list: a module a line, then # and the reason.
func modules(text string) ([]string, error) {
	var out []string
	for line := range strings.Lines(text) {
		path, reason, _ := strings.Cut(strings.TrimSpace(line), "#")
		if path = strings.TrimSpace(path); path == "" {
			continue
		}
		if strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("%s stands there without a reason", path)
		}
		if slices.Contains(out, path) {
			return nil, fmt.Errorf("%s stands there twice", path)
		}
		out = append(out, path)
	}
	return out, nil
}

// differences says which modules are linked and not allowed, or the other way
// round: a list of more than is linked would let it come back unseen.
func differences(allowed, linked []string) []string {
	var out []string
	for _, path := range linked {
		if !slices.Contains(allowed, path) {
			out = append(out, path+" is linked but not in the list")
		}
	}
	for _, path := range allowed {
		if !slices.Contains(linked, path) {
			out = append(out, path+" is in the list but not linked")
		}
	}
	return out
}

// TestReasons holds docs/dependencies.md against go.mod.
func TestReasons(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	required := requirement.FindAllStringSubmatch(string(mod), -1)
	if len(required) == 0 {
		t.Fatal("go.mod requires nothing")
	}
	for _, r := range required {
		if !strings.Contains(string(doc), r[1]) {
			t.Errorf("docs/dependencies.md does not say why %s is required", r[1])
		}
	}
}

// requirement is a line of go.mod that names a module and its version.
var requirement = regexp.MustCompile(`(?m)^(?:require)?\s+(\S+\.\S+/\S+) v\d`)

func TestDifferences(t *testing.T) {
	allowed, err := modules("# a list\n\nfilippo.io/age  # sealing\nrsc.io/qr # codes\n")
	if err != nil {
		t.Fatal(err)
	}
	got := differences(allowed, []string{"filippo.io/age", "cloud.google.com/go/kms"})
	want := []string{"cloud.google.com/go/kms is linked but not in the list", "rsc.io/qr is in the list but not linked"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, bad := range []string{"rsc.io/qr\n", "rsc.io/qr #\n", "rsc.io/qr # codes\nrsc.io/qr # codes\n"} {
		if _, err := modules(bad); err == nil {
			t.Errorf("%q is let in", bad)
		}
	}
}

// skipUntilThere skips when the program has no source yet.
func skipUntilThere(t *testing.T, program string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("..", "..", "..", filepath.FromSlash(program), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Skipf("%s has no source yet", program)
	}
}
