package schedule

import (
	"errors"
	"fmt"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
)

// provenIn are the files of requests that were proven when these plans were read.
func provenIn(plans []*Ceremony) map[fingerprint.SHA256]bool {
	files := map[fingerprint.SHA256]bool{}
	for _, c := range plans {
		for _, n := range c.Plan.Nodes {
			if c.Requests[n.Name] != nil && !c.unproven[n.Name] {
				files[c.Sums[n.Request]] = true
			}
		}
	}
	return files
}

// postponed says whether a node's request is for Prove. What secrets are sealed to is
// always proven when the plan is read.
func (b *requestPass) postponed(i int) bool {
	in := b.p.Nodes[i]
	return b.later && !b.nodes.list[i].Has(kubepki.ControlPlane) && b.opened[in.Name] == nil &&
		!b.proven[b.files.sums[in.Request]]
}

// parser reads a node's request, and proves it unless that was done, or is for Prove.
func (b *requestPass) parser(i int) func(file string, data []byte) (*request.Opened, error) {
	if b.proven[b.files.sums[b.p.Nodes[i].Request]] || b.postponed(i) {
		return request.Unpack
	}
	return request.Parse
}

// Prove verifies the signatures in requests that Options.Later has left, those of some
// nodes. Each file is read again, and compared with its digest. The error joins what is
// wrong with each; its nodes stay without public keys.
func Prove(c *Ceremony, of func(node string) bool) error {
	var errs []error
	for some := range slices.Chunk(c.Plan.Nodes, atOnce) {
		failed := make([]error, len(some))
		parallel(len(some), func(k int) {
			if n := some[k]; c.unproven[n.Name] && of(n.Name) {
				failed[k] = prove(c, n.Request)
			}
		})
		for k, n := range some {
			switch {
			case failed[k] != nil:
				errs = append(errs, failed[k])
			case of(n.Name):
				delete(c.unproven, n.Name)
			}
		}
	}
	return errors.Join(errs...)
}

func prove(c *Ceremony, file string) error {
	data, err := c.Input(file)
	if err == nil {
		_, err = request.Parse(file, data)
	}
	return err
}

// notProven is an error when the signatures in a node's request were not verified.
func notProven(c *Ceremony, node string) error {
	if c.unproven[node] {
		return fmt.Errorf("the request of node %s was not proven: nothing shows that the node has its keys", node)
	}
	return nil
}
