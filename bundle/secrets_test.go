package bundle

import "testing"

// TestAgeIdentity finds the label in any case and place, by what ToUpper makes of it.
func TestAgeIdentity(t *testing.T) {
	for text, want := range map[string]bool{
		"AGE-SECRET-KEY-1QQ":          true,
		"# x\nage-secret-key-1qq":     true,
		"Age-Secret-Key-":             true,
		"AGE-AGE-SECRET-KEY-1":        true,
		"-----AGE-SECRET-KEY-":        true,
		"age-\u017fecret-key-1":       true, // a long s is an S in upper case
		"AGE-SECRET-KEY":              false,
		"AGE-AGE-SECRET":              false,
		"GE-SECRET-KEY-1":             false,
		"-":                           false,
		"":                            false,
		"age-encryption.org/v1 -> X2": false,
	} {
		if ageIdentity([]byte(text)) != want {
			t.Errorf("%q: not %t", text, want)
		}
	}
}
