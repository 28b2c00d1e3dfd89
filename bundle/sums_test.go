package bundle

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/limittest"
)

func goodHeader() Header {
	return Header{
		Format: 1, Cluster: "demo", Node: "cp-1", Ceremony: fingerprint.Of([]byte("c")), Transcript: fingerprint.Of([]byte("t")),
		Sequence: 2, NotAfter: time.Date(2027, 11, 23, 12, 0, 0, 0, time.UTC),
	}
}

func goodSums() string {
	return string(renderSums(goodHeader(), listFiles(map[string][]byte{"VERIFY.txt": []byte("v"), "pki/ca.crt": []byte("c"), "admin.conf": nil})))
}

func TestSumsReadBack(t *testing.T) {
	h, list, err := parseSums([]byte(goodSums()))
	if err != nil {
		t.Fatal(err)
	}
	if h != goodHeader() || len(list) != 3 || list[0].path != "VERIFY.txt" {
		t.Errorf("read %+v %v", h, list)
	}
	r := goodHeader()
	r.Rehearsal = true
	h, _, err = parseSums(renderSums(r, list))
	if err != nil || !h.Rehearsal {
		t.Errorf("a rehearsal was read as %+v, %v", h, err)
	}
}

func TestSumsRefused(t *testing.T) {
	good := goodSums()
	lines := strings.SplitAfter(strings.TrimSuffix(good, "\n"), "\n")
	last := lines[len(lines)-1] + "\n"
	replace := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for name, bad := range map[string]string{
		"empty":                    "",
		"no newline at the end":    strings.TrimSuffix(good, "\n"),
		"empty line at the end":    good + "\n",
		"newer format":             replace("v1", "v99"),
		"format 0":                 replace("v1", "v0"),
		"format 01":                replace("v1", "v01"),
		"no format line":           strings.Join(lines[1:], "") + "\n",
		"header out of order":      lines[0] + lines[2] + lines[1] + strings.Join(lines[3:], "") + "\n",
		"header twice":             lines[0] + lines[1] + strings.Join(lines[1:], "") + "\n",
		"unknown header":           replace("# sequence", "# extra: 1\n# sequence"),
		"header missing":           replace("# sequence: 2\n", ""),
		"header only":              strings.Join(lines[:7], ""),
		"cut in the header":        strings.Join(lines[:3], ""),
		"two spaces in the header": replace("# node: ", "# node:  "),
		"tab":                      replace("# node: ", "# node:\t"),
		"node with a slash":        replace("cp-1", "cp/1"),
		"node of two dots":         replace("cp-1", ".."),
		"empty cluster":            replace("demo", ""),
		"sequence 0":               replace("sequence: 2", "sequence: 0"),
		"sequence 02":              replace("sequence: 2", "sequence: 02"),
		"sequence +2":              replace("sequence: 2", "sequence: +2"),
		"sequence too large":       replace("sequence: 2", "sequence: 4294967297"),
		"local time":               replace("12:00:00Z", "12:00:00+01:00"),
		"fraction of a second":     replace("12:00:00Z", "12:00:00.5Z"),
		"no such day":              replace("2027-11-23", "2027-02-30"),
		"capital hex":              replace(fingerprint.Of([]byte("c")).String(), strings.ToUpper(fingerprint.Of([]byte("c")).String())),
		"short hex":                replace(fingerprint.Of([]byte("t")).String(), fingerprint.Of([]byte("t")).String()[2:]),
		"carriage returns":         strings.ReplaceAll(good, "\n", "\r\n"),
		"rehearsal in other words": replace("Z\n", "Z\n# rehearsal: no\n"),
		"comment among the files":  replace("  VERIFY.txt\n", "  VERIFY.txt\n# note\n"),
		"unsorted":                 strings.Join(lines[:7], "") + last + lines[7],
		"file twice":               good + last,
		"binary mark":              replace("  VERIFY.txt", " *VERIFY.txt"),
		"one space":                replace("  VERIFY.txt", " VERIFY.txt"),
		"three spaces":             replace("  VERIFY.txt", "   VERIFY.txt"),
		"absolute":                 replace("  VERIFY.txt", "  /etc/passwd"),
		"two dots":                 replace("  VERIFY.txt", "  ../VERIFY.txt"),
		"two dots inside":          replace("pki/ca.crt", "pki/../ca.crt"),
		"dot":                      replace("  VERIFY.txt", "  ./VERIFY.txt"),
		"hidden":                   replace("  VERIFY.txt", "  .VERIFY.txt"),
		"double slash":             replace("pki/ca.crt", "pki//ca.crt"),
		"slash at the end":         replace("pki/ca.crt", "pki/"),
		"backslash":                replace("pki/ca.crt", `pki\ca.crt`),
		"escaped name":             replace("  VERIFY.txt", `  VERIFY\n.txt`),
		"space in the name":        replace("  VERIFY.txt", "  VERIFY txt"),
		"not ASCII":                replace("  VERIFY.txt", "  VERIFÝ.txt"),
		"nul":                      replace("  VERIFY.txt", "  VERIFY\x00.txt"),
		"option as a name":         replace("  VERIFY.txt", "  --VERIFY.txt"),
		"lists itself":             replace("  VERIFY.txt", "  SHA256SUMS"),
		"lists its signature":      replace("  VERIFY.txt", "  SHA256SUMS.sig"),
		"no path":                  replace("  VERIFY.txt", "  "),
		"very long path":           replace("VERIFY.txt", "V"+strings.Repeat("x", maxPath)),
		"too many files":           strings.Join(lines[:7], "") + strings.Repeat(last, maxFiles+1),
	} {
		t.Run(name, func(t *testing.T) {
			if bad == good {
				t.Fatal("the case changes nothing")
			}
			if _, _, err := parseSums([]byte(bad)); err == nil {
				t.Errorf("accepted:\n%s", bad)
			}
		})
	}
}

