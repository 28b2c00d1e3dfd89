package ceremony

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/schedule"
)

// A cluster's chain has one end. Which ceremony continued which, the records say, and a
// plan names only those it was made from: one that was left out by mistake would fork the
// chain. So the machine keeps, for the head of each ceremony that was continued on it, by
// which: a file with that one's name, its digest, and the head of its record.

// Continued refuses a plan whose cluster's last ceremony was continued on this machine
// already, by a ceremony of another plan that finished. folder is where the machine keeps
// that; "" for a machine that keeps nothing.
func Continued(folder string, c *schedule.Ceremony) error { return continued(folder, c, false) }

// continued is Continued; a plan that is to begin, and not to be looked at, is refused
// where it was carried out itself.
func continued(folder string, c *schedule.Ceremony, begins bool) error {
	before, ok := ownPredecessor(c)
	if folder == "" || !ok {
		return nil
	}
	file := filepath.Join(folder, before.String())
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	by := strings.Fields(string(data))
	if len(by) != 3 || !begins && by[1] == c.Digest.String() { // a power cut left it empty, or it is this plan
		return nil
	}
	name, head := by[0], by[2]
	return &Refused{[]string{fmt.Sprintf("on this machine, ceremony %s already continued the same ceremony of "+
		"cluster %s"+
		"; its record ends with %s. A chain has one end: make the plan from the directory of %s, or from the "+
		"folder that holds all ceremonies. If %s is to count for nothing, remove %s", name, c.Cluster.Name, head, name,
		name, file)}}
}

// ownPredecessor is the head of the cluster's own ceremony that a plan continues.
func ownPredecessor(c *schedule.Ceremony) (head fingerprint.SHA256, ok bool) {
	for _, p := range c.Plan.Previous.Ceremonies {
		if p.Cluster == c.Cluster.Name {
			return p.Head, true
		}
	}
	return head, false
}

// continuation is what a finished ceremony leaves on its machine.
type continuation struct {
	before fingerprint.SHA256 // the head of the ceremony it continued
	text   string
}

// continuation is nil for a ceremony of which nothing is kept.
func (r *run) continuation() *continuation {
	before, ok := ownPredecessor(r.plan)
	if !ok || r.rehearsal || r.Heads.Continued == "" {
		return nil
	}
	return &continuation{before, fmt.Sprintf("%s\n%s\n%s\n", r.plan.Plan.Name, r.plan.Digest, r.progress.Head())}
}

// keep writes a continuation. That it cannot is no reason to call a finished ceremony
// unfinished.
func (r *run) keep(c *continuation) {
	if c == nil {
		return
	}
	if err := rememberIn(r.Heads.Continued, c.before.String(), []byte(c.text)); err != nil {
		r.observer.Say(fmt.Sprintf("this machine does not remember which ceremony was continued: %v", err))
	}
}
