package fingerprint

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/limittest"
)

// listSHA256 was taken after comparing every word with an independent copy of the list.
const listSHA256 = "3e090850023f09a3bff58dbc9926ee0840dd829fa8198af8ceffd1b2280a7096"

// The example of the word list's own documentation.
func TestWordsOfKnownDigest(t *testing.T) {
	data, err := hex.DecodeString("E58294F2E9A227486E8B061B31CC528FD7FA3F19")
	if err != nil {
		t.Fatal(err)
	}
	want := "topmost Istanbul Pluto vagabond treadmill Pacific brackish dictator goldfish Medusa " +
		"afflict bravado chatter revolver Dupont midsummer stopwatch whimsical cowbell bottomless"
	if got := strings.Join(words(data), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWordList(t *testing.T) {
	seen := map[string]bool{}
	for name, list := range map[string][]string{"even": even, "odd": odd} {
		if len(list) != 256 {
			t.Errorf("%s has %d words", name, len(list))
		}
		lower := make([]string, 0, len(list))
		for _, w := range list {
			if len(w) >= wordWidth {
				t.Errorf("%s is wider than a column", w)
			}
			if seen[strings.ToLower(w)] {
				t.Errorf("%s is there twice", w)
			}
			seen[strings.ToLower(w)] = true
			lower = append(lower, strings.ToLower(w))
		}
		// "applicant Apollo" is the list's one slip in the alphabet.
		lower = slices.DeleteFunc(lower, func(w string) bool { return w == "apollo" })
		if !slices.IsSorted(lower) {
			t.Errorf("%s is not in the list's order", name)
		}
	}
	// The ends, and that a slip in between does not go unseen.
	if even[0] != "aardvark" || even[255] != "Zulu" || odd[0] != "adroitness" || odd[255] != "Yucatan" {
		t.Error("the lists' ends are wrong")
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(even, " ")+" "+strings.Join(odd, " "))))
	if sum != listSHA256 {
		t.Errorf("the list's hash is %s", sum)
	}
}

func TestForms(t *testing.T) {
	f := Of([]byte("officiant"))
	if f != sha256.Sum256([]byte("officiant")) || f.IsZero() || !(SHA256{}).IsZero() {
		t.Errorf("digest %s", f)
	}
	if got := strings.ReplaceAll(f.Grouped(), " ", ""); got != f.String() || strings.Count(f.Grouped(), " ") != 15 {
		t.Errorf("grouped: %s", f.Grouped())
	}
	lines := f.Lines()
	if len(lines) != 10 {
		t.Errorf("%d lines", len(lines))
	}
	for _, l := range lines {
		if len(l) > 78 || l != strings.TrimSpace(l) {
			t.Errorf("line %q", l)
		}
	}
	if got := strings.Fields(strings.Join(lines, " ")); !slices.Equal(got, append(strings.Fields(f.Grouped()), f.Words()...)) {
		t.Errorf("lines lost something: %v", got)
	}
}

func TestParse(t *testing.T) {
	f := Of([]byte("x"))
	pairs := make([]string, 0, len(f))
	for _, b := range f {
		pairs = append(pairs, fmt.Sprintf("%02X", b))
	}
	for _, s := range []string{
		f.String(), f.Grouped(), strings.ToUpper(f.Grouped()), "sha256:" + f.String(), "SHA256: " + f.Grouped(),
		"  " + f.String() + "\n", strings.Join(f.Lines()[:2], "\n"), strings.Join(pairs, ":"),
	} {
		if got, err := Parse(s); err != nil || got != f {
			t.Errorf("%q: %s, %v", s, got, err)
		}
	}
	for _, s := range []string{
		"", "sha256:", f.String()[1:], f.String() + "0", f.Grouped()[:78], "0x" + f.String(), "sha1:" + f.String(),
		"sha256:sha256:" + f.String(), strings.Replace(f.String(), f.String()[:1], "g", 1),
		strings.Replace(f.Grouped(), " ", "", 1), strings.Replace(f.Grouped(), " ", "-", 1),
		strings.Join(pairs, ":") + ":", strings.Join(pairs, "::"), strings.Join(f.Words(), " "),
		f.String()[:32] + " " + f.String()[32:],
	} {
		if got, err := Parse(s); err == nil {
			t.Errorf("%q was read as %s", s, got)
		}
	}
}

