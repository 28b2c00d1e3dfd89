package transcript

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
)

// Format is what the open line's format says.
const Format = "officiant-transcript/v1"

// pending is an intent whose result is not known yet.
type pending struct {
	kind  Type
	entry int                // of the schedule; 0 for a challenge
	tbs   fingerprint.SHA256 // of a certificate, a request for one, or a revocation list
}

// serial is a serial number, which has 20 octets at most (RFC 5280 section
// 4.1.2.2). A long record has many.
type serial [20]byte

// order holds what the lines so far allow the next one to be. Reader and writer
// share it, so that nothing can be written that cannot be read.
type order struct {
	seq, steps        int
	last              time.Time
	head              fingerprint.SHA256
	open              map[int]pending // by seq
	taken             map[int]bool    // entries that are signed, or about to be
	serials           map[serial]struct{}
	lists             map[string]*big.Int           // the newest CRL number by authority
	intended          map[string]string             // key intents: name to id
	keys              map[string]fingerprint.SHA256 // SPKI by name
	made              map[string]bool               // nodes whose keys were made
	adopted           map[string]bool               // names
	people            []Person
	station           fingerprint.SHA256 // by which the ceremony goes
	first             fingerprint.SHA256 // hash of the first line
	givenUp           *abandoned         // nil: it is not
	wrongPINs         WrongPINs
	refused           []string // checks of the room that nobody waived
	issued, abandoned int      // certificates
	issuing, closed   bool
	received          bool // certificates that others signed came back
}

func newOrder() *order {
	return &order{
		open: map[int]pending{}, taken: map[int]bool{}, serials: map[serial]struct{}{}, lists: map[string]*big.Int{},
		intended: map[string]string{}, keys: map[string]fingerprint.SHA256{}, made: map[string]bool{}, adopted: map[string]bool{}, issuing: true,
		wrongPINs: WrongPINs{},
	}
}

// next takes l, whose Hash is set, as the next line or says why it cannot be.
// It sets l's Certificate.
func (o *order) next(l *Line) error {
	switch {
	case l.Seq != o.seq+1:
		return fmt.Errorf("seq is %d, expected %d", l.Seq, o.seq+1)
	case l.Prev != o.head:
		return errors.New("prev is not the hash of the line before")
	case l.Time.Before(o.last):
		return errors.New("time is earlier than the line before")
	case o.closed:
		return errors.New("the transcript is closed")
	}
	if first, ok := l.Record.(Open); ok != (l.Seq == 1) {
		return errors.New("the first line, and no other, is of type open")
	} else if ok {
		if err := o.start(first); err != nil {
			return err
		}
	}
	if l.Step < 0 || l.Step > o.steps {
		return fmt.Errorf("step %d is not one of %d", l.Step, o.steps)
	}
	if err := o.over(l.Record); err != nil {
		return err
	}
	if err := o.room(l.Record); err != nil {
		return err
	}
	if err := o.record(l); err != nil {
		return err
	}
	o.wrongPINs.Take(l.Record)
	if o.seq, o.last, o.head = l.Seq, l.Time, l.Hash; l.Seq == 1 {
		o.first = l.Hash
	}
	return nil
}

func (o *order) start(first Open) error {
	if first.Format != Format {
		return fmt.Errorf("format is %q, expected %q", first.Format, Format)
	}
	if nb := first.NotBefore; nb.Location() != time.UTC || nb.Nanosecond() != 0 {
		return errors.New("notBefore is not in UTC and whole seconds")
	}
	if first.Sequence < 1 || first.Steps < 0 {
		return errors.New("sequence or steps out of range")
	}
	if n := len(first.People); first.Threshold < 0 || first.Threshold > n || (n > 0) != (first.Threshold > 0) {
		return fmt.Errorf("threshold is %d, and %d people are named", first.Threshold, n)
	}
	seen := map[fingerprint.SHA256]bool{}
	for _, j := range first.Journals {
		if seen[j.First] {
			return errors.New("a journal is there twice")
		}
		if j.Line < 1 || j.Since < 0 || j.Since > j.Line || j.Certificates < 0 || j.Abandoned < 0 {
			return fmt.Errorf("a journal is said to have %d lines from %d on, with %d certificates and %d abandoned",
				j.Line, j.Since, j.Certificates, j.Abandoned)
		}
		if j.File == "" && j.Since+j.Certificates+j.Abandoned > 0 {
			return errors.New("a journal has lines that are counted, and no file")
		}
		seen[j.First] = true
	}
	if l := first.Lost; l != nil && (l.Sequence < 1 || l.Sequence != first.Sequence-1 || l.Reason == "" || len(first.Predecessors) > 0) {
		return errors.New("a chain that begins anew has no predecessors, a reason, and the number after the lost ones")
	}
	o.steps, o.people, o.station = first.Steps, first.People, first.Station
	return nil
}

