package csrlist_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/limittest"
	"officiant/ceremony/online/csrlist"
)

const one = `{"apiVersion":"certificates.k8s.io/v1","kind":"CertificateSigningRequest",
 "metadata":{"name":"csr-1","uid":"u-1","resourceVersion":"7","labels":{"a":"b"}},
 "spec":{"signerName":"s","username":"system:node:worker-1","uid":"x","groups":["system:nodes"],"extra":{"k":["v"]},
 "usages":["client auth"],"expirationSeconds":600,"request":"eA=="},"status":{}}`

func list(items ...string) []byte {
	return []byte(`{"apiVersion":"v1","kind":"List","items":[` + strings.Join(items, ",") + `]}`)
}

func TestRead(t *testing.T) {
	approved := strings.NewReplacer("csr-1", "csr-2", `"status":{}`,
		`"status":{"conditions":[{"type":"Approved","status":"True","reason":"r"}]}`).Replace(one)
	denied := strings.NewReplacer("csr-1", "csr-3", `"status":{}`,
		`"status":{"conditions":[{"type":"Denied"}]}`).Replace(one)
	signed := strings.NewReplacer("csr-1", "csr-4", `"status":{}`, `"status":{"certificate":"eA=="}`).Replace(one)
	items, err := csrlist.Read("csrs.json", list(one, approved, denied, signed))
	if err != nil || len(items) != 4 {
		t.Fatal(err)
	}
	r := items[0].Request
	if r.SignerName != "s" || r.Username != "system:node:worker-1" || r.Seconds != 600 || !bytes.Equal(r.CSR,
		[]byte("x")) ||
		items[0].Done != "" || items[0].Approved || !items[1].Approved || items[2].Done == "" || items[3].Done == "" {
		t.Errorf("%+v", items)
	}
	if alone, err := csrlist.Read("csr.json", []byte(one)); err != nil || len(alone) != 1 {
		t.Errorf("one alone: %v", err)
	}
	for want, data := range map[string][]byte{
		"not what kubectl":           []byte("x"),
		"text after the list":        append(list(one), list()...),
		`kind is "Pod"`:              []byte(`{"kind":"Pod"}`),
		"another one of this name":   list(one, one),
		"its name is not of":         list(strings.Replace(one, "csr-1", "../csr-1", 1)),
		"object 1, \"csr-1\": it is": list(strings.Replace(one, "v1", "v1beta1", 1)),
		"spec: ":                     list(strings.Replace(one, `["client auth"]`, `"client auth"`, 1)),
		"csrs.json: has 20001 objects, more than 20000": list(slices.Repeat([]string{"0"}, 20001)...),
		"csrs.json: has more than 268435456 bytes":      make([]byte, csrlist.MaxBytes+1),
		"or it has no uid":                              list(strings.Replace(one, "u-1", "", 1)),
	} {
		if _, err := csrlist.Read("csrs.json", data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestPutBack: what goes back has the spec as it was, name and uid, and no more of the
// metadata.
func TestPutBack(t *testing.T) {
	items, err := csrlist.Read("csrs.json", list(one))
	if err != nil {
		t.Fatal(err)
	}
	it := items[0]
	now := time.Date(2026, 11, 30, 1, 2, 3, 4, time.UTC)
	approval, err := it.Approve("", "", now)
	if err != nil {
		t.Fatal(err)
	}
	certified, err := it.Certify([]byte("PEM"))
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{approval, certified} {
		var o map[string]map[string]any
		if err := json.Unmarshal(bytes.Replace(bytes.Replace(data,
			[]byte(`"apiVersion": "certificates.k8s.io/v1",`), nil, 1),
			[]byte(`"kind": "CertificateSigningRequest",`), nil, 1), &o); err != nil {
			t.Fatal(err)
		}
		if len(o["metadata"]) != 2 || o["spec"]["uid"] != "x" || !strings.Contains(string(data),
			`"2026-11-30T01:02:03Z"`) {
			t.Errorf("%s", data)
		}
	}
	if !strings.Contains(string(certified), `"certificate": "UEVN"`) || strings.Contains(string(approval),
		"certificate\"") {
		t.Errorf("%s%s", approval, certified)
	}
	items, _ = csrlist.Read("csrs.json", list(one))
	denial, err := items[0].Approve("san-not-in-grant", "worker-2", now)
	if err != nil || !strings.Contains(string(denial), `"Denied"`) || !strings.Contains(string(denial),
		"san-not-in-grant: worker-2") {
		t.Errorf("%s, %v", denial, err)
	}
	if again, err := csrlist.Read("csr.json", denial); err != nil || again[0].Done == "" {
		t.Errorf("a denial is not read as one: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(list(one))
	f.Add([]byte(one))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		items, err := csrlist.Read("csrs.json", data)
		if err != nil {
			return
		}
		for _, it := range items {
			again, err := it.Certify([]byte("x"))
			if err != nil {
				t.Fatal(err)
			}
			if back, err := csrlist.Read("csr.json", again); err != nil || back[0].Name != it.Name {
				t.Errorf("what was read is not read again: %v", err)
			}
		}
	})
}
