package quorum_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/quorum"
)

// refuses fails unless err says want; with an empty one, unless there is no error.
func refuses(t *testing.T, what string, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

// TestShareReasons: what a share's text is refused with, beside the text as it was.
func TestShareReasons(t *testing.T) {
	_, shares := deal(t, 3)
	text := string(shares[0].Text())
	swapped := func(a, b string) string {
		lines := strings.SplitAfter(text, "\n")
		at := func(name string) int {
			return slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, name) })
		}
		i, j := at(a), at(b)
		lines[i], lines[j] = lines[j], lines[i]
		return strings.Join(lines, "")
	}
	for _, row := range []struct{ of, text, says string }{
		{"as it was", text, ""},
		{"two lines in the other order", swapped("person", "index"),
			"its lines are not those that a share has, in their order"},
		{"a number in words", strings.Replace(text, "index: 1", "index: one", 1), "index is not a number"},
		{"a value cut short", strings.Replace(text, "value: ", "value: 0", 1), "value is not 64 hex digits"},
		{"a sealed PIN with a letter", strings.Replace(text, "sealed-pin: ", "sealed-pin: x", 1),
			"sealed-pin is not hex digits"},
		{"a file of another kind", strings.Repeat("x", 70_000), "has 70000 bytes, more than"},
	} {
		_, err := quorum.ParseShare([]byte(row.text))
		refuses(t, row.of, err, row.says)
	}
}

// TestSealedReasons: what a sealed PIN is refused with, on disk and with its shares.
func TestSealedReasons(t *testing.T) {
	set, shares := deal(t, 2)
	sealed := shares[0].Sealed
	text := string(quorum.SealedText(sealed))
	title, _, _ := strings.Cut(text, "\n")
	for _, row := range []struct{ of, text, says string }{
		{"as it was", text, ""},
		{"without its end of line", strings.TrimSuffix(text, "\n"), ""},
		{"the hex digits alone", strings.TrimPrefix(text, title+"\n"),
			fmt.Sprintf("does not begin with the line %q", title)},
		{"a letter among them", strings.Replace(text, "\n", "\nx", 1), "line 2 is not hex digits"},
		{"another's", string(quorum.SealedText(append(sealed[:len(sealed):len(sealed)], 0))),
			"is not that of the set of token acme-root"},
	} {
		_, err := set.ParseSealed([]byte(row.text))
		refuses(t, row.of, err, row.says)
	}
	c := quorum.Collector{Set: set}
	for _, s := range shares[:2] {
		if err := c.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	changed := slices.Clone(sealed)
	changed[0] ^= 1
	_, err := c.Open(changed)
	refuses(t, "another sealed PIN", err, "the sealed PIN is not the set's")
	set.Sealed = fingerprint.Of(changed) // whoever changed the file wrote its digest, too
	_, err = c.Open(changed)
	refuses(t, "a sealed PIN that was changed with the set", err, "it was changed")
}

// TestSetReasons: whom shares are dealt to, how long a PIN is, and whose proofs there are.
func TestSetReasons(t *testing.T) {
	many := make([]string, quorum.MaxPeople+1)
	for i := range many {
		many[i] = fmt.Sprintf("person%d", i)
	}
	for want, people := range map[string][]string{
		"":                           people,
		"names 1 people; it takes 2": {"alice"}, // with a threshold of 2, which is not what is wrong
		fmt.Sprintf("names %d people; it takes 2 to %d", len(many), quorum.MaxPeople): many,
	} {
		_, _, err := quorum.Deal(rand.Reader, "acme-root", people, 2, []byte("correct horse"))
		refuses(t, fmt.Sprint(len(people)), err, want)
	}
	for n, want := range map[int]string{
		3: "a PIN of 3 characters; one that is made has 4 to ", 4: "",
		quorum.MaxPIN: "", quorum.MaxPIN + 1: "characters; one that is made has 4 to ",
	} {
		_, err := quorum.NewPIN(rand.Reader, n)
		refuses(t, fmt.Sprint(n), err, want)
	}
	set, shares := deal(t, 2)
	purpose := quorum.Opening("acme-root", "00a1", fingerprint.Of(nil))
	if want := "open token acme-root, serial 00a1, in ceremony " + fingerprint.Of(nil).String(); purpose != want {
		t.Errorf("%q, want %q", purpose, want)
	}
	proof, err := set.Prove(rand.Reader, shares[0], purpose)
	if err != nil {
		t.Fatal(err)
	}
	refuses(t, "its own", set.Check(proof, purpose), "")
	refuses(t, "for another ceremony", set.Check(proof, purpose+"0"), "is not one of that share for")
	proof.Index = 6
	refuses(t, "nobody's", set.Check(proof, purpose), "proof of share 6: the set has shares 1 to 5")
}

// TestLargeFile: a file beside a set that is none is not read to its end.
func TestLargeFile(t *testing.T) {
	set, shares := deal(t, 2)
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		quorum.SetFile: set.Text(), quorum.SealedFile: quorum.SealedText(shares[0].Sealed),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := quorum.Folder(dir)
	refuses(t, "a set and its sealed PIN", err, "")
	if err := os.Truncate(filepath.Join(dir, quorum.SealedFile), 1<<30); err != nil {
		t.Fatal(err)
	}
	_, _, err = quorum.Folder(dir)
	refuses(t, "a sealed PIN of 1 GiB", err, quorum.SealedFile+": has more than ")
}
