package output

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// toYAML spells JSON as YAML: the order of fields stays, texts stay texts. What a
// terminal would act on is escaped, which a YAML library leaves as it is.
func toYAML(text []byte) ([]byte, error) {
	s := &speller{d: json.NewDecoder(bytes.NewReader(text))}
	s.d.UseNumber()
	if err := s.value(0, ""); err != nil {
		return nil, err
	}
	return s.out.Bytes(), nil
}

type speller struct {
	d   *json.Decoder
	out bytes.Buffer
}

// value spells the next value behind what parts it from its key or dash.
func (s *speller) value(depth int, behind string) error {
	t, err := s.d.Token()
	if err != nil {
		return err
	}
	switch t := t.(type) {
	case json.Delim:
		return s.several(t, depth, behind)
	case string:
		s.out.WriteString(behind + scalar(t))
	case json.Number:
		s.out.WriteString(behind + t.String())
	case bool:
		s.out.WriteString(behind + strconv.FormatBool(t))
	default:
		s.out.WriteString(behind + "null")
	}
	s.out.WriteByte('\n')
	return nil
}

// several spells an object or a list, each of its parts on lines of its own.
func (s *speller) several(kind json.Delim, depth int, behind string) error {
	if !s.d.More() {
		s.out.WriteString(behind + kind.String() + map[json.Delim]string{'{': "}", '[': "]"}[kind] + "\n")
		_, err := s.d.Token()
		return err
	}
	indent := strings.Repeat("  ", depth)
	switch behind {
	case " ": // of a key
		s.out.WriteByte('\n')
	case "- ": // the first part stands behind the dash
		s.out.WriteString(behind)
	}
	for first := true; s.d.More(); first = false {
		if !first || behind != "- " {
			s.out.WriteString(indent)
		}
		if kind == '[' {
			if err := s.value(depth+1, "- "); err != nil {
				return err
			}
			continue
		}
		key, err := s.d.Token()
		if err != nil {
			return err
		}
		s.out.WriteString(scalar(key.(string)) + ":")
		if err := s.value(depth+1, " "); err != nil {
			return err
		}
	}
	_, err := s.d.Token()
	return err
}

var (
	plain    = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9 ._/=,+@-]*[A-Za-z0-9])?$`)
	reserved = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
)

// scalar spells a text: in quotes, unless no reader could take it for anything else.
func scalar(text string) string {
	if plain.MatchString(text) && !slices.Contains(reserved, strings.ToLower(text)) {
		return text
	}
	return strconv.Quote(text) // its escapes are YAML's
}
