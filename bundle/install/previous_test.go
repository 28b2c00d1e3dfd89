package install

import (
	"archive/tar"
	"bytes"
	"strings"
	"testing"

	"officiant/bundle/limittest"
)

func goodPrevious(t testing.TB) []byte {
	t.Helper()
	data, err := pack(previousTree{Absent: []string{"etc/kubernetes/kubelet.conf"}, Sequence: 1}, []placed{
		{"etc/kubernetes/pki/ca.crt", []byte("ca"), 0o644, &owner{4711, 4712}, false},
		{StateDir + "/installed.tar", []byte("tar"), 0o600, nil, false},
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestPrevious(t *testing.T) {
	good := goodPrevious(t)
	index, list, err := unpack(good)
	if err != nil || len(list) != 2 || list[0].mode != 0o644 || *list[0].owner != (owner{4711,
		4712}) || index.Sequence != 1 {
		t.Fatalf("%+v %v %v", index, list, err)
	}
	outside, err := pack(previousTree{}, []placed{{"etc/passwd", nil, 0o644, nil, false}})
	if err != nil {
		t.Fatal(err)
	}
	absent, err := pack(previousTree{Absent: []string{"etc/kubernetes/../passwd"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	renames, err := pack(previousTree{Renames: []rename{{From: "etc/passwd", To: "etc/shadow"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	entry := func(h tar.Header, data string) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(data)); err != nil {
			t.Fatal(err)
		}
		return append(b.Bytes(), make([]byte, 1024)...)
	}
	for name, row := range map[string]struct {
		data []byte
		says string
	}{
		"empty":            {nil, "is not officiant/v1 PreviousTree"},
		"text":             {[]byte("x"), "damaged archive: "},
		"cut":              {good[:len(good)/2], ""},
		"cut to its index": {good[:1536], ""},
		"content": {bytes.Replace(good, []byte("ca\x00"), []byte("cb\x00"), 1),
			`file "etc/kubernetes/pki/ca.crt" is not as its index says`},
		"other kind": {bytes.Replace(good, []byte("PreviousTree"), []byte("PreviousTrea"), 1),
			"is not officiant/v1 PreviousTree"},
		"other field":    {bytes.Replace(good, []byte(`"absent"`), []byte(`"absend"`), 1), `unknown field "absend"`},
		"outside":        {outside, `file "etc/passwd" is not as its index says`},
		"absent outside": {absent, `its index names "etc/kubernetes/../passwd"`},
		"moved outside":  {renames, `its index names "etc/passwd"`},
		"a folder":       {entry(tar.Header{Name: "etc/", Typeflag: tar.TypeDir}, ""), `"etc/" is not a file`},
		"a file first": {entry(tar.Header{Name: "etc/a", Typeflag: tar.TypeReg, Size: 1}, "x"),
			"does not begin with tree.json"},
		"a large file": {entry(tar.Header{Name: "tree.json", Typeflag: tar.TypeReg,
			Size: maxPreviousFile + 1}, ""), `"tree.json" is larger than`},
	} {
		if _, _, err := unpack(row.data); err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v, want %s", name, err, row.says)
		}
	}
}

func FuzzPrevious(f *testing.F) {
	f.Add(goodPrevious(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		_, list, err := unpack(data)
		if err != nil {
			return
		}
		for _, p := range list {
			if !inBounds(p.path) {
				t.Fatalf("accepted %q", p.path)
			}
		}
	})
}
