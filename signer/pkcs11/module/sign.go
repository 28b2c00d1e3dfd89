//go:build cgo

package module

import (
	"sync/atomic"

	"github.com/miekg/pkcs11"
)

// Operation is what C_SignInit and C_Sign get.
type Operation struct {
	Key       pkcs11.ObjectHandle
	Mechanism uint
	Parameter []byte
	Data      []byte

	Login bool   // for this signature alone (CKA_ALWAYS_AUTHENTICATE), with
	PIN   []byte // nil: it is typed at the token's pad
}

// leastOperation is an operation's size on the wire when its texts are empty: three
// numbers, and the lengths of three texts.
const leastOperation = 3*8 + 3*4

func (o *out) operation(op Operation) {
	var flags uint
	if op.Login {
		flags |= 1
	}
	if op.PIN != nil {
		flags |= 2
	}
	o.number(flags).number(uint(op.Key)).number(op.Mechanism).bytes(op.Parameter).bytes(op.Data).bytes(op.PIN)
}

func operation(i *in) Operation {
	flags := i.number()
	op := Operation{
		Key: pkcs11.ObjectHandle(i.number()), Mechanism: i.number(), Parameter: i.bytes(), Data: i.bytes(),
		Login: flags&1 != 0, PIN: i.bytes(),
	}
	if flags&2 == 0 {
		op.PIN = nil
	}
	return op
}

// signsWithLogin tells of a request to sign whether its first operation tries
// a PIN: such operations come alone.
func signsWithLogin(body []byte) bool {
	i := &in{rest: body}
	i.number() // session
	i.number() // how many
	return i.number()&1 != 0
}

// sign makes signatures one after the other, and stops at the first error;
// the answer has those before it.
func (c *calls) sign(i *in, to *out, at *uint32) error {
	h := session(i)
	var all []Operation
	for range i.count(leastOperation) {
		all = append(all, operation(i))
	}
	return then(i, func() error {
		for _, op := range all {
			var signature []byte
			err := c.through(func() (err error) { signature, err = c.native.sign(uint(h), uint(op.Key), op, at); return err },
				func() (err error) { signature, err = c.signAlone(h, op); return err })
			if err != nil {
				return err
			}
			to.bytes(signature)
			atomic.AddUint32(made(at), 1)
		}
		return nil
	})
}

// signAlone is sign through miekg/pkcs11.
func (c *calls) signAlone(h pkcs11.SessionHandle, op Operation) ([]byte, error) {
	m := pkcs11.NewMechanism(op.Mechanism, nil)
	if len(op.Parameter) > 0 {
		m = pkcs11.NewMechanism(op.Mechanism, op.Parameter)
	}
	if err := c.ctx.SignInit(h, []*pkcs11.Mechanism{m}, op.Key); err != nil {
		return nil, err
	}
	if op.Login {
		if err := named(fnLogin, c.ctx.Login(h, pkcs11.CKU_CONTEXT_SPECIFIC, string(op.PIN))); err != nil {
			return nil, err
		}
	}
	signature, err := c.ctx.Sign(h, op.Data)
	return signature, named(fnSignAlone, err)
}

// named says which function's a code is.
func named(function byte, err error) error {
	if code, ok := err.(pkcs11.Error); ok {
		return failure{function, code}
	}
	return err
}
