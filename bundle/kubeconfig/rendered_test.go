package kubeconfig

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
)

// TestRendered: what is read of our own form by itself is what a YAML parser reads
// of it, and one byte more or less is no longer our own form.
func TestRendered(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	n := 0
	for _, name := range []string{"demo", "system:node:w-1", "true", "1", "a b", `quo"ted`,
		"tab\tname", "null", "ü", "x]", "- a"} {
		for _, c := range []Config{
			{CA: cert, Certificate: cert}, {CA: cert}, {Certificate: cert}, {},
		} {
			c.Cluster, c.User, c.Context, c.Server = name, "user "+name, name+"@"+name, "https://[fd00::1]:6443"
			data := c.Render()
			got, ok := rendered(data)
			if !ok {
				t.Fatalf("not our own:\n%s", data)
			}
			d, err := decode("x", data)
			if err != nil {
				t.Fatalf("%v:\n%s", err, data)
			}
			want, err := d.config()
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, YAML reads %+v: %v", got, want, err)
			}
			for i := range data {
				for _, changed := range [][]byte{
					append(bytes.Clone(data[:i]), data[i+1:]...),
					append(append(bytes.Clone(data[:i]), ' '), data[i:]...),
				} {
					if c, ok := rendered(changed); ok && !bytes.Equal(c.Render(), changed) {
						t.Fatalf("byte %d: taken for our own:\n%s", i, changed)
					}
					n++
				}
				if i > 400 {
					break
				}
			}
		}
	}
	if n < 10000 {
		t.Errorf("only %d changes were tried", n)
	}
	for what, text := range map[string]string{
		"a context of another cluster": strings.Replace(string((&Config{Cluster: "aa", User: "bb", Context: "cc",
			Server: "https://d:1"}).Render()), "cluster: aa", "cluster: xx", 1),
		"no name":       string((&Config{User: "b", Context: "c", Server: "https://d:1"}).Render()),
		"nothing":       "",
		"its beginning": "apiVersion: v1\nclusters:\n- cluster:\n",
	} {
		if c, ok := rendered([]byte(text)); ok {
			t.Errorf("%s: %s", what, fmt.Sprint(c))
		}
	}
}
