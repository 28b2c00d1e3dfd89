//go:build cgo

package pkcs11

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages are the texts of docs/signers, by name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "signers", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	texts := map[string]string{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(file)] = string(data)
	}
	return texts
}

// TestPageURIs: every PKCS#11 URI that docs/signers shows is taken, and every
// page of a token shows one.
func TestPageURIs(t *testing.T) {
	uri := regexp.MustCompile("pkcs11:[^`\"\\s]+")
	for name, text := range pages(t) {
		found := uri.FindAllString(text, -1)
		for _, u := range found {
			if _, err := parseURI(u); err != nil {
				t.Errorf("%s: %s: %v", name, u, err)
			}
		}
		switch name {
		case "softhsm.md", "awskms.md": // the one names stations only, the other KMS keys
		default:
			if len(found) == 0 {
				t.Errorf("%s shows no URI", name)
			}
		}
	}
}

// TestPageMessages: every message of this package or of a station that a page
// explains is one that the code can give. An ellipsis stands for what differs.
func TestPageMessages(t *testing.T) {
	said := messages(t)
	row := regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|")
	quoted := regexp.MustCompile("`([^`]+)`")
	// What differs from token to token: names, counts, a module's answers, and
	// the words that are filled in.
	varies := regexp.MustCompile(`"[^"]*"|\bC_[A-Za-z]+: |CKR_[A-Z_]+|CKM_[A-Z_0-9]+|RSA-4096|CKNFAST_LOADSHARING|TPM2_PKCS11_TCTI` +
		`|\blib\S+|\b[0-9]+\b|\b(label|serial|make)\b|\b(none|one not initialized)$|elliptic curve point:.*`)
	for name, text := range pages(t) {
		if name == "awskms.md" || name == "gcpkms.md" || name == "softhsm.md" || name == "README.md" || name == "tokens-tried.md" {
			continue
		}
		_, table, ok := strings.Cut(text, "## When something is wrong\n")
		if !ok {
			t.Errorf("%s does not say what messages mean", name)
			continue
		}
		rows := row.FindAllStringSubmatch(table, -1)
		if len(rows) < 5 {
			t.Errorf("%s explains %d messages", name, len(rows))
		}
		for _, r := range rows {
			for _, m := range quoted.FindAllStringSubmatch(r[1], -1) {
				for _, part := range strings.Split(varies.ReplaceAllString(m[1], "…"), "…") {
					if part = strings.Trim(part, " ()`,:;"); len(part) > 3 && !strings.Contains(said, part) {
						t.Errorf("%s: nothing says %q, of %q", name, part, m[1])
					}
				}
			}
		}
	}
}

// messages is all the text of the sources that pages quote.
func messages(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, folder := range []string{".", "..", filepath.Join("..", "..", "ceremony", "station")} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(data)
		}
	}
	// Messages are written over several lines, and with their quotes escaped.
	joined := regexp.MustCompile(`"\s*\+\s*"`).ReplaceAllString(all.String(), "")
	return strings.ReplaceAll(joined, `\"`, `"`)
}

// TestPageTests: every test that the page of tokens tried names is one.
func TestPageTests(t *testing.T) {
	var sources strings.Builder
	for _, folder := range []string{".", "../../cmd/officiant", "../../cmd/internal/stories"} {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sources.Write(data)
		}
	}
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(pages(t)["tokens-tried.md"], -1)
	if len(named) < 30 {
		t.Errorf("the page names %d tests", len(named))
	}
	for _, n := range named {
		if !strings.Contains(sources.String(), "func "+n[1]+"(") {
			t.Errorf("there is no %s", n[1])
		}
	}
}
