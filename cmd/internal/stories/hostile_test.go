package stories

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"officiant/ceremony/transcript"
	"officiant/softhsm"
)

// hostileMoments are calls of a ceremony in which its module does its worst.
var hostileMoments = []struct {
	call string
	n    int
	what string
}{
	{"C_Initialize", 2, "exit"}, {"C_GetSlotList", 3, "segv"}, {"C_GetTokenInfo", 4, "hang"},
	{"C_OpenSession", 2, "abort"},
	{"C_Login", 2, "leave"}, {"C_GetSessionInfo", 2, "hang"}, {"C_FindObjectsInit", 9, "exit"},
	{"C_FindObjects", 7, "hang"},
	{"C_FindObjectsFinal", 8, "segv"}, {"C_GenerateKeyPair", 3, "exit"}, {"C_GetAttributeValue", 40, "abort"},
	{"C_WrapKey", 1, "leave"}, {"C_DestroyObject", 2, "segv"}, {"C_SignInit", 5, "hang"}, {"C_Sign", 12, "exit"},
}

// TestHostileModule: a module that ends or hangs in the midst of a ceremony is
// exit code 5, in time, with the call's name, and the same command goes on to
// the end without it.
func TestHostileModule(t *testing.T) {
	needSoftHSM(t)
	wrap := filepath.Join(t.TempDir(), "wrap.so")
	source := filepath.Join(source, "signer", "pkcs11", "testdata", "wrap.c")
	cc := exec.Command("cc", "-shared", "-fPIC", "-O1", "-o", wrap, source, "-ldl", "-lpthread")
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	module, err := softhsm.Find()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files: []string{filepath.Join("testdata", "hostile.txtar")},
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"prepare": prepare, "digest": digest,
			"suffer": func(ts *testscript.TestScript, _ bool, _ []string) {
				for i, m := range hostileMoments {
					if !testing.Short() || i%4 == 0 {
						suffer(ts, i, wrap, module, fmt.Sprintf("at %s %d %s\n", m.call, m.n, m.what), m.call)
					}
				}
			},
		},
	})
}

// goesOn is the argument by which a ceremony goes on; none when it has yet to begin.
func goesOn(ts *testscript.TestScript, file string) []string {
	data, err := os.ReadFile(ts.MkAbs(file))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	ts.Check(err)
	t, err := transcript.Read(file, data)
	ts.Check(err)
	return []string{"--head", t.Head().String()}
}

// besides is a call that was under way beside the one in which the module's process ended:
// it ends for that one, too, and whichever is told first names it.
var besides = regexp.MustCompile(`C_[A-Z]\w+: the module's process (was )?ended`)

// suffer runs a ceremony on fresh tokens whose module follows an order, and again
// without it.
func suffer(ts *testscript.TestScript, i int, wrap, module, order, call string) {
	folder := ts.MkAbs(fmt.Sprintf("module-%d", i))
	room, station, dir := fmt.Sprintf("room-%d", i), fmt.Sprintf("station-%d.yaml", i), fmt.Sprintf("ceremony-%d", i)
	ts.Check(os.Mkdir(folder, 0o700))
	ts.Check(os.Symlink(module, filepath.Join(folder, "real.so")))
	built, err := os.ReadFile(wrap)
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(folder, "wrap.so"), built, 0o700))
	ts.Check(os.WriteFile(filepath.Join(folder, "control"), []byte(order), 0o600))
	ts.Check(ts.Exec("officiant", "softhsm", "init", "--dir", room, "--station", station))
	text := strings.ReplaceAll(ts.ReadFile(station), module, filepath.Join(folder, "wrap.so")) + "timeout: 1s\n"
	ts.Check(os.WriteFile(ts.MkAbs(station), []byte(text), 0o600))

	run := func() (int, string) {
		c := exec.Command(filepath.Join(programs, "officiant"), "ceremony", "run", "plan/plan.yaml",
			"--station", station, "--dir", dir, "--confirm", ts.Getenv("DIGEST"))
		c.Args = append(c.Args, goesOn(ts, filepath.Join(dir, "transcript.jsonl"))...)
		var said bytes.Buffer
		c.Dir, c.Stderr, c.WaitDelay = ts.MkAbs("."), &said, time.Second
		err := c.Run()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return exit.ExitCode(), said.String()
		}
		ts.Check(err)
		return 0, said.String()
	}
	start := time.Now()
	code, said := run()
	named := strings.Contains(said, call) || besides.MatchString(said)
	if code != 5 || !named || time.Since(start) > time.Minute {
		ts.Fatalf("%s: exit code %d after %s, want 5 and the call's name\n%s", order, code, time.Since(start), said)
	}
	ts.Check(os.WriteFile(filepath.Join(folder, "control"), nil, 0o600))
	if code, said := run(); code != 0 {
		ts.Fatalf("%s: resumed, exit code %d\n%s", order, code, said)
	}
	ts.Check(ts.Exec("officiant", "ceremony", "verify", dir, "--release-key", dir+"/release.pub"))
}
