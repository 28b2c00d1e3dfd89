package module

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
)

// maxFrame bounds a message: a module that writes into its own socket must not
// have the other side allocate without end.
const maxFrame = 1 << 20

// headSize is the length, the number and the kind of a message.
const headSize = 4 + 4 + 1

// Kinds of answers; the kind of a request is its function.
const (
	answerValue byte = iota // what the function returned
	answerCode              // CKR_… and the function that answered it
	answerText              // what is wrong with its answer
)

// message is one request or answer.
type message struct {
	id   uint32
	kind byte
	body []byte
}

// readMessage reads one message. The body is the caller's own.
func readMessage(r io.Reader) (message, error) {
	var head [headSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return message{}, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxFrame {
		return message{}, fmt.Errorf("a message of %d bytes", n)
	}
	m := message{id: binary.BigEndian.Uint32(head[4:]), kind: head[8], body: make([]byte, n)}
	if _, err := io.ReadFull(r, m.body); err != nil {
		return message{}, err
	}
	return m, nil
}

// frame puts a message together. It holds a copy of what it is made of.
func frame(id uint32, kind byte, body []byte) ([]byte, error) {
	if len(body) > maxFrame {
		return nil, fmt.Errorf("a message of %d bytes", len(body))
	}
	out := make([]byte, headSize, headSize+len(body))
	binary.BigEndian.PutUint32(out, uint32(len(body)))
	binary.BigEndian.PutUint32(out[4:], id)
	out[8] = kind
	return append(out, body...), nil
}

// out is the body of a message that is being put together.
type out []byte

func (o *out) number(n uint) *out {
	*o = binary.BigEndian.AppendUint64(*o, uint64(n))
	return o
}

func (o *out) bytes(b []byte) *out {
	*o = binary.BigEndian.AppendUint32(*o, uint32(len(b)))
	*o = append(*o, b...)
	return o
}

func (o *out) text(s string) *out { return o.bytes([]byte(s)) }

// in reads a body. After the first thing that does not fit, everything reads as
// zero, and end tells.
type in struct {
	rest cryptobyte.String
	bad  bool
}

func (i *in) number() (n uint) {
	var v uint64
	if i.bad || !i.rest.ReadUint64(&v) {
		i.bad = true
		return 0
	}
	return uint(v)
}

// bytes returns a part of the message and no copy.
func (i *in) bytes() []byte {
	var n uint32
	var b []byte
	if i.bad || !i.rest.ReadUint32(&n) || uint64(n) > uint64(len(i.rest)) || !i.rest.ReadBytes(&b, int(n)) {
		i.bad = true
		return nil
	}
	return b
}

func (i *in) text() string { return string(i.bytes()) }

// count reads how many things of at least size bytes follow.
func (i *in) count(size int) int {
	n := i.number()
	if i.bad || n > uint(len(i.rest)/size) {
		i.bad = true
		return 0
	}
	return int(n)
}

// end refuses what was cut off, or goes on.
func (i *in) end() error {
	if i.bad || len(i.rest) > 0 {
		return errors.New("a message that is not of its form")
	}
	return nil
}

func (o *out) numbers(all []uint) *out {
	o.number(uint(len(all)))
	for _, n := range all {
		o.number(n)
	}
	return o
}

func (i *in) numbers() []uint {
	all := make([]uint, i.count(8))
	for n := range all {
		all[n] = i.number()
	}
	return all
}
