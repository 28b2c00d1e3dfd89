package main

import (
	"fmt"
	"strings"
	"time"

	"officiant/ceremony/schedule"
)

// lists says how many revocation lists an authority signs; empty for none.
func lists(c *schedule.Ceremony, authority string) string {
	for e := range c.All() {
		if e.Kind == schedule.CRLSignature && e.Signer == authority {
			return "signs its revocation list"
		}
	}
	return ""
}

// listContent is what a revocation list would say, on one line: what is new first.
func listContent(e schedule.Entry) string {
	var fresh, former []string
	for _, r := range e.Revoked {
		text := r.Serial.Text(16) + " " + string(r.Reason)
		if r.Date.IsZero() {
			fresh = append(fresh, text)
		} else {
			former = append(former, text+" since "+r.Date.UTC().Format(time.DateOnly))
		}
	}
	parts := []string{fmt.Sprintf("number %d", e.Number)}
	if len(e.Revoked) == 0 {
		parts = append(parts, "revokes nothing")
	}
	if len(fresh) > 0 {
		parts = append(parts, "revokes "+strings.Join(fresh, ", "))
	}
	if len(former) > 0 {
		parts = append(parts, "as before "+strings.Join(former, ", "))
	}
	return strings.Join(parts, "; ")
}