func TestText(t *testing.T) {
	f := Of([]byte("x"))
	data, err := json.Marshal(map[string]SHA256{"f": f})
	if err != nil || string(data) != `{"f":"`+f.String()+`"}` {
		t.Errorf("%s, %v", data, err)
	}
	var back struct{ F SHA256 }
	if err := json.Unmarshal(data, &back); err != nil || back.F != f {
		t.Errorf("%s, %v", back.F, err)
	}
	for _, s := range []string{"", f.Grouped(), strings.ToUpper(f.String()), "sha256:" + f.String(), f.String() + " ", f.String()[1:]} {
		kept := f
		if err := kept.UnmarshalText([]byte(s)); err == nil || kept != f {
			t.Errorf("%q was taken from a file", s)
		}
	}
}

func TestSPKI(t *testing.T) {
	curve := elliptic.P256()
	pub := &ecdsa.PublicKey{Curve: curve, X: curve.Params().Gx, Y: curve.Params().Gy}
	// openssl pkey -pubin -outform DER | sha256sum, over this key.
	const file = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
`
	block, _ := pem.Decode([]byte(file))
	if block == nil {
		t.Fatal("no PEM block")
	}
	got, err := SPKI(pub)
	if err != nil || got != Of(block.Bytes) {
		t.Errorf("%s, %v", got, err)
	}
	if parsed, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil || !pub.Equal(parsed) {
		t.Errorf("not the same key: %v", err)
	}
	if _, err := SPKI(big.NewInt(1)); err == nil {
		t.Error("a number passed for a key")
	}
}

func FuzzParse(f *testing.F) {
	d := Of(nil)
	for _, s := range []string{d.String(), d.Grouped(), "sha256:" + d.String(), "a:b", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		defer limittest.Budget(t)()
		got, err := Parse(s)
		if err != nil {
			return
		}
		if again, err := Parse(got.Grouped()); err != nil || again != got {
			t.Errorf("%q gave %s, which is not read again", s, got)
		}
		if !strings.Contains(strings.NewReplacer(" ", "", ":", "", "\n", "", "\t", "").Replace(strings.ToLower(s)), got.String()) &&
			len(strings.Fields(s)) == 1 {
			t.Errorf("%q gave %s", s, got)
		}
	})
}

func ExampleSHA256_Lines() {
	for _, line := range Of([]byte("abc")).Lines() {
		fmt.Println(line)
	}
	// Output:
	// ba78 16bf 8f01 cfea 4141 40de 5dae 2223
	// b003 61a3 9617 7a9c b410 ff61 f200 15ad
	// shadow      indigo      backward    rebellion
	// payday      adviser     stagehand   undaunted
	// cranky      decadence   crackdown   telephone
	// exceed      performance blockade    cannonball
	// ruffled     aggregate   fallout     pandemic
	// prefer      bookseller  keyboard    October
	// scenic      autopsy     Zulu        frequency
	// uproot      adroitness  backfield   perceptive
}

func TestParseWords(t *testing.T) {
	want := Of([]byte("request"))
	spoken := want.Words()
	for _, s := range []string{
		strings.Join(spoken, " "), strings.ToUpper(strings.Join(spoken, "\n")), "  " + strings.Join(spoken, "\t ") + " ",
	} {
		if got, err := ParseWords(s); err != nil || got != want {
			t.Errorf("%q: %s, %v", s, got, err)
		}
	}
	change := func(f func([]string) []string) string { return strings.Join(f(slices.Clone(spoken)), " ") }
	for reason, s := range map[string]string{
		"0 words in place of 32":                        "",
		"31 words in place of 32":                       change(func(w []string) []string { return w[:31] }),
		"33 words in place of 32":                       change(func(w []string) []string { return append(w, "aardvark") }),
		"word 4, \"tower\", is none":                    change(func(w []string) []string { w[3] = "tower"; return w }),
		"word 6, " + spoken[6] + ", is out of place":    change(func(w []string) []string { return slices.Delete(w, 5, 6) }),
		"word 3, " + spoken[1] + ", is out of place":    change(func(w []string) []string { return slices.Insert(w, 2, w[1]) }),
		"word 1, " + spoken[1] + ", is out of place":    change(func(w []string) []string { w[0], w[1] = w[1], w[0]; return w }),
		"word 1, \"" + want.String() + "\", is none of": want.String(),
	} {
		if got, err := ParseWords(s); err == nil || got != (SHA256{}) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %s, %v", reason, got, err)
		}
	}
}
