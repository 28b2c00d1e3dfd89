package bundle

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
)

const (
	formatStart   = "# officiant-bundle: v"
	rehearsalLine = "# rehearsal: not for use"
)

// listed is one line of SHA256SUMS.
type listed struct {
	path string
	sum  fingerprint.SHA256
}

// Time formats t as headers and texts have it: UTC, whole seconds.
func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func renderSums(h Header, list []listed) []byte {
	const line = 2*len(fingerprint.SHA256{}) + len("  pki/etcd/healthcheck-client.crt\n")
	b := make([]byte, 0, 512+line*len(list))
	for _, field := range [...]struct{ name, value string }{
		{formatStart, strconv.Itoa(h.Format)},
		{"# cluster: ", h.Cluster},
		{"# node: ", h.Node},
		{"# ceremony: ", h.Ceremony.String()},
		{"# transcript: ", h.Transcript.String()},
		{"# sequence: ", strconv.Itoa(h.Sequence)},
		{"# not-after: ", formatTime(h.NotAfter)},
	} {
		b = append(append(append(b, field.name...), field.value...), '\n')
	}
	if h.Rehearsal {
		b = append(b, rehearsalLine+"\n"...)
	}
	for _, l := range list {
		b = hex.AppendEncode(b, l.sum[:])
		b = append(append(append(b, "  "...), l.path...), '\n')
	}
	return b
}

// listFiles hashes files in the order SHA256SUMS lists them.
func listFiles(files map[string][]byte) []listed {
	list := make([]listed, 0, len(files))
	for path, data := range files {
		list = append(list, listed{path, fingerprint.Of(data)})
	}
	slices.SortFunc(list, func(a, b listed) int { return strings.Compare(a.path, b.path) })
	return list
}

// parseSums reads SHA256SUMS. It accepts exactly what renderSums writes.
func parseSums(data []byte) (Header, []listed, error) {
	var h Header
	if len(data) == 0 || data[len(data)-1] != '\n' {
		return h, nil, fmt.Errorf("line %d does not end with a newline", 1+bytes.Count(data, []byte("\n")))
	}
	lines := strings.Split(string(data[:len(data)-1]), "\n")
	n, err := parseHeader(&h, lines)
	if err != nil {
		return h, nil, err
	}
	if len(lines) == n {
		return h, nil, fmt.Errorf("line %d: no file is listed", n+1)
	}
	if len(lines)-n > maxFiles {
		return h, nil, fmt.Errorf("%d files are listed, more than %d", len(lines)-n, maxFiles)
	}
	list := make([]listed, 0, len(lines)-n)
	for i, line := range lines[n:] {
		l, err := parseListed(line)
		if err != nil {
			return h, nil, fmt.Errorf("line %d: %w", n+i+1, err)
		}
		if i > 0 && l.path <= list[i-1].path {
			return h, nil, fmt.Errorf("line %d: %s is not sorted after %s", n+i+1, l.path, list[i-1].path)
		}
		list = append(list, l)
	}
	// What is read must be what would be written: no second spelling of the same list.
	if !bytes.Equal(renderSums(h, list), data) {
		return h, nil, fmt.Errorf("not in the form this version writes")
	}
	return h, list, nil
}

// parseHeader fills h and returns how many lines the header has.
func parseHeader(h *Header, lines []string) (int, error) {
	if h.Format = formatOf(lines[0]); h.Format == 0 {
		return 0, fmt.Errorf("line 1 is not %q with a number from %d to %d", formatStart, OldestFormat, NewestFormat)
	}
	fields := []struct {
		name string
		set  func(value string) error
	}{
		{"cluster", func(v string) error { h.Cluster = v; return plainName(v) }},
		{"node", func(v string) error { h.Node = v; return plainName(v) }},
		{"ceremony", func(v string) error { return h.Ceremony.UnmarshalText([]byte(v)) }},
		{"transcript", func(v string) error { return h.Transcript.UnmarshalText([]byte(v)) }},
		{"sequence", func(v string) (err error) { h.Sequence, err = parseSequence(v); return err }},
		{"not-after", func(v string) (err error) { h.NotAfter, err = parseTime(v); return err }},
	}
	for i, f := range fields {
		at := i + 1
		if at >= len(lines) {
			return 0, fmt.Errorf("line %d: %q is missing", at+1, "# "+f.name+":")
		}
		value, ok := strings.CutPrefix(lines[at], "# "+f.name+": ")
		if !ok {
			return 0, fmt.Errorf("line %d is not %q", at+1, "# "+f.name+": …")
		}
		if err := f.set(value); err != nil {
			return 0, fmt.Errorf("line %d: %s: %w", at+1, f.name, err)
		}
	}
	n := 1 + len(fields)
	if n < len(lines) && lines[n] == rehearsalLine {
		h.Rehearsal = true
		n++
	}
	return n, nil
}

// formatOf reads the first line; 0 when it is none this version knows.
func formatOf(line string) int {
	for format := OldestFormat; format <= NewestFormat; format++ {
		if line == formatStart+strconv.Itoa(format) {
			return format
		}
	}
	return 0
}

func parseSequence(v string) (int, error) {
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil || n < 1 || strconv.FormatInt(n, 10) != v {
		return 0, fmt.Errorf("%.40q is not a whole number from 1", v)
	}
	return int(n), nil
}

func parseTime(v string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, v)
	if err != nil || formatTime(t) != v {
		return time.Time{}, fmt.Errorf("%.40q is not a UTC time like 2027-11-23T12:00:00Z", v)
	}
	return t.UTC(), nil
}

func parseListed(line string) (listed, error) {
	hex, path, ok := strings.Cut(line, "  ")
	if !ok {
		return listed{}, fmt.Errorf("not of the form HASH, two spaces, PATH")
	}
	var l listed
	if err := l.sum.UnmarshalText([]byte(hex)); err != nil {
		return l, err
	}
	if err := plainPath(path); err != nil {
		return l, err
	}
	if path == SumsFile || path == SignatureFile {
		return l, fmt.Errorf("%s cannot list itself or its signature", SumsFile)
	}
	l.path = path
	return l, nil
}
