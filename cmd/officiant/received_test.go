package main

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/bundle/refusaltest"
	"officiant/ceremony/receipt"
	"officiant/ceremony/schedule"
)

// TestReadReceived is the catalogue of what comes back from a company: under the names
// that it gives, in files of any kind, or in one. What is no certificate has its reason.
func TestReadReceived(t *testing.T) {
	dir := t.TempDir()
	sh := func(script string) string { return refusaltest.Shell(t, dir, script) }
	sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -subj /CN=a -days 2 -out a")
	sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -subj /CN=b -days 2 -out b")
	a, b := sh("cat a"), sh("cat b")
	chain := sh("openssl crl2pkcs7 -nocrl -certfile a -certfile b")
	p12 := sh("openssl pkcs12 -export -nokeys -in a -passout pass:")
	c := &schedule.Ceremony{Entries: []schedule.Entry{
		{Kind: schedule.ExternalCertificate, Name: "kubernetes"}, {Kind: schedule.ExternalCertificate,
			Name: "etcd"},
	}}
	many := map[string]string{}
	for i := range maxOthers + 1 {
		many[strings.Repeat("a", i+1)+".pem"] = a
	}
	for of, row := range map[string]struct {
		files map[string]string
		at    string
		want  map[string]int // certificates by authority
		says  string
	}{
		"each by its name": {files: map[string]string{"kubernetes.crt": a, "etcd.p7b": b},
			want: map[string]int{"kubernetes": 1, "etcd": 1}},
		"as Windows writes names": {files: map[string]string{"KUBERNETES.CRT": a, "Etcd.Cer": b},
			want: map[string]int{"kubernetes": 1, "etcd": 1}},
		"by other names": {files: map[string]string{"certnew.cer": sh("openssl x509 -in a -outform der"),
			"b.txt":     b,
			"readme.md": "x", "note.txt": "x"}, want: map[string]int{receipt.Others: 2}},
		"one by its name": {files: map[string]string{"etcd.crt": b, "x.pem": a}, want: map[string]int{"etcd": 1,
			receipt.Others: 1}},
		"in one file": {files: map[string]string{"all.pem": a + b}, at: "all.pem",
			want: map[string]int{receipt.Others: 2}},
		"alone, and with its chain": {files: map[string]string{"etcd.crt": a, "etcd.p7b": chain},
			want: map[string]int{"etcd": 3}},
		"with a note": {files: map[string]string{"etcd.crt": a, "etcd.txt": "ticket 7"},
			want: map[string]int{"etcd": 1}},
		"nothing but notes": {files: map[string]string{"etcd.crt": "x", "etcd.txt": "ticket 7"},
			says: "etcd.crt: holds no certificate: neither PEM nor DER is in it"},
		"nothing": {files: map[string]string{"x": a}, says: "nor a certificate under another name (.crt, .pem"},
		"PKCS #12": {files: map[string]string{"all.p12": p12},
			says: "all.p12: holds PKCS #12 (.p12, .pfx) and no certificate"},
		"large": {files: map[string]string{"etcd.crt": strings.Repeat("x", maxReceived+1)},
			says: "not a file of at most 1024 KiB"},
		"many":    {files: many, says: "there are 65 files, and at most 64 are searched"},
		"missing": {at: "nowhere", says: "no such file or directory"},
	} {
		t.Run(of, func(t *testing.T) {
			back := t.TempDir()
			for name, data := range row.files {
				must(t, os.WriteFile(filepath.Join(back, name), []byte(data), 0o600))
			}
			o := &runOptions{received: filepath.Join(back, row.at)}
			got, err := o.readReceived(t.Context(), c)
			if row.says != "" {
				if err == nil || !strings.Contains(err.Error(), row.says) {
					t.Fatalf("%v, want %s", err, row.says)
				}
				return
			}
			if err != nil || len(got) != len(row.want) {
				t.Fatalf("%v, %d files", err, len(got))
			}
			for name, n := range row.want {
				if block, _ := pem.Decode(got[name]); block == nil || strings.Count(string(got[name]),
					"-----BEGIN") != n {
					t.Errorf("%q: %s", name, got[name])
				}
			}
		})
	}
}
