package quorum_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"

	"officiant/bundle/limittest"
	"officiant/ceremony/quorum"
)

var people = []string{"alice", "bob", "kim", "noor", "wim"}

func deal(t testing.TB, threshold int) (*quorum.Set, []*quorum.Share) {
	t.Helper()
	set, shares, err := quorum.Deal(rand.Reader, "acme-root", people, threshold, []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	return set, shares
}

// subsets yields all sets of k of the first n numbers.
func subsets(n, k int) (out [][]int) {
	for bits := range 1 << n {
		var s []int
		for i := range n {
			if bits&(1<<i) != 0 {
				s = append(s, i)
			}
		}
		if len(s) == k {
			out = append(out, s)
		}
	}
	return out
}

// Every three of five open the PIN, no two do.
func TestThreshold(t *testing.T) {
	set, shares := deal(t, 3)
	for k := range len(people) + 1 {
		for _, chosen := range subsets(len(people), k) {
			c := quorum.Collector{Set: set}
			for _, i := range chosen {
				if err := c.Add(shares[i]); err != nil {
					t.Fatal(err)
				}
			}
			pin, err := c.Open(shares[0].Sealed)
			if enough := k >= 3; enough != (err == nil) || enough && string(pin) != "correct horse" {
				t.Errorf("shares %v: PIN %q, %v", chosen, pin, err)
			}
		}
	}
}

// Two shares and a guessed third one do not open it either: the set says so before
// anything is opened.
func TestGuess(t *testing.T) {
	set, shares := deal(t, 3)
	text := shares[2].Text()
	at := bytes.Index(text, []byte("value: ")) + len("value: ")
	for i := range 64 {
		changed := bytes.Clone(text)
		if changed[at+i]++; changed[at+i] == ':' || changed[at+i] == 'g' {
			changed[at+i] = '0'
		}
		share, err := quorum.ParseShare(changed)
		if err != nil {
			t.Fatalf("digit %d: %v", i, err)
		}
		err = set.Verify(share)
		if !errors.Is(err, quorum.ErrShare) || !strings.Contains(err.Error(), "share 3 (kim)") {
			t.Errorf("digit %d: %v", i, err)
		}
		if c := (quorum.Collector{Set: set}); c.Add(share) == nil {
			t.Errorf("digit %d: taken", i)
		}
	}
}

func TestRefusedShares(t *testing.T) {
	set, shares := deal(t, 3)
	_, others := deal(t, 3)
	change := func(from, to string) *quorum.Share {
		share, err := quorum.ParseShare(bytes.Replace(shares[0].Text(), []byte(from), []byte(to), 1))
		if err != nil {
			t.Fatal(err)
		}
		return share
	}
	for name, c := range map[string]struct {
		share *quorum.Share
		want  string
	}{
		"of another set":     {others[0], "it is of the set " + others[0].Set.String()},
		"number zero":        {change("index: 1", "index: 0"), "it has shares 1 to 5"},
		"number too high":    {change("index: 1", "index: 6"), "it has shares 1 to 5"},
		"another's name":     {change("person: alice", "person: bob"), "share 1 is alice's"},
		"another's number":   {change("person: alice\nindex: 1", "person: bob\nindex: 2"), "not what the set committed to"},
		"another sealed PIN": {change("sealed-pin: ", "sealed-pin: 00"), "the sealed PIN with it is another"},
		"value zero": {change(fmt.Sprintf("value: %s", valueOf(shares[0])), "value: "+strings.Repeat("0", 64)),
			"not what the set committed to"},
		"value beyond the group": {change(fmt.Sprintf("value: %s", valueOf(shares[0])), "value: "+strings.Repeat("f", 64)),
			"not what the set committed to"},
	} {
		err := set.Verify(c.share)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	c := quorum.Collector{Set: set}
	if err := errors.Join(c.Add(shares[0])); err != nil {
		t.Fatal(err)
	}
	if err := c.Add(shares[0]); err == nil || !strings.Contains(err.Error(), "given already") {
		t.Errorf("a share twice: %v", err)
	}
	if c.Missing() != 2 {
		t.Errorf("%d are missing after one of three", c.Missing())
	}
}

func valueOf(s *quorum.Share) string {
	_, rest, _ := strings.Cut(string(s.Text()), "value: ")
	return rest[:64]
}

func TestWords(t *testing.T) {
	set, shares := deal(t, 2)
	for _, s := range shares {
		typed := strings.ToLower(strings.Join(s.Words(), "\n  "))
		got, err := set.ParseWords(s.Index, typed)
		if err != nil {
			t.Fatal(err)
		}
		if err := set.Verify(got); err != nil {
			t.Error(err)
		}
		if got, err = set.ParseWords(s.Index, s.Digits()); err != nil || set.Verify(got) != nil {
			t.Errorf("by digits: %v", err)
		}
	}
	words := shares[0].Words()
	swapped := append([]string{words[2], words[1], words[0]}, words[3:]...)
	for name, c := range map[string]struct {
		index int
		typed []string
		want  string
	}{
		"two words of one list changed places": {1, swapped, "a word was misread"},
		"another number's":                     {2, words, "no share 2 of this set"},
		"one left out":                         {1, words[1:], "word 1"},
		"without its digits":                   {1, words[:32], "four digits"},
		"nothing":                              {1, nil, "no words"},
		"of nobody":                            {6, words, "shares 1 to 5"},
	} {
		_, err := set.ParseWords(c.index, strings.Join(c.typed, " "))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && len(c.typed) > 3 && strings.Contains(err.Error(), strings.Join(words[3:6], " ")) {
			t.Errorf("%s: the error repeats the share: %v", name, err)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	set, shares := deal(t, 4)
	again, err := quorum.ParseSet(set.Text())
	if err != nil || again.ID() != set.ID() {
		t.Fatal(err)
	}
	for _, s := range shares {
		got, err := quorum.ParseShare(s.Text())
		if err != nil || again.Verify(got) != nil {
			t.Errorf("share %d: %v", s.Index, err)
		}
	}
	sealed, err := again.ParseSealed(quorum.SealedText(shares[0].Sealed))
	if err != nil || !bytes.Equal(sealed, shares[0].Sealed) {
		t.Error(err)
	}
	other, _ := deal(t, 4)
	if _, err := other.ParseSealed(quorum.SealedText(sealed)); err == nil {
		t.Error("a sealed PIN was taken for another set's")
	}
}

// Each byte of a set changed makes it another set, or none: no share of the old
// one is one of the new.
func TestChangedSet(t *testing.T) {
	set, shares := deal(t, 2)
	text := set.Text()
	for i := range text {
		changed := bytes.Clone(text)
		changed[i] ^= 1
		s, err := quorum.ParseSet(changed)
		if err == nil && s.Verify(shares[0]) == nil {
			t.Errorf("byte %d changed: still the share's set", i)
		}
	}
}

func TestBadSets(t *testing.T) {
	set, _ := deal(t, 2)
	text := string(set.Text())
	commitment := text[strings.Index(text, "commitment: ") : strings.Index(text, "commitment: ")+len("commitment: ")+65]
	for name, c := range map[string]struct{ from, to, want string }{
		"threshold 1":           {"threshold: 2", "threshold: 1", "threshold is 1"},
		"threshold 6":           {"threshold: 2", "threshold: 6", "threshold is 6"},
		"a person twice":        {"person: bob", "person: alice", "names alice twice"},
		"a person with no name": {"person: bob", "person:  ", "no blanks around it"},
		"a name with an escape": {"person: bob", "person: b\x1bob", "cannot be seen"},
		"a commitment less":     {commitment, "", "has 1 commitments"},
		"identity":              {commitment, "commitment: " + strings.Repeat("0", 64) + "\n", "is no commitment"},
		"another title":         {"v1", "v2", "does not begin with"},
		"another field":         {"threshold: 2", "threshold: 2\npin: 1234", "unknown field"},
		"order": {"person: alice\nperson: bob", "person: alice\n" + commitment + "person: bob",
			"commitments"},
		"no end": {text, strings.TrimSuffix(text, "\n"), "cut short"},
		"number": {"threshold: 2", "threshold: +2", "not in the order"},
	} {
		_, err := quorum.ParseSet([]byte(strings.Replace(text, c.from, c.to, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestDealRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		people    []string
		threshold int
		pin       string
	}{
		"one of many":      {people, 1, "1234"},
		"more than people": {people, 6, "1234"},
		"one person":       {people[:1], 1, "1234"},
		"no PIN":           {people, 3, ""},
		"a long PIN":       {people, 3, strings.Repeat("1", quorum.MaxPIN+1)},
		"a person twice":   {[]string{"alice", "alice"}, 2, "1234"},
		"no name":          {[]string{"alice", ""}, 2, "1234"},
	} {
		if _, _, err := quorum.Deal(rand.Reader, "acme-root", c.people, c.threshold, []byte(c.pin)); err == nil {
			t.Errorf("%s: dealt", name)
		}
	}
	for _, n := range []int{1, 8, 31, 32, quorum.MaxPIN} {
		pin := strings.Repeat("9", n)
		set, shares, err := quorum.Deal(rand.Reader, "acme-root", people, 2, []byte(pin))
		if err != nil {
			t.Fatal(err)
		}
		c := quorum.Collector{Set: set}
		if err := errors.Join(c.Add(shares[4]), c.Add(shares[1])); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Open(shares[0].Sealed); err != nil || string(got) != pin {
			t.Errorf("a PIN of %d: %q, %v", n, got, err)
		}
	}
}

// A PIN's length does not show in what is sealed.
func TestPINLengthIsHidden(t *testing.T) {
	length := func(pin string) int {
		_, shares, err := quorum.Deal(rand.Reader, "acme-root", people, 2, []byte(pin))
		if err != nil {
			t.Fatal(err)
		}
		return len(shares[0].Sealed)
	}
	if length("1234") != length(strings.Repeat("9", 31)) {
		t.Error("the sealed PIN is as long as the PIN")
	}
}

func TestProofs(t *testing.T) {
	set, shares := deal(t, 3)
	for _, s := range shares {
		p, err := set.Prove(rand.Reader, s, "drill of 2026-11-29")
		if err != nil {
			t.Fatal(err)
		}
		if err := set.Check(p, "drill of 2026-11-29"); err != nil {
			t.Error(err)
		}
		if set.Check(p, "drill of 2026-11-30") == nil {
			t.Error("a proof was taken for another day's")
		}
		if set.Check(quorum.Proof{Index: s.Index%5 + 1, Text: p.Text}, "drill of 2026-11-29") == nil {
			t.Error("a proof was taken for another person's")
		}
		for i := range p.Text {
			changed := []byte(p.Text)
			changed[i] = map[bool]byte{true: '1', false: '0'}[changed[i] == '0']
			if set.Check(quorum.Proof{Index: s.Index, Text: string(changed)}, "drill of 2026-11-29") == nil {
				t.Errorf("digit %d changed: taken", i)
			}
		}
	}
	_, others := deal(t, 3)
	if _, err := set.Prove(rand.Reader, others[0], "x"); !errors.Is(err, quorum.ErrShare) {
		t.Errorf("a proof with another set's share: %v", err)
	}
}

func TestClear(t *testing.T) {
	set, shares := deal(t, 2)
	c := quorum.Collector{Set: set}
	if err := errors.Join(c.Add(shares[0]), c.Add(shares[1])); err != nil {
		t.Fatal(err)
	}
	c.Clear()
	if set.Verify(shares[0]) == nil || c.Missing() != 2 {
		t.Error("shares are still there")
	}
}

func FuzzParseSet(f *testing.F) {
	set, _ := deal(f, 2)
	f.Add(set.Text())
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		if s, err := quorum.ParseSet(data); err == nil && !bytes.Equal(s.Text(), data) {
			t.Error("read, and written otherwise")
		}
	})
}

func FuzzParseShare(f *testing.F) {
	_, shares := deal(f, 2)
	f.Add(shares[0].Text())
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		if s, err := quorum.ParseShare(data); err == nil && !bytes.Equal(s.Text(), data) {
			t.Error("read, and written otherwise")
		}
	})
}
