package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/ceremony"
	"officiant/ceremony/receipt"
	"officiant/ceremony/schedule"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
)

// maxReceived is more than any certificate with its chain has.
const maxReceived = 1 << 20

// readReceived reads the certificates that came back from an external root, by
// authority; nil when none are given. What stands in files of other names, or in the one
// file that is given, is told by its keys.
func (o *runOptions) readReceived(ctx context.Context, c *schedule.Ceremony) (map[string][]byte, error) {
	if o.received == "" {
		return nil, nil
	}
	awaited := c.Awaited()
	if len(awaited) == 0 {
		return nil, exit.Usagef("--certificates: this plan waits for no certificate of an external root")
	}
	in, err := receivedIn(o.received)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, e := range awaited {
		own := in.take(e.Name)
		if len(own) == 0 {
			continue // which are missing is said with what is wrong with the others
		}
		if out[e.Name], err = own.read(ctx); err != nil {
			return nil, err
		}
	}
	if len(out) == len(awaited) {
		return out, nil
	}
	others, problem, err := in.others(ctx)
	switch {
	case err != nil:
		return nil, err
	case len(others) > 0:
		out[receipt.Others] = others
	case len(out) == 0 && problem != nil:
		return nil, &exit.Error{Code: exit.Refused, Err: problem}
	case len(out) == 0:
		return nil,
			exit.Usagef("--certificates: %s holds none of %s, nor a certificate under another name (%s)",
				o.received,
				strings.Join(backNames(awaited), ", "), strings.Join(endings, ", "))
	}
	return out, nil
}

func readOne(ctx context.Context, file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxReceived {
		return nil, &exit.Error{
			Code: exit.Refused,
			Err:  fmt.Errorf("%s: not a file of at most %d KiB", file, maxReceived>>10),
		}
	}
	return infile.ReadFile(ctx, file, maxReceived)
}

// endings are the ends of names that companies give to certificates, in any case. What
// is in a file is told by its content.
var endings = []string{".crt", ".pem", ".cer", ".der", ".p7b", ".p7c", ".p7", ".txt", ".p12", ".pfx"}

// maxOthers bounds how many files of other names are looked into.
const maxOthers = 64

// received are the files that came back, by path.
type received []string

// receivedIn lists the files of a folder whose names end as certificates' do; or the one
// file that is given.
func receivedIn(place string) (received, error) {
	info, err := os.Stat(place)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return received{place}, nil
	}
	list, err := os.ReadDir(place)
	if err != nil {
		return nil, err
	}
	var in received
	for _, e := range list {
		if slices.Contains(endings, strings.ToLower(filepath.Ext(e.Name()))) && !strings.HasPrefix(e.Name(), ".") {
			in = append(in, filepath.Join(place, e.Name()))
		}
	}
	return in, nil
}

// take finds the files of an authority's name, and takes them off the list: portals give a
// certificate as .crt, and again as .p7b with the CAs above it.
func (in *received) take(authority string) (own received) {
	named := func(at string) bool {
		return strings.EqualFold(strings.TrimSuffix(filepath.Base(at), filepath.Ext(at)), authority)
	}
	for _, at := range *in {
		if named(at) {
			own = append(own, at)
		}
	}
	*in = slices.DeleteFunc(*in, named)
	return own
}

// read is what the files of one name have: one as it is, of several their certificates.
func (in received) read(ctx context.Context) ([]byte, error) {
	if len(in) == 1 {
		return readOne(ctx, in[0])
	}
	all, problem, err := in.certificates(ctx)
	if err == nil && len(all) == 0 {
		err = &exit.Error{Code: exit.Refused, Err: problem}
	}
	return all, err
}

// others are the certificates of all files that are left.
func (in received) others(ctx context.Context) (all []byte, problem, err error) {
	if len(in) > maxOthers {
		return nil, nil, exit.Usagef("--certificates: there are %d files, and at most %d are searched for "+
			"certificates by key", len(in), maxOthers)
	}
	return in.certificates(ctx)
}

// certificates are those of all files, in PEM. problem is why the first file that has none
// has none.
func (in received) certificates(ctx context.Context) (all []byte, problem, err error) {
	for _, file := range in {
		data, err := readOne(ctx, file)
		if err != nil {
			return nil, nil, err
		}
		list, err := schedule.ParseCertificates(data)
		if err != nil && problem == nil {
			problem = fmt.Errorf("%s: %w", file, err)
		}
		for _, c := range list {
			all = append(all, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
		}
	}
	return all, problem, nil
}

func backNames(awaited []schedule.Entry) []string {
	var names []string
	for _, e := range awaited {
		names = append(names, e.Name+".crt")
	}
	return names
}

// awaiting says what to take where, what to bring back, and how to go on.
func (o *runOptions) awaiting(wait *ceremony.Awaiting, planFile string) error {
	hints := []string{"take these to the root, to be signed as the schedule says (docs/external-root.md shows how):"}
	for _, file := range wait.Requests {
		hints = append(hints, "  "+file)
	}
	hints = append(hints,
		fmt.Sprintf("they must chain up to root %s, SHA-256 %s", wait.Root.Subject,
			fingerprint.Of(wait.Root.Raw)),
		"bring back, each with the CAs between it and the root (PEM, DER or .p7b): "+strings.Join(wait.Back, ", "),
		"the record ends at "+wait.Head.String(), "  "+strings.Join(wait.Head.Words()[:8], " ")+" …",
		"to continue: "+o.again(planFile, &wait.Head)+" --certificates DIR")
	return &exit.Error{Code: exit.Awaiting, Err: wait, Hints: hints}
}
