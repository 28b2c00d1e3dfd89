package chain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"officiant/bundle/fingerprint"
)

// Layout always has three decimals, so that a time has one spelling.
const Layout = "2006-01-02T15:04:05.000Z"

// Type says what a line records.
type Type string

// Record is the body ("data") of one line. Its type has a field for each JSON field, in
// the order in which they are written.
type Record interface{ Type() Type }

// Line is one line, whatever its record is about.
type Line struct {
	Seq    int // from 1
	Time   time.Time
	Step   int
	Prev   fingerprint.SHA256
	Record Record             // by value
	Hash   fingerprint.SHA256 // of the line's bytes with its newline
}

// Records are the records of one format, by type.
type Records map[Type]reflect.Type

// Of lists the records of a format by a value of each.
func Of(recs ...Record) Records {
	m := make(Records, len(recs))
	for _, r := range recs {
		m[r.Type()] = reflect.TypeOf(r)
	}
	return m
}

// wire is a line as it is written; Data stays as it stands.
type wire struct {
	Seq  int             `json:"seq"`
	Time string          `json:"time"`
	Step int             `json:"step"`
	Type Type            `json:"type"`
	Prev string          `json:"prev"`
	Data json.RawMessage `json:"data"`
}

// Encode returns the one spelling of a line, with its newline. It ignores Hash.
func Encode(l Line) ([]byte, error) {
	var data bytes.Buffer
	enc := json.NewEncoder(&data)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(filled(l.Record)); err != nil { // ends with a newline
		return nil, fmt.Errorf("%s record: %w", l.Record.Type(), err)
	}
	// json writes invalid UTF-8 so, and a line must hold what its writer meant.
	if bytes.Contains(data.Bytes(), []byte(`\ufffd`)) {
		return nil, fmt.Errorf("%s record: text is not UTF-8", l.Record.Type())
	}
	b := make([]byte, 0, data.Len()+180)
	b = append(b, `{"seq":`...)
	b = strconv.AppendInt(b, int64(l.Seq), 10)
	b = append(b, `,"time":"`...)
	b = l.Time.UTC().AppendFormat(b, Layout)
	b = append(b, `","step":`...)
	b = strconv.AppendInt(b, int64(l.Step), 10)
	b = append(b, `,"type":"`...)
	b = append(b, l.Record.Type()...)
	b = append(b, `","prev":"`...)
	b = append(b, l.Prev.String()...)
	b = append(b, `","data":`...)
	b = append(b, data.Bytes()[:data.Len()-1]...)
	return append(b, '}', '\n'), nil
}

// Decode reads one line, without its newline, and refuses every spelling but
// Encode's. It sets Hash; it does not know the lines before.
func (records Records) Decode(raw []byte) (Line, error) {
	w, err := envelope(raw)
	if err != nil {
		return Line{}, err
	}
	t, ok := records[w.Type]
	if !ok {
		return Line{}, fmt.Errorf("unknown type %q", w.Type)
	}
	l := Line{Seq: w.Seq, Step: w.Step}
	if l.Time, err = time.Parse(Layout, w.Time); err != nil {
		return Line{}, fmt.Errorf("time %q is not UTC with three decimals", w.Time)
	}
	if err := l.Prev.UnmarshalText([]byte(w.Prev)); err != nil {
		return Line{}, fmt.Errorf("prev: %w", err)
	}
	if len(w.Data) == 0 {
		return Line{}, errors.New("data is missing")
	}
	rec := reflect.New(t)
	if err := json.Unmarshal(w.Data, rec.Interface()); err != nil {
		return Line{}, fmt.Errorf("%s record: %w", w.Type, err)
	}
	l.Record = rec.Elem().Interface().(Record)
	again, err := Encode(l)
	if err != nil {
		return Line{}, err
	}
	if body := again[:len(again)-1]; !bytes.Equal(body, raw) {
		if err := strict(w.Data, rec.Interface()); err != nil { // a field that is not known was left out
			return Line{}, fmt.Errorf("%s record: %w", w.Type, err)
		}
		return Line{}, fmt.Errorf("not in canonical form from byte %d on", differ(body, raw)+1)
	}
	l.Hash = fingerprint.Of(again)
	return l, nil
}

// envelope takes a line apart. One that stands in its one spelling, as far as
// can be seen, is cut where that has its quotes and commas; JSON's own reader
// takes twice as long. Decode holds it against the spelling byte for byte.
func envelope(raw []byte) (wire, error) {
	rest, whole := raw, true
	field := func(begin, end string) string {
		after, begun := bytes.CutPrefix(rest, []byte(begin))
		value, after, ended := bytes.Cut(after, []byte(end))
		rest, whole = after, whole && begun && ended
		return string(value)
	}
	seq, at := field(`{"seq":`, `,`), field(`"time":"`, `",`)
	step, kind, prev := field(`"step":`, `,`), field(`"type":"`, `",`), field(`"prev":"`, `",`)
	data, begun := bytes.CutPrefix(rest, []byte(`"data":`))
	data, ended := bytes.CutSuffix(data, []byte("}"))
	w := wire{Time: at, Type: Type(kind), Prev: prev, Data: data}
	var seqErr, stepErr error
	w.Seq, seqErr = strconv.Atoi(seq)
	w.Step, stepErr = strconv.Atoi(step)
	if whole && begun && ended && seqErr == nil && stepErr == nil {
		return w, nil
	}
	return w, strict(raw, &w)
}

// strict decodes one JSON value, the whole of raw, and refuses unknown fields.
func strict(raw []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("not a line of a transcript: %w", err)
	}
	if dec.InputOffset() != int64(len(raw)) {
		return errors.New("not a line of a transcript: text after the object")
	}
	return nil
}

// differ returns where a and b differ first.
func differ(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// filled returns a copy of rec whose nil lists and maps are empty ones, so that
// they have one spelling. Optional fields (omitempty) stay out either way.
func filled(rec Record) any {
	v := reflect.New(reflect.TypeOf(rec)).Elem()
	v.Set(reflect.ValueOf(rec))
	fill(v)
	return v.Interface()
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		if v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
	case reflect.Map:
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
	}
}
