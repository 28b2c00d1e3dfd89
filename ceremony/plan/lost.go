package plan

import (
	"errors"
	"fmt"
	"strings"

	"officiant/bundle/visible"
)

// Said is a sentence of what is lost.
func (l *Lost) Said() string {
	return fmt.Sprintf("the chain begins anew: the records of ceremonies 1 to %d are lost, reason: %s", l.Sequence, l.Reason)
}

// MostCeremonies is more than any cluster reaches, and far below the largest
// number. Whoever claims that a node has seen more wants to prevent further ceremonies.
const MostCeremonies = 1_000_000

// CheckLostReason refuses a text that cannot be recorded as the reason why records are lost.
func CheckLostReason(reason string) error {
	_, seen := visible.Hidden(reason)
	if reason == "" || strings.TrimSpace(reason) != reason || len(reason) > 300 || !seen {
		return errors.New("the reason goes on record as one line of 1 to 300 bytes that can be seen: " +
			"say what happened to the records")
	}
	return nil
}
