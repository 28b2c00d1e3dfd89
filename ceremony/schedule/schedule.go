package schedule

import (
	"bufio"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/plan"
)

// WriteSchedule writes schedule.txt line by line, as it is expanded: it is held
// nowhere. Its every byte is part of the digest: it can only change together with
// the version in its first line. Errors are those of w.
func (c *Ceremony) WriteSchedule(w io.Writer) error {
	if c.rehearses != nil {
		return c.rehearses.WriteSchedule(w)
	}
	b := bufio.NewWriter(w)
	certificates, signatures := 0, 0
	for n := range c.Len() {
		switch kind, _ := c.Of(n + 1); kind {
		case RootCertificate, AuthorityCertificate, LeafCertificate:
			certificates++
			signatures++
		case ExternalCertificate:
		default:
			signatures++
		}
	}
	fmt.Fprintf(b, "# officiant-schedule: v1\n# plan: %s\n# cluster: %s\n# sequence: %d\n# certificates: %d\n"+
		"# signatures: %d\n",
		c.Plan.Name, c.Plan.Cluster.Name, c.Sequence, certificates, signatures)
	if len(c.Plan.Left) > 0 {
		fmt.Fprintf(b, "# left: %s\n", strings.Join(c.Plan.Left, ","))
	}
	for _, j := range c.Journals {
		if j.File != "" {
			b.WriteString(journalLine(j))
		}
	}
	for e := range c.All() {
		b.WriteString(c.Line(e))
		b.WriteByte('\n')
	}
	return b.Flush()
}

// SameSchedule compares a schedule.txt with this one. line is the number of the first
// line in which they differ, from 1; 0 when they do not. Errors are those of r.
func (c *Ceremony) SameSchedule(r io.Reader) (line int, err error) {
	d := &differ{with: bufio.NewReader(r), line: 1}
	if err := c.WriteSchedule(d); err != nil && !errors.Is(err, errDiffers) {
		return 0, err
	} else if err != nil {
		return d.line, nil
	}
	switch _, err := d.with.ReadByte(); {
	case err == nil:
		return d.line, nil
	case !errors.Is(err, io.EOF):
		return 0, err
	}
	return 0, nil
}

var errDiffers = errors.New("differs")

// differ compares what is written with what another has.
type differ struct {
	with *bufio.Reader
	line int
}

func (d *differ) Write(p []byte) (int, error) {
	for i, want := range p {
		got, err := d.with.ReadByte()
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return i, err
		case err != nil || got != want:
			return i, errDiffers
		case got == '\n':
			d.line++
		}
	}
	return len(p), nil
}

// summed is the SHA-256 of schedule.txt.
func (c *Ceremony) summed() (sum fingerprint.SHA256) {
	h := sha256.New()
	_ = c.WriteSchedule(h) // a hash refuses nothing
	h.Sum(sum[:0])
	return sum
}

// Line is an entry as schedule.txt has it, without the newline.
func (c *Ceremony) Line(e Entry) string {
	fields := []string{fmt.Sprintf("%04d", e.N), string(e.Kind)}
	put := func(key, value string) { fields = append(fields, key+"="+value) }
	if e.Kind != ExternalCertificate {
		put("signer", quote(e.Signer))
	}
	put("name", quote(e.Name))
	switch e.Kind {
	case BundleSignature:
		if o := c.Requests[e.Node]; o != nil {
			put("request", "sha256:"+o.Fingerprint.String())
			put("vouched", string(c.Vouched[e.Node]))
			if kept := c.CarriedNames(e.Node); len(kept) > 0 {
				put("carried", strings.Join(kept, ","))
			}
		} else {
			put("recipient", c.Recipient(e.Node))
		}
		if trusted := c.Plan.Trusted(); len(trusted) > 0 {
			put("trusts", strings.Join(trusted, ","))
		}
		if successor := c.successor(); successor != "" {
			put("successor", successor)
		}
	case CRLSignature:
		put("number", e.Number.String())
		if len(e.Revoked) > 0 {
			put("revoked", strings.Join(revokedTexts(e.Revoked), ","))
		}
		put("duration", plan.Hours(e.Duration))
	case GrantSignature:
		c.grantFields(put)
	case TranscriptSignature:
	default:
		c.certificateFields(e, put)
	}
	if e.Kind != ExternalCertificate {
		put("sig", e.SignatureAlgorithm.String())
	}
	return strings.Join(fields, " ")
}

