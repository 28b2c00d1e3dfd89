package request

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/seal"
)

// Names of the entries.
const (
	requestFile   = "request.json"
	recipientFile = "recipient.txt"
)

func csrFile(name string) string { return "csr/" + name + ".csr" }
func sigFile(name string) string { return "sig/" + name + ".sig" }

// refusef makes a Refusal; Parse adds the file.
func refusef(part, format string, args ...any) *Refusal {
	return &Refusal{Part: part, Reason: fmt.Sprintf(format, args...)}
}

// Parse reads a request file and checks all that can be checked without a plan.
// Its error is a *Refusal.
func Parse(file string, data []byte) (*Opened, error) { return open(file, data, true) }

// Unpack is Parse, but for the signatures by the keys of its CSRs: nothing shows yet that
// who asks has these keys. It is for a file that Parse has taken before, or will before
// anything is signed for it.
func Unpack(file string, data []byte) (*Opened, error) { return open(file, data, false) }

func open(file string, data []byte, prove bool) (*Opened, error) {
	o, refusal := parse(data, prove)
	if refusal != nil {
		refusal.File = file
		return nil, refusal
	}
	return o, nil
}

func parse(data []byte, prove bool) (*Opened, *Refusal) {
	entries, refusal := unpack(data)
	if refusal != nil {
		return nil, refusal
	}
	raw, ok := entries[requestFile]
	if !ok {
		return nil, refusef(requestFile, "is missing")
	}
	o := &Opened{Fingerprint: fingerprint.Of(raw), Raw: data, CSR: map[string]*x509.CertificateRequest{}}
	if refusal := o.Request.decode(raw); refusal != nil {
		return nil, refusal
	}
	if refusal := o.Request.check(); refusal != nil {
		return nil, refusal
	}
	if refusal := o.Request.complete(entries); refusal != nil {
		return nil, refusal
	}
	if refusal := o.openRecipient(entries[recipientFile]); refusal != nil {
		return nil, refusal
	}
	if refusal := o.openPrevious(raw, entries); refusal != nil {
		return nil, refusal
	}
	if refusal := o.openHostKey(raw, entries); refusal != nil {
		return nil, refusal
	}
	keys := map[fingerprint.SHA256]string{}
	for _, c := range o.CSRs {
		if refusal := o.openCSR(c, raw, entries, keys, prove); refusal != nil {
			return nil, refusal
		}
	}
	if refusal := o.openAdopted(entries); refusal != nil {
		return nil, refusal
	}
	return o, nil
}

// encode renders request.json.
func (r *Request) encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(r)
	return b.Bytes(), err
}

