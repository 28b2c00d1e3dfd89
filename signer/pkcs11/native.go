//go:build cgo

package pkcs11

/*
#cgo linux LDFLAGS: -ldl
#cgo noescape officiant_sign
#cgo nocallback officiant_sign

#include <dlfcn.h>
#include <stdlib.h>

typedef unsigned long ck_ulong;

typedef struct {
	ck_ulong mechanism;
	void *parameter;
	ck_ulong parameter_len;
} ck_mechanism;

typedef struct {
	ck_ulong slot, state, flags, device_error;
} ck_session_info;

// The first 44 entries of CK_FUNCTION_LIST (PKCS #11 v2.40 base specification,
// section 3.6); the order is fixed for all versions since 2.0.
typedef struct {
	unsigned char version[2];
	void *initialize_to_set_pin[12];       //  0 C_Initialize … 11 C_SetPIN
	void *open_session_to_close_all[3];    // 12 … 14
	ck_ulong (*get_session_info)(ck_ulong, ck_session_info *); // 15
	void *operation_state[2];              // 16, 17
	ck_ulong (*login)(ck_ulong, ck_ulong, unsigned char *, ck_ulong); // 18
	void *logout_to_digest_final[23];      // 19 C_Logout … 41 C_DigestFinal
	ck_ulong (*sign_init)(ck_ulong, ck_mechanism *, ck_ulong); // 42
	ck_ulong (*sign)(ck_ulong, unsigned char *, ck_ulong, unsigned char *, ck_ulong *); // 43
} ck_functions;

static void *officiant_load(const char *path, ck_functions **functions, ck_ulong *rv, const char **message) {
	ck_ulong (*list)(ck_functions **);
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL) {
		*message = dlerror();
		return NULL;
	}
	*(void **)(&list) = dlsym(handle, "C_GetFunctionList");
	if (list == NULL) {
		*message = "it has no C_GetFunctionList";
		dlclose(handle);
		return NULL;
	}
	*rv = list(functions);
	return handle;
}

static ck_ulong officiant_session_state(ck_functions *f, ck_ulong session, ck_ulong *state) {
	ck_session_info info = {0};
	ck_ulong rv = f->get_session_info(session, &info);
	*state = info.state;
	return rv;
}

static ck_ulong officiant_login(ck_functions *f, ck_ulong session, ck_ulong user, unsigned char *pin, ck_ulong len) {
	return f->login(session, user, pin, len);
}

// officiant_sign counts in calls how far it came: C_SignInit, C_Login, C_Sign.
static ck_ulong officiant_sign(ck_functions *f, ck_ulong session, ck_ulong key, ck_ulong mechanism,
		void *parameter, ck_ulong parameter_len, unsigned char *data, ck_ulong len,
		int login, unsigned char *pin, ck_ulong pin_len,
		unsigned char *signature, ck_ulong *signature_len, int *calls) {
	ck_mechanism m = {mechanism, parameter, parameter_len};
	ck_ulong rv;
	*calls = 0;
	if ((rv = f->sign_init(session, &m, key)) != 0)
		return rv;
	*calls = 1;
	if (login && (rv = f->login(session, 2, pin, pin_len)) != 0) // CKU_CONTEXT_SPECIFIC
		return rv;
	*calls = 2;
	return f->sign(session, data, len, signature, signature_len);
}
*/
import "C"

import (
	"errors"
	"unsafe"

	"github.com/miekg/pkcs11"
)

// native is the function list of a module, for the calls in which
// miekg/pkcs11 does more than is wanted: C_Sign twice, and copies of the PIN.
type native struct{ functions *C.ck_functions }

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
	if err := returned("C_GetFunctionList", rv); err != nil {
		return n, err
	}
	if n.functions == nil || n.functions.sign == nil || n.functions.sign_init == nil ||
		n.functions.login == nil || n.functions.get_session_info == nil {
		return n, errors.New("its function list is incomplete")
	}
	return n, nil
}

// sessionState is CKS_… of a session.
func (n native) sessionState(h pkcs11.SessionHandle) (uint, error) {
	var state C.ck_ulong
	rv := C.officiant_session_state(n.functions, C.ck_ulong(h), &state)
	return uint(state), returned("C_GetSessionInfo", rv)
}

// login logs the user in; a nil pin leaves the asking to the token's own pad.
func (n native) login(h pkcs11.SessionHandle, pin []byte) error {
	rv := C.officiant_login(n.functions, C.ck_ulong(h), C.ck_ulong(pkcs11.CKU_USER),
		(*C.uchar)(unsafe.SliceData(pin)), C.ck_ulong(len(pin)))
	return returned("C_Login", rv)
}

// sign writes a signature of at most len(out) bytes to out and returns its
// length. An operation with a login logs in for this one signature; a nil PIN
// leaves the asking to the token's own pad.
func (n native) sign(h pkcs11.SessionHandle, key pkcs11.ObjectHandle, op operation, out []byte) (int, error) {
	length := C.ck_ulong(len(out))
	var login, calls C.int
	if op.login {
		login = 1
	}
	rv := C.officiant_sign(n.functions, C.ck_ulong(h), C.ck_ulong(key), C.ck_ulong(op.mechanism),
		unsafe.Pointer(unsafe.SliceData(op.parameter)), C.ck_ulong(len(op.parameter)),
		(*C.uchar)(unsafe.SliceData(op.data)), C.ck_ulong(len(op.data)),
		login, (*C.uchar)(unsafe.SliceData(op.pin)), C.ck_ulong(len(op.pin)),
		(*C.uchar)(unsafe.SliceData(out)), &length, &calls)
	if rv == 0 && int(length) <= len(out) {
		return int(length), nil
	}
	if rv == 0 {
		return 0, errors.New("C_Sign: wrote past the end")
	}
	return 0, returned([]string{"C_SignInit", "C_Login", "C_Sign"}[calls], rv)
}

func returned(function string, rv C.ck_ulong) error {
	if rv == 0 {
		return nil
	}
	return &callError{function, pkcs11.Error(rv)}
}