// revokedTexts writes SERIAL:REASON for each.
func revokedTexts(list []Revoked) []string {
	texts := make([]string, len(list))
	for i, r := range list {
		texts[i] = r.Serial.Text(16) + ":" + string(r.Reason)
	}
	return texts
}

func (c *Ceremony) certificateFields(e Entry, put func(key, value string)) {
	subject := pkix.Name{CommonName: e.CommonName, Organization: e.Organization}
	put("subject", strconv.Quote(subject.String()))
	if len(e.DNSNames) > 0 {
		put("dns", strings.Join(e.DNSNames, ","))
	}
	if len(e.IPAddresses) > 0 {
		ips := make([]string, len(e.IPAddresses))
		for i, ip := range e.IPAddresses {
			ips[i] = ip.String()
		}
		put("ip", strings.Join(ips, ","))
	}
	put("usage", strings.Join(Usages(e), ","))
	put("ca", strconv.FormatBool(e.IsCA))
	if e.IsCA {
		put("pathlen", strconv.Itoa(e.MaxPathLen))
	}
	switch e.Kind {
	case RequestSignature: // how long its certificate is valid, others say
	case ExternalCertificate:
		put("least", plan.Hours(e.Least))
		put("most", plan.Hours(e.Duration))
	default:
		put("duration", plan.Hours(e.Duration))
	}
	switch {
	case e.Made != "":
		put("key", "new:"+string(e.Made))
	case e.SubjectKey != "":
		put("key", "new:"+string(c.Algorithm(e.SubjectKey)))
	default:
		put("key", "sha256:"+e.SPKI.String())
	}
}

// quote puts a value with spaces or quotes in it into quotes.
func quote(s string) string {
	if s == "" || strings.ContainsAny(s, " \"\\=") {
		return strconv.Quote(s)
	}
	return s
}

var usageNames = []struct {
	usage x509.KeyUsage
	name  string
}{
	{x509.KeyUsageDigitalSignature, "digitalSignature"},
	{x509.KeyUsageContentCommitment, "contentCommitment"},
	{x509.KeyUsageKeyEncipherment, "keyEncipherment"},
	{x509.KeyUsageDataEncipherment, "dataEncipherment"},
	{x509.KeyUsageKeyAgreement, "keyAgreement"},
	{x509.KeyUsageCertSign, "keyCertSign"},
	{x509.KeyUsageCRLSign, "cRLSign"},
	{x509.KeyUsageEncipherOnly, "encipherOnly"},
	{x509.KeyUsageDecipherOnly, "decipherOnly"},
}

// Usages names an entry's key usages and extended key usages as RFC 5280 does.
func Usages(e Entry) []string {
	var out []string
	for _, u := range usageNames {
		if e.KeyUsage&u.usage != 0 {
			out = append(out, u.name)
		}
	}
	for _, u := range e.ExtKeyUsage {
		switch u {
		case x509.ExtKeyUsageServerAuth:
			out = append(out, "serverAuth")
		case x509.ExtKeyUsageClientAuth:
			out = append(out, "clientAuth")
		default:
			out = append(out, fmt.Sprintf("extKeyUsage-%d", u))
		}
	}
	return out
}

// Listing is what `sha256sum` prints for plan, inputs and schedule, sorted
// bytewise: a line "HEX  PATH" each. Its SHA-256 is the digest.
func (c *Ceremony) Listing() []byte {
	lines := []string{fmt.Sprintf("%s  %s\n", c.scheduleSum, ScheduleFile)}
	for path, sum := range c.Sums {
		lines = append(lines, fmt.Sprintf("%s  %s\n", sum, path))
	}
	slices.Sort(lines)
	return []byte(strings.Join(lines, ""))
}
