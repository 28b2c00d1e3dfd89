package install

import (
	"errors"
	"fmt"
)

// Damaged says that a file of the state directory is not what this package writes,
// and what to do.
type Damaged struct {
	Path   string
	Reason error
	WayOn  string // what a person does; empty when nothing has to be done
}

func (d *Damaged) Error() string { return fmt.Sprintf("%s is damaged: %v", d.Path, d.Reason) }

func (d *Damaged) Unwrap() error { return d.Reason }

// wayOn is what to do about a file that is damaged. Those that are not in it can be
// done without: the next install writes them anew.
var wayOn = map[string]string{
	pinsFile: "without it this node does not know which root and release key it pinned, nor the newest bundle " +
		"it has seen: move it away, compare both keys again, and install the newest bundle, with the least " +
		"sequence it may have",
	journalFile: "it says what an interrupted operation had still to do: " +
		"move it away and install the newest bundle again, which puts every file right",
	previousFile: "what was in place before the last install cannot be brought back; " +
		"the bundle that is wanted can be installed if it is the newest this node has seen",
}

// lost says whether an error is about a file that can be done without.
func lost(err error) bool {
	var d *Damaged
	return errors.As(err, &d) && d.WayOn == ""
}
