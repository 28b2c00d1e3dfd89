package endpoint

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
)

// MaxBody is the most bytes of a request that a signer reads. What is larger, it never
// answers.
const MaxBody = 64 << 10

// maxAnswer is far above a certificate and its authority's.
const maxAnswer = 256 << 10

// ErrTooLarge is the error of Sign for a request that no signer reads.
var ErrTooLarge = errors.New("the request is larger than a signer reads")

// Request is a CertificateSigningRequest's spec, as the API server set it.
type Request struct {
	SignerName string   `json:"signerName"`
	Username   string   `json:"username"`
	Groups     []string `json:"groups"`
	Usages     []string `json:"usages"`
	Seconds    *int64   `json:"expirationSeconds,omitempty"`
	Request    []byte   `json:"request"`
}

// State says what became of a request.
type State string

const (
	Signed State = "signed"
	Denied State = "denied" // for good
	Later  State = "later"  // nothing is decided: ask again
)

// Head is how far a signer's journal has come; zero before it was open.
type Head struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`
}

// Answer is what becomes of a request.
type Answer struct {
	State       State  `json:"state"`
	Reason      string `json:"reason"`
	Detail      string `json:"detail"`
	Certificate []byte `json:"certificate"` // PEM
	Head        Head   `json:"head"`
}

// Status is of how a signer stands what a relay goes by.
type Status struct {
	Ready   bool   `json:"ready"`
	Cluster string `json:"cluster"`
	Head    Head   `json:"head"`
}

// Refused says that the signer takes what it was asked for no request.
type Refused struct {
	Status int
	Text   string
}

func (e *Refused) Error() string { return fmt.Sprintf("the signer answers %d: %s", e.Status, e.Text) }

// Sign asks once.
func (c *Client) Sign(ctx context.Context, r Request) (*Answer, error) {
	if r.Groups == nil {
		r.Groups = []string{}
	}
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if len(body) > MaxBody {
		return nil, ErrTooLarge
	}
	a := &Answer{}
	if err := c.do(ctx, http.MethodPost, "/v1/sign", body, a); err != nil {
		return nil, err
	}
	return a, a.check(r)
}

// Status asks how the signer stands.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	s := &Status{}
	if err := c.do(ctx, http.MethodGet, "/v1/status", nil, s); err != nil {
		return nil, err
	}
	return s, s.Head.check()
}

func (c *Client) do(ctx context.Context, method, path string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	w, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer w.Body.Close()
	data, err := io.ReadAll(io.LimitReader(w.Body, maxAnswer+1))
	switch {
	case err != nil:
		return err
	case w.StatusCode != http.StatusOK:
		return &Refused{w.StatusCode, fmt.Sprintf("%.200q", data)}
	case len(data) > maxAnswer:
		return errors.New("the signer's answer is too long")
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("the signer's answer is none: %w", err)
	}
	return nil
}

// check holds an answer against its form, and against the request.
func (a *Answer) check(r Request) error {
	if err := a.Head.check(); err != nil {
		return err
	}
	switch a.State {
	case Signed:
		if a.Head.Seq == 0 {
			return errors.New("the signer's answer has a certificate and no head")
		}
		return sameKey(r.Request, a.Certificate)
	case Denied, Later:
		if !reasons.MatchString(a.Reason) {
			return fmt.Errorf("the signer's answer has the reason %.60q", a.Reason)
		}
		return nil
	}
	return fmt.Errorf("the signer's answer has the state %.60q", a.State)
}

var (
	hashes  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	reasons = regexp.MustCompile(`^[a-z][a-z0-9-]{0,59}$`)
)

func (h Head) check() error {
	if h.Seq < 0 || h.Seq > 0 && !hashes.MatchString(h.Hash) {
		return fmt.Errorf("the signer's answer has the head %d:%.70q", h.Seq, h.Hash)
	}
	return nil
}

// sameKey wants a certificate for the key of the request: an API server takes any.
func sameKey(request, certificate []byte) error {
	block, _ := pem.Decode(request)
	if block == nil {
		return errors.New("the request has no PEM")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return fmt.Errorf("the request: %w", err)
	}
	if block, _ = pem.Decode(certificate); block == nil || block.Type != "CERTIFICATE" {
		return errors.New("the signer's answer has no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("the signer's certificate: %w", err)
	}
	if !bytes.Equal(csr.RawSubjectPublicKeyInfo, cert.RawSubjectPublicKeyInfo) {
		return errors.New("the signer's certificate is for another key than the request's")
	}
	return nil
}
