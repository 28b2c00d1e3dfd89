//go:build cgo

package module

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"
)

// oddModule compiles testdata/odd.c.
func oddModule(t *testing.T) string {
	t.Helper()
	cc := "cc"
	if os.Getenv("CC") != "" {
		cc = os.Getenv("CC")
	}
	to := filepath.Join(t.TempDir(), "odd.so")
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-O1", "-o", to,
		"testdata/odd.c").CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cc, err, out)
	}
	return to
}

// TestOddAnswers: an answer of a module that cannot be is refused by the function's name,
// before anything is read by it.
func TestOddAnswers(t *testing.T) {
	n, err := loadNative(oddModule(t))
	if err != nil {
		t.Fatal(err)
	}
	var progress uint32
	slots := func() error { _, err := n.slots(); return err }
	mechanisms := func() error { _, err := n.mechanisms(1); return err }
	attribute := func() error { _, err := n.attribute(1, 2, pkcs11.CKA_ID); return err }
	find := func() error { _, err := n.find(1, 4, nil, &progress); return err }
	sign := func() error { _, err := n.sign(1, 2, Operation{}, &progress); return err }
	wrap := func() error { _, err := n.wrap(1, 2, nil, 3, 4); return err }
	for _, c := range []struct {
		odd  string
		call func() error
		says string
	}{
		{"tells=4097", slots, "C_GetSlotList: tells 4097 of them"},
		{"tells=2 gives=3", slots, "C_GetSlotList: gives 3 in a list of 2"},
		{"grows=1", slots, "C_GetSlotList: its list grows whenever it is asked for"},
		{"tells=65537", mechanisms, "C_GetMechanismList: tells 65537 of them"},
		{"tells=262145", attribute, "C_GetAttributeValue: tells a value of 262145 bytes"},
		{"tells=4 gives=5", attribute, "C_GetAttributeValue: gives 5 bytes of 4"},
		{"gives=5", find, "C_FindObjects: gives 5 objects where at most 4 were asked for"},
		{"gives=1", find, "C_FindObjects: gives one object twice"},
		{"gives=1025", sign, "C_Sign: tells a signature of 1025 bytes"},
		{"tells=262145", wrap, "C_WrapKey: tells a key of 262145 bytes"},
		{"tells=4 gives=5", wrap, "C_WrapKey: gives 5 bytes of 4"},
	} {
		t.Setenv("ODD", c.odd)
		if err := c.call(); err == nil || err.Error() != c.says {
			t.Errorf("%s: %v, want %s", c.odd, err, c.says)
		}
	}
	t.Setenv("ODD", "tells=4 gives=4")
	for name, call := range map[string]func() error{"slots": slots, "attribute": attribute, "find": find,
		"wrap": wrap} {
		if err := call(); err != nil {
			t.Errorf("%s as it should be: %v", name, err)
		}
	}
}

// TestOddLists: a module whose functions cannot be had is not loaded.
func TestOddLists(t *testing.T) {
	for odd, says := range map[string]string{
		"nolist=1":                         "C_GetFunctionList: gives no list",
		fmt.Sprintf("without=%d", fnSign):  "its function list is incomplete: it has no C_SignInit",
		fmt.Sprintf("without=%d", fnLogin): "its function list is incomplete: it has no C_Login",
	} {
		t.Setenv("ODD", odd)
		var c calls
		if err := c.do(oddModule(t), fnLoad, nil, new(out), new(uint32)); err == nil || err.Error() != says {
			t.Errorf("%s: %v, want %s", odd, err, says)
		}
	}
	t.Setenv("ODD", fmt.Sprintf("without=%d", fnWrapKey))
	path := oddModule(t)
	var c calls
	const early = "asked before it was loaded"
	if err := c.do(path, fnGetInfo, nil, new(out), new(uint32)); err == nil || err.Error() != early {
		t.Errorf("%v, want %s", err, early)
	}
	if err := c.do(path, fnLoad, nil, new(out), new(uint32)); err != nil {
		t.Fatal(err)
	}
	for function, says := range map[byte]string{
		fnWrapKey: "C_WrapKey: pkcs11: 0x54: CKR_FUNCTION_NOT_SUPPORTED",
		200:       "function 200 is not known",
	} {
		if err := c.do(path, function, nil, new(out), new(uint32)); err == nil || err.Error() != says {
			t.Errorf("%v, want %s", err, says)
		}
	}
}

// TestLongTable: a table of what is loaded that cannot be read is said to be one.
func TestLongTable(t *testing.T) {
	_, err := mapped(strings.NewReader(strings.Repeat("x", 1<<17)))
	if err == nil || !strings.HasPrefix(err.Error(), "what the module loaded: ") {
		t.Error(err)
	}
}