// decode reads exactly what encode writes.
func (r *Request) decode(raw []byte) *Refusal {
	// No name of a node or a cluster needs more; and this is shown to people.
	for i, c := range raw {
		if c != '\n' && (c < ' ' || c > '~' || c == '\\') {
			return refusef(place(raw, int64(i)), "character %+q is not printable ASCII, or a backslash", rune(c))
		}
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(r); err != nil {
		at := d.InputOffset()
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			at = syntax.Offset
		}
		return refusef(place(raw, at), "%v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return refusef(place(raw, d.InputOffset()), "text after the end")
	}
	if r.APIVersion != APIVersion || r.Kind != Kind {
		return refusef(requestFile, "apiVersion %q, kind %q is not %s, %s", r.APIVersion, r.Kind, APIVersion, Kind)
	}
	if r.Created.Location() != time.UTC || r.Created.Nanosecond() != 0 || r.Created.IsZero() {
		return refusef(requestFile, "created is not a UTC time in whole seconds")
	}
	if again, err := r.encode(); err != nil || !bytes.Equal(again, raw) {
		return refusef(requestFile, "is not written as officiant-node writes it")
	}
	return nil
}

// place is request.json:LINE:COLUMN of an offset.
func place(raw []byte, offset int64) string {
	before := raw[:min(int(offset), len(raw))]
	line := bytes.Count(before, []byte("\n"))
	column := len(before) - (bytes.LastIndexByte(before, '\n') + 1)
	return fmt.Sprintf("%s:%d:%d", requestFile, line+1, column+1)
}

// check holds the fields of request.json against each other.
func (r *Request) check() *Refusal {
	if err := r.Cluster.Validate(); err != nil {
		return refusef(requestFile, "cluster: %s", oneLine(err))
	}
	if err := r.Node.Validate(); err != nil {
		return refusef(requestFile, "node: %s", oneLine(err))
	}
	if len(r.Node.Extra) > 0 {
		return refusef(requestFile, "node.extra: what is in extra certificates the plan says; a node asks by the CSR's name")
	}
	if r.Recipient.File != recipientFile {
		return refusef(requestFile, "recipient.file is %q, not %s", r.Recipient.File, recipientFile)
	}
	if len(r.CSRs) == 0 {
		return refusef(requestFile, "csrs is empty")
	}
	for i, c := range r.CSRs {
		switch {
		case !plainPath(csrFile(c.Name)) || !plainPath(c.Name):
			return refusef(requestFile, "csrs[%d].name %.60q cannot be", i, c.Name)
		case c.File != csrFile(c.Name):
			return refusef(requestFile, "csrs[%d].file is %q, not %s", i, c.File, csrFile(c.Name))
		case i > 0 && c.Name <= r.CSRs[i-1].Name:
			return refusef(requestFile, "csrs[%d]: %s comes after %s; they are sorted, once each", i, c.Name, r.CSRs[i-1].Name)
		}
	}
	if refusal := r.checkAdopted(); refusal != nil {
		return refusal
	}
	return r.checkPrevious()
}

// oneLine takes joined errors together.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// complete refuses entries request.json does not call for, and missing ones.
func (r *Request) complete(entries map[string][]byte) *Refusal {
	want := map[string]bool{requestFile: true, recipientFile: true}
	for _, c := range r.CSRs {
		want[c.File], want[sigFile(c.Name)] = true, true
	}
	if r.Previous != nil {
		want[previousFile], want[previousSigFile] = true, true
	}
	for _, p := range r.Adopted.parts() {
		want[p.File] = true
	}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		if !want[name] && name != hostSigFile {
			return refusef(name, "is not listed in %s", requestFile)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if _, ok := entries[name]; !ok {
			return refusef(name, "is missing")
		}
	}
	return nil
}

func (o *Opened) openRecipient(content []byte) *Refusal {
	if fingerprint.Of(content) != o.Request.Recipient.SHA256 {
		return refusef(recipientFile, "its SHA-256 is not the one %s has", requestFile)
	}
	recipient, ok := strings.CutSuffix(string(content), "\n")
	if !ok {
		return refusef(recipientFile, "does not end with a newline")
	}
	if err := CheckRecipient(recipient); err != nil {
		return refusef(recipientFile, "%v", err)
	}
	o.Recipient = recipient
	return nil
}

// CheckRecipient says why nothing can be sealed to a node's recipient.
func CheckRecipient(recipient string) error {
	if err := seal.ValidRecipient(recipient); err != nil {
		return err
	}
	if strings.Count(recipient, " ") > 1 { // one spelling: ssh-ed25519 AAAA…
		return errors.New("an SSH recipient has no comment")
	}
	return nil
}

// openCSR checks one CSR and, to prove it, both signatures that its key made. keys has the
// keys seen before, by SPKI.
func (o *Opened) openCSR(c CSR, raw []byte, entries map[string][]byte, keys map[fingerprint.SHA256]string,
	prove bool) *Refusal {
	if fingerprint.Of(entries[c.File]) != c.SHA256 {
		return refusef(c.File, "its SHA-256 is not the one %s has", requestFile)
	}
	read := unprovenCSR
	if prove {
		read = parseCSR
	}
	csr, err := read(entries[c.File])
	if err != nil {
		return refusef(c.File, "%v", err)
	}
	// Of the bytes sent: an encoding of the same key that is not the usual one
	// must not have the usual one's fingerprint.
	if fingerprint.Of(csr.RawSubjectPublicKeyInfo) != c.SPKI {
		return refusef(c.File, "its public key is not the one whose spki %s has", requestFile)
	}
	if usual, err := fingerprint.SPKI(csr.PublicKey); err != nil || usual != c.SPKI {
		return refusef(c.File, "its public key is not encoded as RFC 5280 and RFC 5480 have it")
	}
	if other, ok := keys[c.SPKI]; ok {
		return refusef(c.File, "has the key of %s; each certificate has a key of its own", other)
	}
	keys[c.SPKI] = c.File
	if prove {
		if err := verify(csr.PublicKey, raw, entries[sigFile(c.Name)]); err != nil {
			return refusef(sigFile(c.Name), "%v by the key of its CSR", err)
		}
	}
	o.CSR[c.Name] = csr
	return nil
}
