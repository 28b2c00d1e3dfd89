//go:build cgo

package module

/*
#cgo linux LDFLAGS: -ldl
#cgo noescape officiant_sign
#cgo nocallback officiant_sign
#cgo noescape officiant_attribute
#cgo nocallback officiant_attribute

#include "native.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/miekg/pkcs11"
)

// native is the function list of a module, for the calls in which miekg/pkcs11
// does more than is wanted (C_Sign twice, copies of the PIN), or believes a
// module's lengths.
type native struct{ functions *C.ck_functions }

// What a module may tell at most of what it has.
const (
	maxSlots      = 4096
	maxMechanisms = 1 << 16
	maxValue      = 1 << 18 // bytes of an attribute, or a wrapped key
	maxObjects    = 200_000
	maxSignature  = 1024 // holds one by RSA-4096 and has room to spare
)

// nonsense is what a function tells that cannot be.
func nonsense(function byte, format string, arguments ...any) error {
	return fmt.Errorf("%s: %s", known[function].name, fmt.Sprintf(format, arguments...))
}

// optional are the functions without which a token's keys can be used.
var optional = []byte{
	fnInitToken, fnInitPIN, fnSetPIN, fnCreateObject, fnCopyObject, fnSetAttributeValue, fnGenerateKey,
	fnGenerateKeyPair, fnWrapKey, fnDestroyObject,
}

// loadNative loads a module, which then stays loaded: some do not survive
// being unloaded. It says why a module cannot be loaded; miekg/pkcs11 does not.
func loadNative(path string) (native, error) {
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	var n native
	var rv C.ck_ulong
	var message *C.char
	if C.officiant_load(p, &n.functions, &rv, &message) == nil {
		return n, errors.New(C.GoString(message))
	}
	if rv != 0 {
		return n, failure{fnLoad, pkcs11.Error(rv)}
	}
	if n.functions == nil {
		return n, errors.New("C_GetFunctionList: gives no list")
	}
	for f := range byte(len(n.functions.f)) {
		if k, ok := known[f]; ok && n.lacks(f) && !slices.Contains(optional, f) {
			return n, errors.New("its function list is incomplete: it has no " + k.name)
		}
	}
	return n, nil
}

// failure is a code and the function that answered it.
type failure struct {
	function byte
	code     pkcs11.Error
}

func (f failure) Error() string { return known[f.function].name + ": " + f.code.Error() }

func returned(function byte, rv C.ck_ulong) error {
	if rv == 0 {
		return nil
	}
	return failure{function, pkcs11.Error(rv)}
}

// lacks reports whether the module does without a function.
func (n native) lacks(function byte) bool {
	return int(function) < len(n.functions.f) && n.functions.f[function] == nil
}

// list asks for a list twice, as PKCS #11 has it: for its length first. A list
// that grew in between is asked for again.
func list(function byte, most int, ask func(*C.ck_ulong, *C.ck_ulong) C.ck_ulong) ([]uint, error) {
	for range 4 {
		var n C.ck_ulong
		if err := returned(function, ask(nil, &n)); err != nil {
			return nil, err
		}
		if uint64(n) > uint64(most) {
			return nil, nonsense(function, "tells %d of them", uint64(n))
		}
		room := n
		values := make([]C.ck_ulong, n+1)
		rv := ask(&values[0], &n)
		if rv == pkcs11.CKR_BUFFER_TOO_SMALL {
			continue
		}
		if err := returned(function, rv); err != nil {
			return nil, err
		}
		if n > room {
			return nil, nonsense(function, "gives %d in a list of %d", uint64(n), uint64(room))
		}
		all := make([]uint, n)
		for i, v := range values[:n] {
			all[i] = uint(v)
		}
		return all, nil
	}
	return nil, nonsense(function, "its list grows whenever it is asked for")
}

// begin is where a mechanism's parameter begins, and nowhere without one.
func begin(parameter []byte) unsafe.Pointer {
	if len(parameter) == 0 {
		return nil
	}
	return unsafe.Pointer(unsafe.SliceData(parameter))
}

func (n native) slots() ([]uint, error) {
	return list(fnGetSlotList, maxSlots, func(values, count *C.ck_ulong) C.ck_ulong {
		return C.officiant_slots(n.functions, values, count)
	})
}

func (n native) mechanisms(slot uint) ([]uint, error) {
	return list(fnGetMechanismList, maxMechanisms, func(values, count *C.ck_ulong) C.ck_ulong {
		return C.officiant_mechanisms(n.functions, C.ck_ulong(slot), values, count)
	})
}

// login logs in; a nil pin leaves the asking to the token's own pad.
func (n native) login(session, user uint, pin []byte) error {
	return returned(fnLogin, C.officiant_login(n.functions, C.ck_ulong(session), C.ck_ulong(user),
		(*C.uchar)(unsafe.SliceData(pin)), C.ck_ulong(len(pin))))
}

// attribute reads one attribute.
func (n native) attribute(session, object, code uint) ([]byte, error) {
	read := func(value []byte) (uint64, error) {
		length := C.ck_ulong(len(value))
		rv := C.officiant_attribute(n.functions, C.ck_ulong(session), C.ck_ulong(object), C.ck_ulong(code),
			unsafe.Pointer(unsafe.SliceData(value)), &length)
		return uint64(length), returned(fnGetAttributeValue, rv)
	}
	length, err := read(nil)
	if err != nil {
		return nil, err
	}
	if length == C.NO_LENGTH {
		return nil, failure{fnGetAttributeValue, pkcs11.CKR_ATTRIBUTE_SENSITIVE}
	}
	if length > maxValue {
		return nil, nonsense(fnGetAttributeValue, "tells a value of %d bytes", length)
	}
	value := make([]byte, length)
	if length == 0 {
		return value, nil
	}
	got, err := read(value)
	if err != nil {
		return nil, err
	}
	if got > length {
		return nil, nonsense(fnGetAttributeValue, "gives %d bytes of %d", got, length)
	}
	return value[:got], nil
}

// find returns at least as many objects as are enough, if there are so many.
func (n native) find(session uint, enough int, template []*pkcs11.Attribute, progress *uint32) ([]uint, error) {
	var types, lengths []C.ck_ulong
	values := []byte{0}[:0]
	for _, a := range template {
		types, lengths = append(types, C.ck_ulong(a.Type)), append(lengths, C.ck_ulong(len(a.Value)))
		values = append(values, a.Value...)
	}
	at := (*C.uint)(progress)
	rv := C.officiant_find_init(n.functions, C.ck_ulong(session), unsafe.SliceData(types), unsafe.SliceData(lengths),
		(*C.uchar)(unsafe.SliceData(values)), C.ck_ulong(len(template)), at)
	if err := returned(fnFind, rv); err != nil {
		return nil, err
	}
	found, err := n.findAll(session, enough, at)
	end := returned(fnFindObjectsFinal, C.officiant_find_final(n.functions, C.ck_ulong(session), at))
	if err == nil && end != nil {
		return nil, end
	}
	return found, err
}

func (n native) findAll(session uint, enough int, at *C.uint) ([]uint, error) {
	found := []uint{}
	seen := map[uint]bool{}
	some := make([]C.ck_ulong, max(1, min(enough, 256)))
	for len(found) < enough { // a short answer need not be the last one
		var count C.ck_ulong
		rv := C.officiant_find(n.functions, C.ck_ulong(session), &some[0], C.ck_ulong(len(some)), &count, at)
		if err := returned(fnFindObjects, rv); err != nil {
			return nil, err
		}
		if uint64(count) > uint64(len(some)) || len(found) > maxObjects {
			return nil, nonsense(fnFindObjects, "gives %d objects where at most %d were asked for", uint64(count), len(some))
		}
		if count == 0 {
			break
		}
		for _, o := range some[:count] {
			if seen[uint(o)] {
				return nil, nonsense(fnFindObjects, "gives one object twice")
			}
			seen[uint(o)] = true
			found = append(found, uint(o))
		}
	}
	return found, nil
}

// sign makes one signature. An operation with a login logs in for this one
// signature; a nil PIN leaves the asking to the token's own pad.
func (n native) sign(session, key uint, op Operation, progress *uint32) ([]byte, error) {
	var with C.int
	if op.Login {
		with = 1
	}
	to := make([]byte, maxSignature)
	length := C.ck_ulong(len(to))
	rv := C.officiant_sign(n.functions, C.ck_ulong(session), C.ck_ulong(key), C.ck_ulong(op.Mechanism),
		begin(op.Parameter), C.ck_ulong(len(op.Parameter)),
		(*C.uchar)(unsafe.SliceData(op.Data)), C.ck_ulong(len(op.Data)),
		with, (*C.uchar)(unsafe.SliceData(op.PIN)), C.ck_ulong(len(op.PIN)),
		(*C.uchar)(unsafe.SliceData(to)), &length, (*C.uint)(progress))
	if err := returned(byte(*progress), rv); err != nil {
		return nil, err
	}
	if uint64(length) > uint64(len(to)) {
		return nil, nonsense(fnSignAlone, "tells a signature of %d bytes", uint64(length))
	}
	return to[:length], nil
}

func (n native) wrap(session, mechanism uint, parameter []byte, around, key uint) ([]byte, error) {
	ask := func(to []byte) (uint64, error) {
		length := C.ck_ulong(len(to))
		rv := C.officiant_wrap(n.functions, C.ck_ulong(session), C.ck_ulong(mechanism),
			begin(parameter), C.ck_ulong(len(parameter)), C.ck_ulong(around), C.ck_ulong(key),
			(*C.uchar)(unsafe.SliceData(to)), &length)
		return uint64(length), returned(fnWrapKey, rv)
	}
	length, err := ask(nil)
	if err != nil {
		return nil, err
	}
	if length > maxValue {
		return nil, nonsense(fnWrapKey, "tells a key of %d bytes", length)
	}
	to := make([]byte, length)
	got, err := ask(to)
	if err != nil {
		return nil, err
	}
	if got > uint64(len(to)) {
		return nil, nonsense(fnWrapKey, "gives %d bytes of %d", got, len(to))
	}
	return to[:got], nil
}
