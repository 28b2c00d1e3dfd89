package comparison

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
)

// MarshalJSON writes an entry with the fields of its line, in their order: lists as
// lists, ca as a truth, pathlen as a number, all else as text; then the line itself.
func (e Entry) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`{"n":` + strconv.Itoa(e.N))
	put := func(key string, value any) error {
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		err := enc.Encode(value)
		b.WriteString(`,"` + key + `":`)
		b.Write(bytes.TrimSpace(text.Bytes()))
		return err
	}
	if err := put("kind", e.Kind); err != nil {
		return nil, err
	}
	if err := put("name", e.Name); err != nil {
		return nil, err
	}
	for _, f := range e.Fields {
		if err := put(f.Key, typed(f)); err != nil {
			return nil, err
		}
	}
	err := put("line", e.Line)
	b.WriteByte('}')
	return b.Bytes(), err
}

func typed(f Field) any {
	switch {
	case slices.Contains(lists, f.Key):
		return split(f.Value)
	case f.Key == "ca":
		return f.Value == "true"
	case f.Key == "pathlen":
		return json.RawMessage(f.Value)
	}
	return f.Value
}
