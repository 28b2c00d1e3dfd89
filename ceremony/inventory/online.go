package inventory

import (
	"os"
	"path/filepath"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/online/proof"
)

// online is a certificate of a journal that the ceremony took in.
type online struct {
	texts
	name, authority     string
	issuer              *issuer // the same of all that one authority signed
	serial              history.Serial
	sha256              fingerprint.SHA256 // zero when abandoned
	notBefore, notAfter int64              // seconds since 1970
}

// journals reads what the ceremony took in of online signers, as far as it is on record
// and no earlier ceremony took it in. A record by itself has no copy of them.
func (record *Record) journals() error {
	if record.Source.Dir == "" {
		return nil
	}
	for _, j := range record.Open.Journals {
		if j.File == "" {
			continue
		}
		if err := record.journal(j); err != nil {
			return err
		}
	}
	return nil
}

func (record *Record) journal(j history.Journal) error {
	file := filepath.Join(record.Source.Dir, filepath.FromSlash(j.File))
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	issuers := map[issuer]*issuer{}
	return proof.Read(file, f, proof.Head{Seq: j.Line, Hash: j.Head}, func(c *proof.Certificate) {
		if c.Line <= j.Since {
			return
		}
		cert := c.X509()
		o := online{texts: textsOf(cert), name: c.Name(), authority: c.Intent.Authority,
			notBefore: cert.NotBefore.Unix(), notAfter: cert.NotAfter.Unix()}
		by := issuer{string(cert.RawIssuer), string(cert.AuthorityKeyId)}
		if issuers[by] == nil {
			issuers[by] = &by
		}
		o.issuer = issuers[by]
		o.serial, _ = history.SerialOf(cert.SerialNumber) // proof has seen to its size
		if c.Signed != nil {
			o.sha256 = fingerprint.Of(c.Signed.Raw)
		}
		record.online = append(record.online, o)
	})
}

// onlineEntries are what a record lists of journals.
func (record *Record) onlineEntries() (list []*Entry) {
	for i, o := range record.online {
		e := &Entry{of: record, n: int32(i), online: true, kind: leaf, state: rotating, notAfter: o.notAfter}
		if o.sha256 == (fingerprint.SHA256{}) {
			e.state = abandoned
		}
		list = append(list, e)
	}
	return list
}

// item is all there is to tell of it but its state.
func (o *online) item() Item {
	i := Item{Name: o.name, Authority: o.authority, Subject: o.subject, Names: o.names, Serial: o.serial.String(),
		NotBefore: time.Unix(o.notBefore, 0).UTC()}
	if o.sha256 != (fingerprint.SHA256{}) {
		i.SHA256 = &o.sha256
	}
	return i
}
