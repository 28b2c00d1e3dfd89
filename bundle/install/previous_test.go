package install

import (
	"bytes"
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
	if err != nil || len(list) != 2 || list[0].mode != 0o644 || *list[0].owner != (owner{4711, 4712}) || index.Sequence != 1 {
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
	for name, bad := range map[string][]byte{
		"empty": nil, "text": []byte("x"), "cut": good[:len(good)/2], "cut to its index": good[:1536],
		"content":     bytes.Replace(good, []byte("ca\x00"), []byte("cb\x00"), 1),
		"other kind":  bytes.Replace(good, []byte("PreviousTree"), []byte("PreviousTrea"), 1),
		"other field": bytes.Replace(good, []byte(`"absent"`), []byte(`"absend"`), 1),
		"outside":     outside, "absent outside": absent,
	} {
		if _, _, err := unpack(bad); err == nil {
			t.Errorf("%s was accepted", name)
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
