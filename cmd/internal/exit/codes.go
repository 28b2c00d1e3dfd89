package exit

// Code is an exit code and what it means.
type Code struct {
	Code    int
	Meaning string
}

// Codes are all exit codes of both programs, as docs/exit-codes.md and the manual
// pages have them.
func Codes() []Code {
	return []Code{
		{Done, "done"},
		{Failure, "failure: disk, permissions, a bug"},
		{Usage, "usage: a wrong flag or argument"},
		{Refused, "plan, lint, request or room refused"},
		{Unverified, "verification failed, or origin not established"},
		{Unavailable, "token or KMS unavailable, or PIN not accepted"},
		{Declined, "declined at the prompt"},
		{Expiring, "something expires within the asked limit, or a node lags"},
		{Awaiting, "waiting for certificates that an external root signs"},
		{NothingDue, "nothing is due for renewal, no plan was written"},
		{Abandoned, "the ceremony was abandoned by its people"},
		{Interrupted, "interrupted"},
	}
}
