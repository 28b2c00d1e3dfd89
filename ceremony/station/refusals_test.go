package station

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"officiant/bundle/refusaltest"
)

// near are stations that are like one that is refused, by its name in refused, and are
// taken: good with another change.
var near = map[string][2]string{
	"PIN in the URI":            {"object=rel", "object=pin-value-2"},
	"no token":                  {"token=root;serial=0011", "serial=0011"},
	"double attribute":          {"serial=0011", "serial=0011;object=0011"},
	"relative module":           {"module-path=/usr", "module-path=%2Fusr"},
	"pin-source":                {"pin-source=fd:3", "pin-source=file:/%7Ccat"},
	"clone beside its key":      {"evidence:", "backups: {root: \"pkcs11:serial=0013;token=root\"}\nevidence:"},
	"clone of no key":           {"evidence:", "backups: {root: \"pkcs11:token=c\"}\nevidence:"},
	"default in a KMS":          {"name: room-1", "name: room-2"},
	"variable that is a PIN":    {"SOFTHSM2_CONF: /room/softhsm2.conf", "SOFTHSM2_CONF: inherit"},
	"evidence that is none":     {"root: consistent", "root: attested"},
	"timeout too short":         {"timeout: 30s", "timeout: 1000ms"},
	"timeout too long":          {"timeout: 30s", "timeout: 60m"},
	"relative variable":         {"/room/softhsm2.conf", "/room/../softhsm2.conf"},
	"what nobody sees":          {"token=root;", "token=r%C3%B6ot;"},
	"module before the mark":    {"?module-path=", "?module-path="},
	"preflight without a check": {"preflight:\n  network: refuse\n  swap: warn", "preflight: {}"},
}

// TestReasons is the catalogue of what a station is refused with.
func TestReasons(t *testing.T) {
	var rows []refusaltest.Row
	for _, r := range refused() {
		row := refusaltest.Row{Of: r.name, Data: strings.ReplaceAll(good, r.old, r.new), Says: r.want, Not: good}
		if n, ok := near[r.name]; ok {
			row.Not = strings.ReplaceAll(good, n[0], n[1])
		}
		rows = append(rows, row)
	}
	at := filepath.Join(t.TempDir(), "pin")
	file := func(mode os.FileMode) func([]byte) error {
		return func(data []byte) error {
			if err := errors.Join(os.RemoveAll(at), os.WriteFile(at, data, mode), os.Chmod(at, mode)); err != nil {
				return err
			}
			return said(PINFileProblem("pkcs11:token=a?pin-source=file:" + at))
		}
	}
	own := file(0o600)
	pipe := func(mode uint32) func([]byte) error {
		return func([]byte) error {
			if err := errors.Join(os.RemoveAll(at), syscall.Mkfifo(at, mode)); err != nil {
				return err
			}
			return said(PINFileProblem("pkcs11:token=a?pin-source=" + at))
		}
	}
	rows = append(rows,
		refusaltest.Row{Of: "nothing", Says: "the station is empty", Not: good},
		refusaltest.Row{Of: "a key without a place", Says: "neither etcd nor default", Read: func([]byte) error {
			s, err := Parse("s", []byte(good))
			if err != nil {
				return err
			}
			delete(s.Keys, "default")
			_, err = s.Ref("demo", "etcd")
			return err
		}},
		refusaltest.Row{Of: "a PIN file that is empty", Says: "is empty", Not: "1234\n", Read: own},
		refusaltest.Row{Of: "a PIN file of a book", Data: strings.Repeat("1", 2000), Says: "has 2000 bytes; a PIN file",
			Not: strings.Repeat("1", 1024), Read: own},
		refusaltest.Row{Of: "a PIN file of others", Data: "1", Says: "mode 0640 lets others read", Read: file(0o640)},
		refusaltest.Row{Of: "a folder for a PIN", Says: "is neither a file nor a FIFO", Read: func([]byte) error {
			return said(PINFileProblem("pkcs11:token=a?pin-source=" + filepath.Dir(at)))
		}},
		refusaltest.Row{Of: "a PIN file with a mark", Data: "\ufeff1234\n", Says: "begins with a byte order mark",
			Not: "1234\r\n", Read: own},
		refusaltest.Row{Of: "a PIN file of two lines", Data: "1234\n5678\n", Says: "holds more than one line",
			Read: own},
		refusaltest.Row{Of: "a pipe for a PIN", Read: pipe(0o600)},
		refusaltest.Row{Of: "a pipe of others", Says: "mode 0644 lets others read", Read: pipe(0o644)},
	)
	refusaltest.Hold(t, refusaltest.Table{
		Read:    func(data []byte) error { _, err := Parse("s", data); return err },
		Sources: []string{"check.go", "group.go", "pin.go", "station.go"},
		Rows:    rows,
	})
}

func said(problem string) error {
	if problem == "" {
		return nil
	}
	return errors.New(problem)
}
