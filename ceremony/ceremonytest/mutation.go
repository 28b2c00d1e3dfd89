package ceremonytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Mutation is a line of a record that was altered.
type Mutation struct {
	How  string
	Text []byte
}

// FieldMutations change, drop, double and swap with the next one every field of a line,
// at whatever depth.
func FieldMutations(t testing.TB, line []byte) []Mutation {
	t.Helper()
	var out []Mutation
	add := func(how, path string, from, to int, with string) {
		m := slices.Concat(line[:from], []byte(with), line[to:])
		if !bytes.Equal(m, line) {
			out = append(out, Mutation{path + " " + how, m})
		}
	}
	for _, f := range fieldsOf(t, line) {
		text := string(line[f.begin:f.end])
		if v := otherValue(string(line[f.value:f.end])); v != "" {
			add("changed", f.path, f.value, f.end, v)
		}
		add("doubled", f.path, f.begin, f.end, text+","+text)
		switch {
		case line[f.end] == ',':
			add("dropped", f.path, f.begin, f.end+1, "")
		case line[f.begin-1] == ',':
			add("dropped", f.path, f.begin-1, f.end, "")
		default:
			add("dropped", f.path, f.begin, f.end, "")
		}
		if f.next != nil {
			add("swapped", f.path, f.begin, f.next.end, string(line[f.next.begin:f.next.end])+","+text)
		}
	}
	return out
}

// otherValue is a value of the same kind, or "" where its own fields are enough.
func otherValue(v string) string {
	switch {
	case v == "true":
		return "false"
	case v == "false":
		return "true"
	case v == `""`:
		return `"x"`
	case v == "[]":
		return `["x"]`
	case v == "{}":
		return `{"x":"y"}`
	case v[0] == '"':
		i := len(v) / 2
		const plain = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ+-"
		for !strings.ContainsRune(plain, rune(v[i])) || v[i-1] == '\\' {
			i--
		}
		with := "a"
		if v[i] == 'a' {
			with = "b"
		} else if v[i] >= '0' && v[i] <= '9' {
			with = string('0' + (v[i]-'0'+1)%10)
		}
		return v[:i] + with + v[i+1:]
	case v[0] == '[', v[0] == '{':
		return ""
	}
	return v + "1" // a number
}

// field is one member of an object in a line.
type field struct {
	path              string
	begin, value, end int
	next              *field
}

func fieldsOf(t testing.TB, line []byte) []*field {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(line))
	var out []*field
	var walk func(path string)
	walk = func(path string) {
		opens := token(t, d)
		if opens != json.Delim('{') && opens != json.Delim('[') {
			return
		}
		var last *field
		for n := 0; d.More(); n++ {
			if opens == json.Delim('[') {
				walk(fmt.Sprintf("%s[%d]", path, n))
				continue
			}
			key := token(t, d).(string)
			after := int(d.InputOffset())
			f := &field{path: path + "." + key, begin: after - len(key) - 2, value: after + 1}
			out = append(out, f)
			walk(f.path)
			f.end = int(d.InputOffset())
			if last != nil {
				last.next = f
			}
			last = f
		}
		token(t, d)
	}
	walk("")
	return out
}

func token(t testing.TB, d *json.Decoder) json.Token {
	t.Helper()
	next, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	return next
}
