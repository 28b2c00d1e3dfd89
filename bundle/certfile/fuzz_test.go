package certfile_test

import (
	"testing"

	"officiant/bundle/certfile"
	"officiant/bundle/limittest"
)

func FuzzAll(f *testing.F) {
	f.Add([]byte("-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n"))
	f.Add([]byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		for _, read := range []func([]byte) (int, error){
			func(b []byte) (int, error) { l, err := certfile.All(b); return len(l), err },
			func(b []byte) (int, error) { l, err := certfile.PEM(b); return len(l), err },
		} {
			if n, err := read(data); (n == 0) == (err == nil) {
				t.Errorf("%d certificates, %v", n, err)
			}
		}
	})
}