func (o *order) record(l *Line) error {
	switch r := l.Record.(type) {
	case Attendance:
		return o.attend(r)
	case Resumed:
		if r.Head != o.head {
			return errors.New("resumed: head is not the hash of the line before")
		}
	case PINShares:
		return o.pinShares(r)
	case PINRefused:
		return o.refusePIN(r)
	case StationChanged:
		return o.changeStation(r)
	case Abandonment, DestroyIntent, Destroyed, AbandonmentClosed:
		return o.giveUp(l)
	case CanaryIntent:
		if !hexID(r.ID) {
			return errors.New("canary-intent: id is not 16 bytes in lower-case hex")
		}
		o.open[l.Seq] = pending{kind: r.Type()}
	case Canary:
		return o.settle(r.Intent, CanaryIntent{}.Type())
	case KeyIntent:
		return o.intendKey(r)
	case Key:
		return o.key(r)
	case KeyAbandoned:
		if id, ok := o.intended[r.Name]; !ok || id != r.ID {
			return fmt.Errorf("key-abandoned %s: no open key-intent of this name and id", r.Name)
		}
		delete(o.intended, r.Name)
	case ChallengeIntent:
		o.open[l.Seq] = pending{kind: r.Type()}
	case SignatureIntent:
		return o.begin(l.Seq, r.Name, pending{kind: r.Type(), entry: r.Entry})
	case Challenge:
		return o.settle(r.Intent, ChallengeIntent{}.Type())
	case Signature:
		return o.settle(r.Intent, SignatureIntent{}.Type())
	case Intent:
		return o.intend(l.Seq, r)
	case Issued:
		return o.issue(l, r)
	case CSRIntent:
		return o.begin(l.Seq, r.Name, pending{kind: r.Type(), entry: r.Entry, tbs: fingerprint.Of(r.TBS)})
	case CSR:
		return o.request(r)
	case Received:
		return o.receive(r)
	case CRLIntent:
		return o.intendList(l.Seq, r)
	case CRL:
		return o.signList(r)
	case CRLCarried:
		return o.carryList(r)
	case Abandoned:
		return o.abandon(r)
	case Adopted:
		return o.adopt(r)
	case NodeKeys:
		if o.made[r.Node] || !o.issuing {
			return fmt.Errorf("node-keys of %s: a second time, or after issuing was closed", r.Node)
		}
		o.made[r.Node] = true
	case IssuingClosed:
		return o.closeIssuing(r)
	case Closed:
		if len(o.open) > 0 {
			return fmt.Errorf("closed while %d intents are open", len(o.open))
		}
		o.closed = true
	}
	return nil
}

func (o *order) adopt(r Adopted) error {
	if o.adopted[r.Name] {
		return fmt.Errorf("adopted %s: a second time", r.Name)
	}
	if !o.issuing {
		return fmt.Errorf("adopted %s after issuing was closed", r.Name)
	}
	if _, err := x509.ParseCertificate(r.Certificate); err != nil {
		return fmt.Errorf("adopted %s: %w", r.Name, err)
	}
	o.adopted[r.Name] = true
	return nil
}

// attend takes those present: people of the first line, in its order, each once.
func (o *order) attend(r Attendance) error {
	rest := o.people
	for _, name := range r.Present {
		i := slices.IndexFunc(rest, func(p Person) bool { return p.Name == name })
		if i < 0 {
			return fmt.Errorf("attendance: %q is not among the people of the first line, or not in their order", name)
		}
		rest = rest[i+1:]
	}
	if len(r.Present) == 0 {
		return errors.New("attendance of nobody")
	}
	return nil
}

// room holds what the room's checks refused against what is about to be done.
func (o *order) room(r Record) error {
	switch r := r.(type) {
	case Preflight:
		o.refused = nil
		for _, c := range r.Checks {
			if !slices.Contains([]string{"record", "warn", "refuse"}, c.Level) {
				return fmt.Errorf("preflight: level of %s is %q", c.Name, c.Level)
			}
			if c.Level == "refuse" && c.Wrong != "" {
				o.refused = append(o.refused, c.Name)
			}
		}
	case Deviation:
		if people := slices.Compact(slices.Sorted(slices.Values(r.By))); len(people) < 2 {
			return errors.New("deviation by fewer than two people")
		}
		o.refused = slices.DeleteFunc(o.refused, func(name string) bool { return name == r.Waives })
	case Token, PINRefused, CanaryIntent, KeyIntent, ChallengeIntent, CSRIntent, Intent, CRLIntent, SignatureIntent:
		if len(o.refused) > 0 && o.givenUp == nil {
			return fmt.Errorf("%s while the room is refused, and nobody waived it: %s", r.Type(), strings.Join(o.refused, ", "))
		}
	}
	return nil
}

func (o *order) intend(seq int, r Intent) error {
	if !o.issuing {
		return fmt.Errorf("intent %s after issuing was closed", r.Name)
	}
	number, err := tbsSerial(r.TBS)
	if err != nil {
		return fmt.Errorf("intent %s: %w", r.Name, err)
	}
	key := serial(number.FillBytes(make([]byte, len(serial{}))))
	if _, used := o.serials[key]; used {
		return fmt.Errorf("intent %s: serial %x was used before", r.Name, number)
	}
	if err := o.begin(seq, r.Name, pending{kind: r.Type(), entry: r.Entry, tbs: fingerprint.Of(r.TBS)}); err != nil {
		return err
	}
	o.serials[key] = struct{}{}
	return nil
}

