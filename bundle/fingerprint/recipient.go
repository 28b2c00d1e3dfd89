package fingerprint

import "strings"

// shownRecipient is how much of a long recipient people are shown.
const shownRecipient = 20

// Recipient shows an age recipient on one line, without spaces. A hybrid one has 2,000
// characters, of which the first identify it.
func Recipient(r string) string {
	var parts []string
	for part := range strings.FieldsSeq(r) {
		if len(part) > 100 && strings.HasPrefix(part, "age1") {
			part = part[:shownRecipient] + "…"
		}
		parts = append(parts, part)
	}
	if strings.HasPrefix(r, "age1") {
		return strings.Join(parts, "+")
	}
	return strings.Join(parts, " ")
}

// Recipients is Recipient for each of them.
func Recipients(list []string) (out []string) {
	for _, r := range list {
		out = append(out, Recipient(r))
	}
	return out
}
