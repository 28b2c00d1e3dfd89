package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"officiant/ceremony/schedule"
)

// conducted is one ceremony: how long each of its steps took, and what else.
type conducted struct {
	usage
	dir     string
	release string // fingerprint
	read    time.Duration
	steps   []step
	leaves  int // certificates the issuing steps make
}

type step struct {
	title string
	took  time.Duration
	calls uint64
	cpu   time.Duration // in steps of 10 ms

	before, peak int // KiB, at most up to its begin and end
}

func (s step) is(title string) bool { return strings.HasPrefix(s.title, title) }

var stepLine = regexp.MustCompile(`^step \d+ of \d+ +(.*)$`)

// conduct runs officiant ceremony run, once, on the token.
func (b *bench) conduct(planFile string, t *token) (*conducted, error) {
	return b.conductIn(planFile, t, filepath.Join(t.folder, "ceremony"))
}

// conductIn is conduct, with the ceremony's directory at dir.
func (b *bench) conductIn(planFile string, t *token, dir string) (*conducted, error) {
	p, err := schedule.Open(planFile, schedule.Options{Now: time.Now()})
	if err != nil {
		return nil, err
	}
	c := &conducted{dir: dir}
	for _, e := range p.Entries {
		if e.Kind == schedule.LeafCertificate {
			c.leaves++
		}
	}
	confirm := p.Digest.String()
	p = nil
	last, calls, cpu := time.Now(), t.calls(), time.Duration(0)
	end := func(peak int, used time.Duration) {
		now, n := time.Now(), t.calls()
		if len(c.steps) == 0 {
			c.read = now.Sub(last)
		} else {
			s := &c.steps[len(c.steps)-1]
			s.took, s.calls, s.cpu, s.peak = now.Sub(last), n-calls, used-cpu, peak
		}
		last, calls, cpu = now, n, used
	}
	c.usage, err = program{
		name: b.officiant, env: t.environment(),
		args: []string{"ceremony", "run", planFile, "--station", t.station, "--dir", c.dir, "--confirm", confirm},
		line: func(pid int, line string) {
			if m := stepLine.FindStringSubmatch(line); m != nil {
				end(peakOf(pid), cpuOf(pid))
				c.steps = append(c.steps, step{title: m[1], before: peakOf(pid)})
			}
		},
	}.run()
	end(c.memory, c.cpu)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(c.stdout)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "release" {
			c.release = f[1]
		}
	}
	return c, nil
}

// took is the time of all steps whose title begins so.
func (c *conducted) took(title string) (d time.Duration) {
	for _, s := range c.steps {
		if s.is(title) {
			d += s.took
		}
	}
	return d
}

// worked is the processor time of such steps.
func (c *conducted) worked(title string) (d time.Duration) {
	for _, s := range c.steps {
		if s.is(title) {
			d += s.cpu
		}
	}
	return d
}

// calls is the number of PKCS#11 calls in such steps.
func (c *conducted) calls(title string) (n uint64) {
	for _, s := range c.steps {
		if s.is(title) {
			n += s.calls
		}
	}
	return n
}

// verify runs officiant ceremony verify over the finished directory.
func (b *bench) verify(c *conducted) (usage, error) {
	return program{
		name: b.officiant,
		env:  os.Environ(),
		args: []string{"ceremony", "verify", c.dir, "--release-key", c.release},
	}.run()
}