// begin opens an intent for an entry that has neither result nor open intent.
func (o *order) begin(seq int, name string, p pending) error {
	if p.entry < 1 {
		return fmt.Errorf("intent %s: %d is no line of a schedule", name, p.entry)
	}
	if o.taken[p.entry] {
		return fmt.Errorf("intent %s: entry %d is signed, or about to be", name, p.entry)
	}
	o.taken[p.entry] = true
	o.open[seq] = p
	return nil
}

func hexID(s string) bool {
	id, err := hex.DecodeString(s)
	return err == nil && len(id) == 16 && hex.EncodeToString(id) == s
}

func (o *order) intendKey(r KeyIntent) error {
	if !hexID(r.ID) {
		return fmt.Errorf("key-intent %s: id is not 16 bytes in lower-case hex", r.Name)
	}
	if len(r.Salt) > 0 && (len(r.Salt) != SaltSize || r.ID != BoundID(o.first, r.Name, r.Salt)) {
		return fmt.Errorf("key-intent %s: id does not follow from the first line and the salt", r.Name)
	}
	if _, ok := o.keys[r.Name]; ok {
		return fmt.Errorf("key-intent %s: there is such a key", r.Name)
	}
	if _, ok := o.intended[r.Name]; ok {
		return fmt.Errorf("key-intent %s: there is one that is open", r.Name)
	}
	o.intended[r.Name] = r.ID
	return nil
}

// key takes a key that was made or found. A later process may say it again.
func (o *order) key(r Key) error {
	if fingerprint.Of(r.PublicKey) != r.SPKI {
		return fmt.Errorf("key %s: spki is not the digest of the public key", r.Name)
	}
	if _, ok := o.intended[r.Name]; r.Made && !ok {
		return fmt.Errorf("key %s was made without a key-intent", r.Name)
	}
	if before, ok := o.keys[r.Name]; ok && before != r.SPKI {
		return fmt.Errorf("key %s is another one than before", r.Name)
	}
	o.keys[r.Name] = r.SPKI
	return nil
}

func (o *order) issue(l *Line, r Issued) error {
	p, ok := o.open[r.Intent]
	if !ok || p.kind != (Intent{}).Type() {
		return fmt.Errorf("issued: line %d is not an open intent", r.Intent)
	}
	cert, err := x509.ParseCertificate(r.Certificate)
	if err != nil {
		return fmt.Errorf("issued: certificate of intent %d: %w", r.Intent, err)
	}
	if !bytes.Equal(cert.Raw, r.Certificate) || fingerprint.Of(cert.RawTBSCertificate) != p.tbs {
		return fmt.Errorf("issued: certificate is not the one of intent %d", r.Intent)
	}
	delete(o.open, r.Intent)
	o.issued++
	l.Certificate = cert
	return nil
}

func (o *order) abandon(r Abandoned) error {
	p, ok := o.open[r.Intent]
	if !ok {
		return fmt.Errorf("abandoned: line %d is not an open intent", r.Intent)
	}
	delete(o.open, r.Intent)
	delete(o.taken, p.entry)
	if p.kind == (Intent{}).Type() {
		o.abandoned++
	}
	return nil
}

func (o *order) closeIssuing(r IssuingClosed) error {
	switch {
	case !o.issuing:
		return errors.New("issuing was closed before")
	case len(o.open) > 0:
		return fmt.Errorf("issuing-closed while %d intents are open", len(o.open))
	case r.Certificates != o.issued || r.Abandoned != o.abandoned:
		return fmt.Errorf("issuing-closed counts %d certificates and %d abandoned, the lines hold %d and %d",
			r.Certificates, r.Abandoned, o.issued, o.abandoned)
	}
	o.issuing = false
	return nil
}

func (o *order) settle(intent int, kind Type) error {
	if p, ok := o.open[intent]; !ok || p.kind != kind {
		return fmt.Errorf("line %d is not an open %s", intent, kind)
	}
	delete(o.open, intent)
	return nil
}

// Serial is the serial number of the certificate that is to be signed.
func (i Intent) Serial() (*big.Int, error) { return tbsSerial(i.TBS) }

// tbsSerial reads the serial number out of a DER TBSCertificate (RFC 5280, 4.1).
func tbsSerial(tbs []byte) (*big.Int, error) {
	var v struct { // the fields after it are not looked at
		Version int `asn1:"optional,explicit,default:0,tag:0"`
		Serial  *big.Int
	}
	rest, err := asn1.Unmarshal(tbs, &v)
	if err != nil || len(rest) > 0 {
		return nil, errors.New("not a DER TBSCertificate")
	}
	if v.Serial.Sign() <= 0 {
		return nil, errors.New("serial is not positive")
	}
	if v.Serial.BitLen() > 8*len(serial{}) {
		return nil, errors.New("serial is longer than 20 octets")
	}
	return v.Serial, nil
}
