package install_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"officiant/bundle/bundletest"
	"officiant/bundle/install"
)

// Whatever file of the state directory is damaged, an install goes on, or says what
// a person does; once that is done, it works.
func TestDamagedState(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.First())
	m.place(t, p, p.Bundle(t, m.who, 1))
	m.place(t, p, p.Bundle(t, m.who, 2))
	third := p.Bundle(t, m.who, 3)
	o := install.Options{Release: p.Release.Public()}
	contents := map[string][]byte{"empty": nil, "cut": []byte(`{"apiVersion": "off`), "zeros": make([]byte, 4096),
		"other": []byte(`{"apiVersion":"officiant/v1","kind":"Other"}`)}
	for file, way := range map[string]string{
		"pins.json": "compare both keys again", "journal.json": "install the newest bundle again",
		"origins.json": "", "installed.tar": "",
		"previous/tree.tar": "", "previous/rolled-back.tar": "", "recipient.txt": "",
	} {
		for name, data := range contents {
			t.Run(file+" "+name, func(t *testing.T) {
				c := m.copy(t)
				at := c.at(install.StateDir + "/" + file)
				bundletest.WriteFile(t, at, data)
				must(t, os.Chmod(at, 0o600))
				before := files(t, c.Root)
				_, err := c.Install(third, o)
				var damaged *install.Damaged
				if way == "" && err != nil {
					t.Fatal(err)
				}
				if way != "" {
					if !errors.As(err, &damaged) || damaged.Path != at || !strings.Contains(damaged.WayOn, way) ||
						!strings.Contains(err.Error(), "is damaged") {
						t.Fatalf("%v", err)
					}
					if d := unlike(before, files(t, c.Root)); len(d) > 0 {
						t.Errorf("it changed %v", d)
					}
					must(t, os.Remove(at))
					c.place(t, p, third)
				}
				c.sound(t, p)
				if _, err := c.Rollback(false); err != nil {
					t.Error(err)
				}
			})
		}
	}
	bundletest.WriteFile(t, m.at(install.StateDir+"/previous/tree.tar"), []byte("no archive"))
	s, err := m.Status()
	must(t, err)
	if s.Previous != nil || len(s.Findings) != 1 || !strings.Contains(s.Findings[0].Problem, "is damaged") {
		t.Errorf("status says %+v, %v", s.Previous, s.Findings)
	}
	var damaged *install.Damaged
	if _, err := m.Rollback(false); !errors.As(err, &damaged) || damaged.WayOn == "" {
		t.Errorf("rollback: %v", err)
	}
}

// The state directory may be a link, such as to another disk.
func TestStateDirectoryIsALink(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	for _, target := range []string{"../../srv/state", "/srv/state"} {
		m := newMachine(t, p, bundletest.First())
		must(t, os.MkdirAll(m.at("srv"), 0o755))
		must(t, os.Rename(m.at(install.StateDir), m.at("srv/state")))
		must(t, os.Symlink(target, m.at(install.StateDir)))
		m.place(t, p, p.Bundle(t, m.who, 1))
		m.place(t, p, p.Bundle(t, m.who, 2))
		m.sound(t, p)
		if _, err := m.Rollback(false); err != nil {
			t.Error(err)
		}
		m.sound(t, p)
		if info, err := os.Lstat(m.at(install.StateDir)); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("the link became %v, %v", info, err)
		}
	}
}
