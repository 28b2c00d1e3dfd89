package module

import (
	"bytes"
	"strings"
	"testing"

	"officiant/bundle/limittest"
)

func TestMessages(t *testing.T) {
	body := new(out).number(7).text("label").bytes(nil).numbers([]uint{1, 2, 1<<64 - 1})
	data, err := frame(9, fnFind, *body)
	if err != nil {
		t.Fatal(err)
	}
	m, err := readMessage(bytes.NewReader(data))
	if err != nil || m.id != 9 || m.kind != fnFind {
		t.Fatalf("%+v, %v", m, err)
	}
	i := &in{rest: m.body}
	if n, s, b, all := i.number(), i.text(), i.bytes(), i.numbers(); n != 7 || s != "label" || len(b) != 0 ||
		len(all) != 3 || all[2] != 1<<64-1 || i.end() != nil {
		t.Errorf("%d %q %q %d, %v", n, s, b, all, i.end())
	}
	for n := range len(m.body) {
		i := &in{rest: m.body[:n]}
		i.number()
		i.text()
		i.bytes()
		i.numbers()
		if i.end() == nil {
			t.Errorf("cut after %d bytes, it passes", n)
		}
	}
	if i := (&in{rest: append(bytes.Clone(*new(out).number(1)), 0)}); i.number() != 1 || i.end() == nil {
		t.Error("a byte more passes")
	}
	if i := (&in{rest: []byte(*new(out).number(1 << 60))}); len(i.numbers()) != 0 || i.end() == nil {
		t.Error("a list of more than the message holds")
	}
}

// TestLongMessages: nothing is allocated for a length that is only told.
func TestLongMessages(t *testing.T) {
	if _, err := frame(1, 1, make([]byte, maxFrame+1)); err == nil {
		t.Error("a message that is too long is put together")
	}
	long := []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0}
	if _, err := readMessage(bytes.NewReader(long)); err == nil || !strings.Contains(err.Error(), "4294967295") {
		t.Errorf("%v", err)
	}
}

// FuzzMessage: whatever comes is refused or of its form, and no more is
// allocated than came.
func FuzzMessage(f *testing.F) {
	whole, _ := frame(1, answerCode, *new(out).number(3).text("x").numbers([]uint{1}))
	f.Add(whole)
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 2, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		m, err := readMessage(bytes.NewReader(data))
		if err != nil {
			return
		}
		i := &in{rest: m.body}
		n, s, all := i.number(), i.bytes(), i.numbers()
		if i.end() == nil {
			again, err := frame(m.id, m.kind, *new(out).number(n).bytes(s).numbers(all))
			if err != nil || !bytes.Equal(again, data[:len(again)]) {
				t.Errorf("%x is read, and written as %x", data, again)
			}
		}
	})
}

// TestWords: a label in Latin-1 is text, too; a record has no other.
func TestWords(t *testing.T) {
	for in, want := range map[string]string{
		"root  ": "root", "root\x00\x00": "root", "a b": "a b", "": "", "\xff\xff": "\u00ff\u00ff",
		"Schl\u00fcssel ": "Schl\u00fcssel", "Schl\xfcssel  ": "Schl\u00fcssel",
	} {
		if got := words(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
