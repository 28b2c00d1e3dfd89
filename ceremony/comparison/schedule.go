package comparison

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Schedule is what schedule.txt says.
type Schedule struct {
	Header  []Field
	Entries []Entry
}

// Entry is one line: a signature, or a certificate that has to come back.
type Entry struct {
	N      int
	Kind   string
	Name   string
	Fields []Field // but the name, in the line's order
	Line   string  // the whole, without its newline
}

// Field is a key and its value, without quotes.
type Field struct{ Key, Value string }

func (e Entry) key() [2]string { return [2]string{e.Kind, e.Name} }

const format = "officiant-schedule"

// MaxFile is above the schedule of the largest ceremony, 100,000 certificates, in bytes.
const MaxFile = 256 << 20

// CheckFile refuses what is no file of a schedule, before it is opened: a pipe is not waited
// for. name is the file's, for messages.
func CheckFile(name string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: is not a plain file", name)
	}
	if info.Size() > MaxFile {
		return fmt.Errorf("%s: is larger than %d MiB", name, MaxFile>>20)
	}
	return nil
}

// Parse reads a schedule. name is the file's, for messages.
func Parse(name string, text []byte) (*Schedule, error) {
	s := &Schedule{}
	seen := map[[2]string]bool{}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line, ended := strings.CutSuffix(line, "\n")
		var err error
		if header, ok := strings.CutPrefix(line, "# "); ok {
			err = s.header(header)
		} else {
			var e Entry
			e, err = ParseEntry(line)
			if err == nil && seen[e.key()] {
				err = fmt.Errorf("%s %s is there twice", e.Kind, e.Name)
			}
			seen[e.key()] = true
			s.Entries = append(s.Entries, e)
		}
		if !ended && err == nil {
			err = errors.New("line is not ended by a newline")
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	if len(s.Header) == 0 || s.Header[0].Key != format {
		return nil, fmt.Errorf("%s: no schedule: its first line is not \"# %s: v1\"", name, format)
	}
	return s, nil
}

func (s *Schedule) header(text string) error {
	key, value, ok := strings.Cut(text, ": ")
	switch {
	case !ok || len(s.Entries) > 0:
		return errors.New("no line of a header")
	case key == format && value != "v1":
		return fmt.Errorf("schedule version %s is not known here", value)
	}
	s.Header = append(s.Header, Field{key, value})
	return nil
}

// ParseEntry reads one line of a schedule, without its newline.
func ParseEntry(line string) (e Entry, err error) {
	e.Line = line
	number, rest, _ := strings.Cut(line, " ")
	if e.N, err = strconv.Atoi(number); err != nil {
		return e, errors.New("line has no number")
	}
	e.Kind, rest, _ = strings.Cut(rest, " ")
	for rest != "" {
		var f Field
		if f, rest, err = field(rest); err != nil {
			return e, err
		}
		if f.Key == "name" {
			e.Name = f.Value
			continue
		}
		e.Fields = append(e.Fields, f)
	}
	if e.Kind == "" || e.Name == "" {
		return e, errors.New("line has no kind, or no name")
	}
	return e, nil
}

// field reads the first field, and returns what follows the blank behind it.
func field(text string) (f Field, rest string, err error) {
	var ok bool
	if f.Key, text, ok = strings.Cut(text, "="); !ok || f.Key == "" || strings.ContainsAny(f.Key, " \"") {
		return f, "", fmt.Errorf("%q is no field", f.Key)
	}
	if !strings.HasPrefix(text, `"`) {
		f.Value, rest, _ = strings.Cut(text, " ")
		return f, rest, nil
	}
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return f, "", fmt.Errorf("field %s: a quote is not ended", f.Key)
	}
	if f.Value, err = strconv.Unquote(quoted); err != nil {
		return f, "", fmt.Errorf("field %s: %w", f.Key, err)
	}
	rest = text[len(quoted):]
	if rest != "" {
		if rest, ok = strings.CutPrefix(rest, " "); !ok {
			return f, "", fmt.Errorf("field %s: no blank behind its quote", f.Key)
		}
	}
	return f, rest, nil
}
