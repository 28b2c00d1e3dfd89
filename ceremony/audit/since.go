package audit

import "time"

// since is when programs began to ask what TestWrittenBefore's records could not
// know of: that a key which exists is continued by the people of the ceremony that
// had it last, that what is revoked vouches for nothing, that no extra certificate
// has another's names. A record that begins before is judged by what was asked then:
// what it does not show is told as unchecked. Nobody gains by an earlier date in a
// chain whose last ceremony ended later.
var since = time.Date(2026, time.November, 29, 18, 0, 0, 0, time.UTC)

// requires tells of a finding by a rule that came with since.
func (a *view) requires(c *Check, format string, args ...any) {
	if a.t.Lines[0].Time.Before(since) {
		c.unchecked(format, args...)
		return
	}
	c.problem(format, args...)
}
