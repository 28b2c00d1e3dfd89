package main

import (
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/bundle/seal"
	"officiant/cmd/internal/exit"
)

// standing reads what a node has that is adopted with its cluster; nil without
// --adopt. It takes the keys that are in use, as --reuse-keys does.
func (r *requestOptions) standing(state *install.State, f *facts, in *request.Folder) (*install.Standing, error) {
	if !r.adopt {
		return nil, nil
	}
	pins, err := state.Pins()
	if err != nil {
		return nil, err
	}
	if pins != nil {
		return nil, &exit.Error{Code: exit.Refused,
			Err: fmt.Errorf("--adopt: a bundle of cluster %s is installed on this node already; "+
				"only a node that has none is adopted", pins.Cluster),
			Hints: []string{"for a later stage or a renewal: officiant-node request --reuse-keys"}}
	}
	s, err := r.node().Standing(f.cluster, f.node)
	if err != nil {
		return nil, &exit.Error{Code: exit.Refused, Err: err, Hints: []string{"no request was made and nothing was written"}}
	}
	in.Keys = request.Keys{}
	for name, u := range s.Leaves {
		in.Keys[name] = u.Key
	}
	return s, nil
}

// adoption is what of it goes into the request. The service-account key goes
// sealed to this very node, which gets it back in its bundle.
func adoption(s *install.Standing, recipient string) (*request.Adoption, error) {
	a := &request.Adoption{Authorities: s.Authorities, Leaves: map[string]*x509.Certificate{}, AccountPublic: s.AccountPublic}
	for name, u := range s.Leaves {
		a.Leaves[name] = u.Chain[0]
	}
	if s.AccountKey == nil {
		return a, nil
	}
	var err error
	a.AccountSealed, err = seal.Seal([]string{recipient}, s.AccountKey)
	return a, err
}

// sayAdopted tells what of the cluster's old authorities is on this node, and
// what has to become of it.
func sayAdopted(w io.Writer, a *request.Adoption, s *install.Standing, keys []string) {
	fmt.Fprintln(w, "with the installed certificates, and the authorities that signed them:")
	for _, spec := range kubepki.Authorities(kubepki.Cluster{}) {
		if c := a.Authorities[spec.Authority]; c != nil {
			fmt.Fprintf(w, "  %-12s %s, until %s\n", spec.Authority, exit.Plain(c.Subject.String()), c.NotAfter.UTC().Format("2006-01-02"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Leaves)) {
		if u := s.Leaves[name]; len(u.Lost) > 0 {
			fmt.Fprintf(w, "%s has more than kubeadm writes; the bundle's file will not have it: %s\n",
				u.File, strings.Join(u.Lost, ", "))
			fmt.Fprintln(w, "  keep a copy elsewhere if somebody needs it")
		}
	}
	if len(keys) > 0 {
		fmt.Fprintf(w, "private keys of these authorities are on this node, and were not opened: %s\n", strings.Join(keys, ", "))
		fmt.Fprintln(w, "  remove them from every node before the last stage's bundle; until then they are the way "+
			"back")
	}
}
