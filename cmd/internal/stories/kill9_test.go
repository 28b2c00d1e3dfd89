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

// TestKillMinus9 kills the real process, several times in one ceremony; the same
// command goes on each time. It is not killed in a login, in which SoftHSM
// rewrites the token's file without a way back.
func TestKillMinus9(t *testing.T) {
	needSoftHSM(t)
	testscript.Run(t, testscript.Params{
		Files: []string{filepath.Join("testdata", "kill9.txtar")},
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"prepare": prepare,
			"digest":  digest,
			"head":    head,
			"killed":  killed,
		},
	})
}

// killed LINES COMMAND… kills the command when the record has so many lines
// after this process's own login to the root's token, its last.
func killed(ts *testscript.TestScript, _ bool, args []string) {
	lines, err := strconv.Atoi(args[0])
	ts.Check(err)
	file := ts.MkAbs("ceremony/transcript.jsonl")
	login := []byte(`"label":"officiant-root","serial"`)
	before, _ := os.ReadFile(file)
	c := exec.Command(filepath.Join(programs, args[1]), args[2:]...)
	c.Dir = ts.MkAbs(".")
	c.Env = append(os.Environ(), "XDG_STATE_HOME="+ts.Getenv("XDG_STATE_HOME")) // as the others: one machine
	ts.Check(c.Start())
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		data, _ := os.ReadFile(file)
		grown := data[min(len(before), len(data)):]
		if i := bytes.Index(grown, login); i >= 0 && bytes.Count(grown[i:], []byte("\n")) >= lines {
			break
		}
		time.Sleep(200 * time.Microsecond)
	}
	ts.Check(c.Process.Kill())
	c.Wait()
}
