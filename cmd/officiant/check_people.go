package main

import (
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"

	"officiant/bundle/fingerprint"
	"officiant/bundle/sshsig"
	"officiant/ceremony/approval"
	"officiant/ceremony/schedule"
)

// checkedPeople is who has to approve. Its JSON is a promise to scripts.
type checkedPeople struct {
	Fingerprint *fingerprint.SHA256 `json:"fingerprint,omitempty"` // absent: the plan names nobody
	People      []checkedPerson     `json:"people"`
	Approvals   []checkedProgress   `json:"approvals"` // empty: nobody has to approve
	Rejected    []string            `json:"rejected"`
	Approved    bool                `json:"approved"` // enough for a run
}

type checkedPerson struct {
	Name string `json:"name"`
	Role string `json:"role"`
	Key  string `json:"key"` // SSH fingerprint
}

type checkedProgress struct {
	Of      string   `json:"of"` // "the plan", "ceremony 1 of demo"
	Needed  int      `json:"needed"`
	By      []string `json:"by"`
	Missing []string `json:"missing"`
}

// people counts the approvals of the digest.
func (r *checked) people(c *schedule.Ceremony) error {
	verdict, err := judge(c)
	if err != nil {
		return err
	}
	out := &checkedPeople{People: []checkedPerson{}, Approvals: []checkedProgress{}, Rejected: []string{},
		Approved: verdict.Enough()}
	if !c.People.Nobody() {
		sum := c.People.Fingerprint()
		out.Fingerprint = &sum
	}
	for _, p := range c.People.List {
		key, err := sshsig.ParseKey(p.Key)
		if err != nil {
			return err
		}
		out.People = append(out.People, checkedPerson{p.Name, p.Role, ssh.FingerprintSHA256(key)})
	}
	for _, t := range verdict.Progress {
		out.Approvals = append(out.Approvals, checkedProgress{t.Whose, t.People.Threshold,
			append([]string{}, t.Approved...), append([]string{}, t.Missing...)})
	}
	for _, bad := range verdict.Rejected {
		out.Rejected = append(out.Rejected, bad.String())
	}
	r.People, r.verdict = out, verdict
	return nil
}

func (p *checkedPeople) write(w io.Writer, v *approval.Verdict) {
	if len(v.Progress) == 0 {
		fmt.Fprintf(w, "people    the plan names none: nobody has to approve it\n")
	}
	if p.Fingerprint != nil {
		fmt.Fprintf(w, "people    %s\n%s", p.Fingerprint, indentLines(p.Fingerprint.Lines()))
		for _, one := range p.People {
			fmt.Fprintf(w, "  %s, %s, %s\n", one.Name, one.Role, one.Key)
		}
	}
	for _, t := range v.Progress {
		fmt.Fprintf(w, "approved  %s\n", t)
	}
	for _, bad := range p.Rejected {
		fmt.Fprintf(w, "          %s\n", bad)
	}
}
