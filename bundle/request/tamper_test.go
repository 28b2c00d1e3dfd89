package request

import (
	"archive/tar"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/seal"
)

func TestEveryBitCounts(t *testing.T) {
	m := makeRequest(t, worker())
	for i := range m.data {
		changed := bytes.Clone(m.data)
		changed[i] ^= 1 << (i % 8)
		if _, err := Parse("f", changed); err == nil {
			t.Errorf("bit %d of byte %d changed: accepted", i%8, i)
		}
	}
	for i := 0; i < len(m.data); i += 256 {
		if _, err := Parse("f", m.data[:i]); err == nil {
			t.Errorf("cut at %d: accepted", i)
		}
	}
	refused(t, "text behind it", append(bytes.Clone(m.data), make([]byte, 512)...), "", "not packed as")
}

// Every value of request.json in turn is changed; the signatures stay.
func TestEveryFieldCounts(t *testing.T) {
	m := makeRequest(t, controlPlane())
	e := entries(t, m.data)
	raw := e[requestFile]
	n := 0
	for _, line := range bytes.SplitAfter(raw, []byte("\n")) {
		key, value, found := bytes.Cut(line, []byte(": "))
		if !found || bytes.HasSuffix(value, []byte("{\n")) || bytes.HasSuffix(value, []byte("[\n")) {
			continue
		}
		n++
		for _, other := range otherValues(string(value)) {
			changed := maps.Clone(e)
			changed[requestFile] = bytes.Replace(raw, line, append(append(bytes.Clone(key), ": "...), other...), 1)
			if bytes.Equal(changed[requestFile], raw) {
				t.Fatalf("%s was not changed", line)
			}
			_, err := Parse("cp-1.req", repack(t, changed))
			if err == nil {
				t.Errorf("%s changed to %s: accepted", strings.TrimSpace(string(line)), other)
			} else if !strings.HasPrefix(err.Error(), "cp-1.req: ") || err.(*Refusal).Part == "" {
				t.Errorf("%s changed to %s: not named: %v", strings.TrimSpace(string(line)), other, err)
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d values were changed", n)
	}
}

// otherValues gives a value of another kind, and one that is as good as the old.
func otherValues(value string) []string {
	text := strings.TrimSuffix(strings.TrimSuffix(value, "\n"), ",")
	end := value[len(text):]
	var s string
	if json.Unmarshal([]byte(text), &s) != nil {
		return []string{"false" + end, "7" + end}
	}
	last := s[len(s)-1]
	other := byte('1')
	if last == other {
		other = '2'
	}
	return []string{fmt.Sprintf("%q%s", s[:len(s)-1]+string(other), end), "1" + end, `""` + end}
}

func TestEntriesBelongTogether(t *testing.T) {
	m := makeRequest(t, controlPlane())
	other := makeRequest(t, controlPlane())
	e, theirs := entries(t, m.data), entries(t, other.data)
	without := func(name string) map[string][]byte { c := maps.Clone(e); delete(c, name); return c }
	with := func(name string, content []byte) map[string][]byte { c := maps.Clone(e); c[name] = content; return c }

	for name := range e {
		refused(t, name+" removed", repack(t, without(name)), name, "is missing")
	}
	for _, name := range []string{"extra", "csr/extra.csr", "sig/extra.sig", "previous.sig", "request.json.bak"} {
		refused(t, name+" added", repack(t, with(name, []byte("x"))), name, "is not listed")
	}
	for name := range e {
		part, reason := name, "SHA-256"
		switch {
		case name == requestFile:
			part, reason = recipientFile, "SHA-256" // the first thing it does not fit
		case strings.HasPrefix(name, "sig/"):
			reason = "not the signature"
		}
		refused(t, name+" of another request", repack(t, with(name, theirs[name])), part, reason)
	}

	swapped := with("csr/apiserver.csr", e["csr/admin.conf.csr"])
	swapped["csr/admin.conf.csr"] = e["csr/apiserver.csr"]
	refused(t, "CSRs swapped", repack(t, swapped), "csr/admin.conf.csr", "SHA-256")
	swapped = with("sig/apiserver.sig", e["sig/admin.conf.sig"])
	swapped["sig/admin.conf.sig"] = e["sig/apiserver.sig"]
	refused(t, "signatures swapped", repack(t, swapped), "sig/admin.conf.sig", "not the signature")
	refused(t, "signature cut", repack(t, with("sig/apiserver.sig", e["sig/apiserver.sig"][4:])), "sig/apiserver.sig", "")
	refused(t, "signature not base64", repack(t, with("sig/apiserver.sig", []byte("\x00\n"))), "sig/apiserver.sig", "base64")
	refused(t, "signature in two lines", repack(t, with("sig/apiserver.sig", append([]byte("\n"), e["sig/apiserver.sig"]...))), "sig/apiserver.sig", "base64")
}

// The thief has the file and can rewrite all of it, but lacks the node's keys:
// what he puts in makes request.json another, and that the keys have not signed.
func TestThiefWithoutTheKeys(t *testing.T) {
	m := makeRequest(t, controlPlane())
	_, mine, err := seal.NewIdentity()
	check(t, err)
	e := entries(t, m.data)
	rewrite := func(change func(r *Request, e map[string][]byte)) []byte {
		var r Request
		changed := maps.Clone(e)
		if refusal := r.decode(e[requestFile]); refusal != nil {
			t.Fatal(refusal)
		}
		change(&r, changed)
		raw, err := r.encode()
		check(t, err)
		changed[requestFile] = raw
		return repack(t, changed)
	}

	refused(t, "another recipient", rewrite(func(r *Request, e map[string][]byte) {
		e[recipientFile] = []byte(mine + "\n")
		r.Recipient.SHA256 = fingerprint.Of(e[recipientFile])
	}), "sig/admin.conf.sig", "not the signature")

	key := newKey(t)
	data := rewrite(func(r *Request, e map[string][]byte) {
		c := &r.CSRs[0]
		e[c.File] = csrPEMOf(t, key, nil)
		c.SHA256 = fingerprint.Of(e[c.File])
		c.SPKI, err = fingerprint.SPKI(key.Public())
		check(t, err)
	})
	changed := entries(t, data)
	changed["sig/admin.conf.sig"], err = sign(rand.Reader, key, changed[requestFile])
	check(t, err)
	refused(t, "a CSR of his own", repack(t, changed), "sig/apiserver.sig", "not the signature")

	refused(t, "a CSR left out", rewrite(func(r *Request, e map[string][]byte) {
		delete(e, r.CSRs[0].File)
		delete(e, sigFile(r.CSRs[0].Name))
		r.CSRs = r.CSRs[1:]
	}), "sig/apiserver.sig", "not the signature")
	refused(t, "another node", rewrite(func(r *Request, e map[string][]byte) { r.Node.Name = "cp-2" }), "sig/admin.conf.sig", "not the signature")
}

func TestArchives(t *testing.T) {
	m := makeRequest(t, worker())
	e := entries(t, m.data)
	var list []entry
	for _, name := range slices.Sorted(maps.Keys(e)) {
		list = append(list, entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Format: tar.FormatUSTAR}, string(e[name])})
	}
	if !bytes.Equal(rawTar(t, list...), m.data) {
		t.Fatal("the test does not write what pack writes")
	}
	change := func(i int, f func(h *tar.Header)) []byte {
		c := slices.Clone(list)
		f(&c[i].header)
		return rawTar(t, c...)
	}
	reversed := slices.Clone(list)
	slices.Reverse(reversed)
	folder := entry{header: tar.Header{Typeflag: tar.TypeDir, Name: "csr/", Mode: 0o755}}
	link := entry{header: tar.Header{Typeflag: tar.TypeSymlink, Name: "zlink", Linkname: "/etc/passwd"}}
	hard := entry{header: tar.Header{Typeflag: tar.TypeLink, Name: "zlink", Linkname: requestFile}}
	for _, b := range []struct {
		name         string
		data         []byte
		part, reason string
	}{
		{"nothing", nil, "", "no entries"},
		{"no tar", []byte(strings.Repeat("not a tar ", 100)), "", "is not a request file"},
		{"empty tar", rawTar(t), "", "no entries"},
		{"too long", make([]byte, maxSize+1), "", "more than"},
		{"reordered", rawTar(t, reversed...), "request.json", "comes after"},
		{"two swapped", rawTar(t, list[1], list[0], list[2], list[3]), "csr/kubelet.conf.csr", "comes after"},
		{"twice", rawTar(t, list[0], list[0], list[1], list[2], list[3]), "csr/kubelet.conf.csr", "twice"},
		{"a folder", rawTar(t, append([]entry{folder}, list...)...), "", "name"},
		{"a link", rawTar(t, append(slices.Clone(list), link)...), "zlink", "not a regular file"},
		{"a hard link", rawTar(t, append(slices.Clone(list), hard)...), "zlink", "not a regular file"},
		{"another mode", change(1, func(h *tar.Header) { h.Mode = 0o600 }), "", "not packed as"},
		{"another owner", change(0, func(h *tar.Header) { h.Uid = 1000 }), "", "not packed as"},
		{"an owner's name", change(0, func(h *tar.Header) { h.Uname = "root" }), "", "not packed as"},
		{"another time", change(0, func(h *tar.Header) { h.ModTime = created }), "", "not packed as"},
		{"GNU format", change(0, func(h *tar.Header) { h.Format = tar.FormatGNU }), "", "not packed as"},
		{"pax format", change(0, func(h *tar.Header) { h.Format = tar.FormatPAX; h.PAXRecords = map[string]string{"comment": "x"} }), "", "not packed as"},
		{"a name with ..", change(3, func(h *tar.Header) { h.Name = "sig/../x" }), "", "name"},
		{"an absolute name", change(0, func(h *tar.Header) { h.Name = "/csr" }), "", "name"},
		{"an escape sequence", change(0, func(h *tar.Header) { h.Name = "csr/\x1b[2J" }), "", "name"},
		{"without request.json", rawTar(t, list[0], list[1], list[3]), requestFile, "is missing"},
	} {
		text := refused(t, b.name, b.data, b.part, b.reason)
		if strings.ContainsRune(text, '\x1b') {
			t.Errorf("%s: %q", b.name, text)
		}
	}
	many := make([]entry, maxEntries+1)
	for i := range many {
		many[i] = entry{header: tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("a%04d", i)}}
	}
	refused(t, "many entries", rawTar(t, many...), "", "entries")
}

