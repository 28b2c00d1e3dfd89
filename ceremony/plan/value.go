package plan

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Year is what plans call one: 365 days.
const Year = 365 * day

const (
	day = 24 * time.Hour
	// MaxValidity keeps NotAfter far from the four-digit year RFC 5280 allows.
	maxValidity = 100 * Year
	minValidity = time.Hour
)

var longUnits = regexp.MustCompile(`^([0-9]{1,6})([dy])$`)

// UnmarshalText reads "1y" (365 days), "90d", or a Go duration of whole
// seconds ("8760h"); from one hour to 100 years.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := parseDuration(string(text))
	if err != nil {
		return err
	}
	if v < minValidity || v > maxValidity {
		return fmt.Errorf("%s is not between 1h and 100y", text)
	}
	if v%time.Second != 0 {
		return fmt.Errorf("%s is not in whole seconds", text)
	}
	*d = Duration(v)
	return nil
}

// Life is how long a certificate of the online signer's may be valid: a Duration that
// begins at one minute, as grants have it.
type Life Duration

const (
	minLife = time.Minute
	maxLife = 366 * day
)

// UnmarshalText reads what Duration's does, from one minute to 366 days.
func (l *Life) UnmarshalText(text []byte) error {
	v, err := parseDuration(string(text))
	switch {
	case err != nil:
		return err
	case v < minLife || v > maxLife:
		return fmt.Errorf("%s is not between 1m and 366d", text)
	case v%time.Second != 0:
		return fmt.Errorf("%s is not in whole seconds", text)
	}
	*l = Life(v)
	return nil
}

// MarshalText writes the largest unit that fits.
func (l Life) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

func (l Life) String() string { return Duration(l).String() }

// timeLayout is RFC 3339 in UTC, so that a moment has one spelling.
const timeLayout = "2006-01-02T15:04:05Z"

// UnmarshalText reads "2026-12-01T09:00:00Z".
func (t *Time) UnmarshalText(text []byte) error {
	at, err := time.Parse(timeLayout, string(text))
	if err != nil {
		return fmt.Errorf("%q is not a time in UTC, such as 2026-12-01T09:00:00Z", text)
	}
	t.Time = at
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

func (t Time) String() string { return t.UTC().Format(timeLayout) }

func parseDuration(s string) (time.Duration, error) {
	if m := longUnits.FindStringSubmatch(s); m != nil {
		n, err := strconv.Atoi(m[1])
		unit := day
		if m[2] == "y" {
			unit = Year
		}
		if err != nil || n > int(2*maxValidity/unit) {
			return 0, fmt.Errorf("%s is too long", s)
		}
		return time.Duration(n) * unit, nil
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf(`%q is not a duration: write "1y" (365 days), "90d" or "8760h"`, s)
	}
	return v, nil
}

// MarshalText writes the largest unit that fits.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d Duration) String() string {
	v := time.Duration(d)
	switch {
	case v != 0 && v%Year == 0:
		return fmt.Sprintf("%dy", v/Year)
	case v != 0 && v%day == 0:
		return fmt.Sprintf("%dd", v/day)
	}
	return Hours(v)
}

// Hours writes a duration of whole seconds in one unit, so that it has one spelling.
func Hours(v time.Duration) string {
	switch {
	case v%time.Hour == 0:
		return fmt.Sprintf("%dh", v/time.Hour)
	case v%time.Minute == 0:
		return fmt.Sprintf("%dm", v/time.Minute)
	}
	return fmt.Sprintf("%ds", v/time.Second)
}

// decodeNode reads "none" or a list of predecessors.
func (p *Previous) decodeNode(d decoder, n ast.Node, what string) {
	p.Given = true
	if s, ok := n.(*ast.StringNode); ok && s.Value == "none" {
		return
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		var only struct {
			Lost *Lost `yaml:"lost"`
		}
		d.structure(n, reflect.ValueOf(&only).Elem(), what)
		p.Lost = only.Lost
		return
	}
	l, ok := n.(*ast.SequenceNode)
	if !ok || len(l.Values) == 0 {
		d.refuseNode(n, `%s is "none", a list of ceremonies, or lost with sequence and reason`, what)
		return
	}
	d.list(l, reflect.ValueOf(&p.Ceremonies).Elem(), what)
}
