package stories

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestKillMinus9 kills the real process, several times in one ceremony, once
// its record has grown to so many lines; the same command goes on each time.
// SoftHSM's logins, which rewrite the token's file, lie before line 30.
func TestKillMinus9(t *testing.T) {
	needSoftHSM(t)
	testscript.Run(t, testscript.Params{
		Files: []string{filepath.Join("testdata", "kill9.txtar")},
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", programs+":"+env.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"prepare": prepare,
			"digest":  digest,
			"killed":  killed,
		},
	})
}

// killed FILE LINES COMMAND… kills the command when FILE has LINES lines.
func killed(ts *testscript.TestScript, _ bool, args []string) {
	file := ts.MkAbs(args[0])
	lines, err := strconv.Atoi(args[1])
	ts.Check(err)
	c := exec.Command(filepath.Join(programs, args[2]), args[3:]...)
	c.Dir = ts.MkAbs(".")
	ts.Check(c.Start())
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		data, _ := os.ReadFile(file)
		if bytes.Count(data, []byte("\n")) >= lines {
			break
		}
		time.Sleep(200 * time.Microsecond)
	}
	ts.Check(c.Process.Kill())
	c.Wait()
}