// The requester has all keys and signs everything properly; still no.
func TestBadCSRs(t *testing.T) {
	m := makeRequest(t, worker())
	key := m.keys["kubelet.conf"]
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil { // Go refuses to make such keys unless told otherwise
		t.Setenv("GODEBUG", "rsa1024min=0")
		weak, err = rsa.GenerateKey(rand.Reader, 1024)
		check(t, err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	check(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	extension := func(id asn1.ObjectIdentifier, value any) func(*x509.CertificateRequest) {
		der, err := asn1.Marshal(value)
		check(t, err)
		return func(c *x509.CertificateRequest) {
			c.ExtraExtensions = []pkix.Extension{{Id: id, Critical: true, Value: der}}
		}
	}
	type ca struct{ IsCA bool }
	type noCA struct{}
	good := csrPEMOf(t, key, nil)
	block, _ := pem.Decode(good)
	broken := bytes.Clone(block.Bytes)
	broken[len(broken)-1] ^= 1
	resubject := bytes.Replace(block.Bytes, []byte("system:nodes"), []byte("system:nodez"), 1)
	encode := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	for _, b := range []struct {
		name   string
		key    crypto.Signer
		csr    []byte
		reason string
	}{
		{"broken signature", key, encode(csrPEM, broken), "does not verify"},
		{"subject changed", key, encode(csrPEM, resubject), "does not verify"},
		{"CA:TRUE", key, csrPEMOf(t, key, extension(oidBasicConstraints, ca{true})), "CA:TRUE"},
		{"basicConstraints broken", key, csrPEMOf(t, key, extension(oidBasicConstraints, 7)), "basicConstraints"},
		{"keyCertSign", key, csrPEMOf(t, key, extension(oidKeyUsage, asn1.BitString{Bytes: []byte{0x04}, BitLength: 6})), "keyCertSign"},
		{"cRLSign", key, csrPEMOf(t, key, extension(oidKeyUsage, asn1.BitString{Bytes: []byte{0x02}, BitLength: 7})), "cRLSign"},
		{"keyUsage broken", key, csrPEMOf(t, key, extension(oidKeyUsage, 7)), "keyUsage"},
		{"RSA-1024", weak, csrPEMOf(t, weak, nil), "1024 bits"},
		{"P-224", p224, csrPEMOf(t, p224, nil), "P-224"},
		{"Ed25519", ed, csrPEMOf(t, ed, nil), "neither ECDSA nor RSA"},
		{"empty", key, nil, "PEM"},
		{"no CSR", key, encode(csrPEM, []byte{0x30, 0}), "not a certificate request"},
		{"a private key", key, encode("PRIVATE KEY", block.Bytes), "PEM"},
		{"text before it", key, append([]byte("x\n"), good...), "PEM"},
		{"text behind it", key, append(bytes.Clone(good), '\n'), "PEM"},
		{"two", key, append(bytes.Clone(good), good...), "PEM"},
		{"DER", key, block.Bytes, "PEM"},
		{"DER with more behind it", key, encode(csrPEM, append(bytes.Clone(block.Bytes), 0)), "not a certificate request"},
	} {
		m.keys["kubelet.conf"] = b.key
		refused(t, b.name, m.forge(t, map[string][]byte{"kubelet.conf": b.csr}, nil), "csr/kubelet.conf.csr", b.reason)
	}
	m.keys["kubelet.conf"] = key
	for name, csr := range map[string][]byte{
		"plain": good, "CA:FALSE": csrPEMOf(t, key, extension(oidBasicConstraints, noCA{})),
		"digitalSignature": csrPEMOf(t, key, extension(oidKeyUsage, asn1.BitString{Bytes: []byte{0xa0}, BitLength: 3})),
	} {
		if _, err := Parse("f", m.forge(t, map[string][]byte{"kubelet.conf": csr}, nil)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWeakRSA(t *testing.T) {
	n := new(big.Int).Lsh(big.NewInt(1), 2047)
	for name, k := range map[string]*rsa.PublicKey{
		"even modulus": {N: n, E: 65537}, "small exponent": {N: new(big.Int).SetBit(n, 0, 1), E: 3},
		"even exponent": {N: new(big.Int).SetBit(n, 0, 1), E: 65538}, "too long": {N: new(big.Int).Lsh(big.NewInt(1), 8192), E: 65537},
	} {
		if checkStrength(k) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOneKeyTwice(t *testing.T) {
	m := makeRequest(t, controlPlane())
	m.keys["apiserver"] = m.keys["admin.conf"]
	csrs := map[string][]byte{}
	for _, l := range m.leaves {
		csrs[l.Name] = csrPEMOf(t, m.keys[l.Name], nil)
	}
	refused(t, "one key twice", m.forge(t, csrs, nil), "csr/apiserver.csr", "has the key of csr/admin.conf.csr")
}

// Fields no honest node writes, under good signatures.
func TestBadClaims(t *testing.T) {
	m := makeRequest(t, worker())
	csrs := map[string][]byte{"kubelet.conf": csrPEMOf(t, m.keys["kubelet.conf"], nil)}
	for name, b := range map[string]struct {
		change func(r *Request)
		reason string
	}{
		"version 2":            {func(r *Request) { r.APIVersion = "officiant/v2" }, "apiVersion"},
		"another kind":         {func(r *Request) { r.Kind = "Plan" }, "kind"},
		"no time":              {func(r *Request) { r.Created = time.Time{} }, "created"},
		"not UTC":              {func(r *Request) { r.Created = created.In(time.FixedZone("", 3600)) }, "created"},
		"parts of a second":    {func(r *Request) { r.Created = created.Add(1) }, "created"},
		"no cluster name":      {func(r *Request) { r.Cluster.Name = "a b" }, "cluster: name"},
		"no version":           {func(r *Request) { r.Cluster.KubernetesVersion.Minor = 3 }, "cluster: kubernetesVersion"},
		"no node name":         {func(r *Request) { r.Node.Name = "" }, "node: name"},
		"a path for a name":    {func(r *Request) { r.Node.Name = "../x" }, "node: name"},
		"no role":              {func(r *Request) { r.Node.Roles = nil }, "node: roles"},
		"unknown role":         {func(r *Request) { r.Node.Roles[0] = "admin" }, "node: roles[0]"},
		"two faults":           {func(r *Request) { r.Node = worker(); r.Node.Name, r.Node.Roles = "", nil }, "; roles"},
		"recipient elsewhere":  {func(r *Request) { r.Recipient.File = "request.json" }, "recipient.file"},
		"recipient's hash":     {func(r *Request) { r.Recipient.SHA256[0] ^= 1 }, "SHA-256"},
		"CSR elsewhere":        {func(r *Request) { r.CSRs[0].File = recipientFile }, "csrs[0].file"},
		"CSR's name a path":    {func(r *Request) { r.CSRs[0].Name = "../x" }, "csrs[0].name"},
		"CSR's name empty":     {func(r *Request) { r.CSRs[0].Name = "" }, "csrs[0].name"},
		"CSR twice":            {func(r *Request) { r.CSRs = append(r.CSRs, r.CSRs[0]) }, "csrs[1]"},
		"CSR's hash":           {func(r *Request) { r.CSRs[0].SHA256[0] ^= 1 }, "SHA-256"},
		"CSR's key":            {func(r *Request) { r.CSRs[0].SPKI[0] ^= 1 }, "spki"},
		"no CSR":               {func(r *Request) { r.CSRs = nil }, "csrs is empty"},
		"a control character":  {func(r *Request) { r.Cluster.DNSDomain = "a\x1b[2J" }, "backslash"},
		"a letter from abroad": {func(r *Request) { r.Cluster.DNSDomain = "\u202ea" }, "printable ASCII"},
	} {
		_, err := Parse("f", m.forge(t, csrs, b.change))
		if err == nil || !strings.Contains(err.Error(), b.reason) || strings.ContainsRune(err.Error(), '\n') {
			t.Errorf("%s: got %v, want %q", name, err, b.reason)
		}
		m.node = worker()
	}
}

// The recipient's file and hash fit, but nobody on the node could open it.
func TestBadRecipient(t *testing.T) {
	m := makeRequest(t, worker())
	csrs := map[string][]byte{"kubelet.conf": csrPEMOf(t, m.keys["kubelet.conf"], nil)}
	for _, r := range []string{"", "age1x", " " + m.recipient, m.recipient + "\n" + m.recipient,
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN host",
		"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY"} {
		m.recipient = r
		refused(t, r, m.forge(t, csrs, nil), recipientFile, "recipient")
	}
}

func TestBadJSON(t *testing.T) {
	m := makeRequest(t, worker())
	e := entries(t, m.data)
	good := string(e[requestFile])
	for name, b := range map[string]struct{ text, want string }{
		"empty":           {"", "request.json:1:1"},
		"not an object":   {"[]\n", "request.json:"},
		"unknown field":   {strings.Replace(good, "{\n", "{\n  \"extra\": 1,\n", 1), `unknown field "extra"`},
		"field twice":     {strings.Replace(good, "{\n", "{\n  \"kind\": \"Request\",\n", 1), "not written as"},
		"other case":      {strings.Replace(good, `"kind"`, `"Kind"`, 1), "not written as"},
		"less blanks":     {strings.Replace(good, `"kind": `, `"kind":`, 1), "not written as"},
		"null":            {strings.Replace(good, `"demo"`, `null`, 1), "not written as"},
		"text behind":     {good + "{}", "after the end"},
		"newline behind":  {good + "\n", "not written as"},
		"escaped letter":  {strings.Replace(good, `"demo"`, `"d\u0065mo"`, 1), "backslash"},
		"a tab":           {strings.Replace(good, "  ", "\t", 1), "request.json:2:1"},
		"byte order mark": {"\ufeff" + good, "request.json:1:1"},
		"a wrong type":    {strings.Replace(good, `"demo"`, `7`, 1), "request.json:"},
	} {
		changed := maps.Clone(e)
		changed[requestFile] = []byte(b.text)
		m.signAll(t, changed)
		_, err := Parse("f", repack(t, changed))
		if err == nil || !strings.Contains(err.Error(), b.want) {
			t.Errorf("%s: got %v, want %q", name, err, b.want)
		}
	}
}
