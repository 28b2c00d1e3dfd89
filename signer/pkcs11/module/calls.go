//go:build cgo

package module

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/miekg/pkcs11"
)

// calls are a module's functions, in its own process.
type calls struct {
	ctx    *pkcs11.Ctx
	native native
	// alone is set for a module that gives each caller a function list of its
	// own, with a state of its own (p11-kit's): then miekg/pkcs11 makes all calls.
	alone atomic.Bool
	ready atomic.Bool // between C_Initialize and C_Finalize
}

// do carries out one request. A panic is miekg/pkcs11's, over an answer of the
// module that makes no sense.
func (c *calls) do(path string, function byte, body []byte, to *out, at *uint32) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: %v", known[function].name, p)
		}
	}()
	i := &in{rest: body}
	switch {
	case function == fnLoad:
		return c.load(path)
	case c.ctx == nil:
		return errors.New("asked before it was loaded")
	case c.native.lacks(function):
		return failure{function, pkcs11.CKR_FUNCTION_NOT_SUPPORTED}
	}
	call, ok := table[function]
	if !ok {
		return fmt.Errorf("function %d is not known", function)
	}
	err = call(c, i, to, at)
	var code pkcs11.Error
	if errors.As(err, &code) {
		return failure{function, code}
	}
	return err
}

func (c *calls) load(path string) (err error) {
	if c.native, err = loadNative(path); err != nil {
		return err
	}
	if c.ctx = pkcs11.New(path); c.ctx == nil {
		return errors.New("cannot be loaded a second time")
	}
	return nil
}

// table has what each function does with a request's body.
var table = map[byte]func(c *calls, i *in, to *out, at *uint32) error{
	fnInitialize:        (*calls).initialize,
	fnFinalize:          (*calls).finalize,
	fnGetInfo:           (*calls).getInfo,
	fnGetSlotList:       (*calls).getSlotList,
	fnGetTokenInfo:      (*calls).getTokenInfo,
	fnGetMechanismList:  (*calls).getMechanismList,
	fnGetMechanismInfo:  (*calls).getMechanismInfo,
	fnInitToken:         (*calls).initToken,
	fnInitPIN:           (*calls).initPIN,
	fnSetPIN:            (*calls).setPIN,
	fnOpenSession:       (*calls).openSession,
	fnCloseSession:      (*calls).closeSession,
	fnGetSessionInfo:    (*calls).getSessionInfo,
	fnLogin:             (*calls).login,
	fnLogout:            (*calls).logout,
	fnCreateObject:      (*calls).createObject,
	fnCopyObject:        (*calls).copyObject,
	fnDestroyObject:     (*calls).destroyObject,
	fnGetAttributeValue: (*calls).getAttributeValue,
	fnSetAttributeValue: (*calls).setAttributeValue,
	fnFind:              (*calls).find,
	fnSign:              (*calls).sign,
	fnGenerateKey:       (*calls).generateKey,
	fnGenerateKeyPair:   (*calls).generateKeyPair,
	fnWrapKey:           (*calls).wrapKey,
}

// then calls f when the request was of its form.
func then(i *in, f func() error) error {
	if err := i.end(); err != nil {
		return err
	}
	return f()
}

// through takes the native way, unless the module is another one there: then
// its second function list was never initialized.
func (c *calls) through(native, miekg func() error) error {
	if !c.alone.Load() {
		err := native()
		var code failure
		if !errors.As(err, &code) || code.code != pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED {
			return err
		}
		c.alone.Store(true)
	}
	return miekg()
}