func FuzzSums(f *testing.F) {
	f.Add([]byte(goodSums()))
	f.Add([]byte(strings.Replace(goodSums(), "Z\n", "Z\n"+rehearsalLine+"\n", 1)))
	f.Add([]byte("# officiant-bundle: v1\n"))
	f.Add([]byte("# officiant-bundle: v2\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		h, list, err := parseSums(data)
		if err != nil {
			return
		}
		if !bytes.Equal(renderSums(h, list), data) {
			t.Fatalf("accepted a second spelling of the same list: %q", data)
		}
		for _, l := range list {
			if strings.Contains(l.path, "..") && strings.HasPrefix(l.path, "..") || strings.HasPrefix(l.path, "/") {
				t.Fatalf("accepted path %q", l.path)
			}
		}
	})
}

func FuzzTar(f *testing.F) {
	b := &Bundle{Header: goodHeader(), Files: map[string][]byte{"VERIFY.txt": []byte("v"), "pki/ca.crt": []byte("c")}, Signature: []byte("s")}
	b.Sums = renderSums(b.Header, listFiles(b.Files))
	data, err := b.Tar()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:1024])
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		b, err := Parse("fuzz.tar", data)
		if err != nil {
			return
		}
		again, err := b.Tar()
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("accepted an archive it would not write (%v)", err)
		}
	})
}

func TestSpellings(t *testing.T) {
	for _, pair := range [][2]string{{"pki/ca.crt", "pki/CA.crt"}, {"pki/ca.crt", "PKI/x.crt"}, {"pki/etcd/ca.crt", "pki/Etcd/server.crt"}} {
		s := spellings{}
		if err := s.add(pair[0]); err != nil {
			t.Fatal(err)
		}
		if err := s.add(pair[1]); err == nil {
			t.Errorf("%s beside %s was accepted", pair[1], pair[0])
		}
	}
}
