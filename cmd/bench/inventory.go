package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/phrase"
	"officiant/ceremony/transcript"
)

// inventory measures what reads one long record.
func (b *bench) inventory() error {
	dir := filepath.Join(b.folder, "inventory")
	if err := longRecord(dir, b.records); err != nil {
		return err
	}
	record, err := os.Stat(filepath.Join(dir, "transcript.jsonl"))
	if err != nil {
		return err
	}
	b.printf("\nInventory: one record of %s, %d MB\n\n", phrase.Count(b.records, "certificate"), record.Size()/1e6)
	b.printf("  %-46s  %8s  %8s  %8s\n", "", "seconds", "CPU", "MiB")
	for _, args := range [][]string{
		{"inventory", "-o", "table"}, {"inventory", "-o", "json"}, {"inventory", "-o", "csv"},
		{"inventory", "--node", "worker-000007"}, {"expiry", "--within", "30d"},
	} {
		p := program{name: b.officiant, env: os.Environ(), args: append([]string{"ceremony", args[0], dir}, args[1:]...)}
		u, err := p.run()
		if err != nil {
			return err
		}
		what := fmt.Sprintf("ceremony %s %s %s", args[0], args[1], args[2])
		b.printf("  %-46s  %8.2f  %8.2f  %8d\n", what, seconds(u.wall), seconds(u.cpu), u.memory/1024)
		b.mark(fmt.Sprintf("%s of %d certificates", what, b.records), seconds(u.wall), 3, "s")
		b.mark("the same, memory", float64(u.memory)/1024, 100, "MiB")
	}
	if err := b.opening(dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// longRecord writes the record of a ceremony with n kubelet certificates: real
// ones of one authority, for one public key. Nothing else is in dir.
func longRecord(dir string, n int) error {
	certificates, err := kubeletCertificates(n)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	w, err := transcript.Create(&durable.Disk{}, filepath.Join(dir, "transcript.jsonl"), time.Now, transcript.Open{
		Name: "long-1", Cluster: "long", Sequence: 1, Steps: 1, NotBefore: time.Now().UTC().Truncate(time.Second),
	})
	if err != nil {
		return err
	}
	const group = 256 // as ceremonies write them
	for from := 0; from < n; from += group {
		some := certificates[from:min(from+group, n)]
		intents, issued := make([]transcript.Record, len(some)), make([]transcript.Record, len(some))
		for i, c := range some {
			intents[i] = transcript.Intent{Entry: from + i + 1, Name: fmt.Sprintf("worker-%06d/kubelet.conf", from+i+1), Signer: "kubernetes", TBS: c.RawTBSCertificate}
		}
		first, err := w.AppendSync(1, intents...)
		if err != nil {
			return err
		}
		for i, c := range some {
			issued[i] = transcript.Issued{Intent: first + i, Certificate: c.Raw}
		}
		if _, err := w.AppendSync(1, issued...); err != nil {
			return err
		}
	}
	return w.Close()
}

// kubeletCertificates are n certificates as a ceremony makes them.
func kubeletCertificates(n int) ([]*x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	issuer := &x509.Certificate{
		Subject: pkix.Name{CommonName: "kubernetes", Organization: []string{"long"}}, SubjectKeyId: []byte("twenty bytes of that"),
	}
	begin := time.Now().UTC().Truncate(time.Second)
	certificates := make([]*x509.Certificate, n)
	errs := make([]error, runtime.NumCPU())
	var group sync.WaitGroup
	for w := range errs {
		group.Go(func() {
			for i := w; i < n && errs[w] == nil; i += len(errs) {
				certificates[i], errs[w] = kubeletCertificate(i, begin, issuer, key)
			}
		})
	}
	group.Wait()
	return certificates, errors.Join(errs...)
}

func kubeletCertificate(i int, begin time.Time, issuer *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial.SetBit(serial, 127, 0),
		Subject:      pkix.Name{CommonName: fmt.Sprintf("system:node:worker-%06d", i+1), Organization: []string{"system:nodes"}},
		NotBefore:    begin, NotAfter: begin.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
