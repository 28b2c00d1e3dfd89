package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"officiant/ceremony/schedule"
	"officiant/signer"
)

// killedAt is how much of issuing is on record when the process is killed.
const killedAt = 0.8

// resumed measures what it costs to go on after a kill: beside it, what the rest took in a
// ceremony that nobody killed.
func (b *bench) resumed() error {
	n := 0
	for _, size := range b.sizes {
		if size <= 10000 {
			n = max(n, size)
		}
	}
	if n == 0 {
		return nil
	}
	planFile, err := b.cluster.workers(n, signer.ECDSAP256)
	if err != nil {
		return err
	}
	whole, err := b.newToken()
	if err != nil {
		return err
	}
	c, err := b.conduct(planFile, whole)
	if err != nil {
		return err
	}
	if err := whole.remove(); err != nil {
		return err
	}
	t, err := b.newToken()
	if err != nil {
		return err
	}
	if err := b.kill(planFile, t, int(killedAt*float64(n))); err != nil {
		return err
	}
	again, err := b.conduct(planFile, t)
	if err != nil {
		return err
	}
	rest := c.rest(killedAt)
	b.printf("\nResume, P-256 CA: killed when %d of %d certificates were on record\n", int(killedAt*float64(n)), n)
	b.printf("  the rest in one go %.2f s; after the kill %.2f s, CPU %.2f (read %.2f, dry run %.2f, "+
		"copy and record %.2f), %d MiB\n", seconds(rest), seconds(again.wall), seconds(again.cpu), seconds(again.read),
		seconds(again.took(checkStep)), seconds(again.took(copyStep)), again.memory>>10)
	b.mark(fmt.Sprintf("resume of %d nodes, beyond what the rest takes", n), seconds(again.wall-rest), 1, " s")
	return t.remove()
}

// rest is what a ceremony took after a part of issuing.
func (c *conducted) rest(part float64) (d time.Duration) {
	issuing := false
	for _, s := range c.steps {
		switch {
		case s.is(issueStep):
			issuing = true
			d += time.Duration((1 - part) * float64(s.took))
		case issuing:
			d += s.took
		}
	}
	return d
}

// kill runs a ceremony and kills it once so many certificates are on record.
func (b *bench) kill(planFile string, t *token, issued int) error {
	p, err := schedule.Open(planFile, schedule.Options{Now: time.Now(), Lean: true})
	if err != nil {
		return err
	}
	dir := filepath.Join(t.folder, "ceremony")
	var stderr bytes.Buffer
	cmd := exec.Command(b.officiant, "ceremony", "run", planFile, "--station", t.station, "--dir", dir, "--confirm",
		p.Digest.String())
	cmd.Env, cmd.Stderr = t.environment(), &stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	record := &counter{path: filepath.Join(dir, "transcript.jsonl"), what: []byte(`"type":"issued"`)}
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("ended before it could be killed: %w\n%s", err, tail(stderr.Bytes(), 2000))
		case <-time.After(5 * time.Millisecond):
		}
		if err := record.read(); err != nil {
			return errors.Join(err, cmd.Process.Kill(), <-ended)
		}
		if record.n >= issued {
			break
		}
	}
	err = cmd.Process.Kill()
	<-ended // its error is that it was killed
	return err
}

// counter counts a text in a file that grows.
type counter struct {
	path   string
	what   []byte
	n      int
	offset int64 // up to which whole lines were looked through
}

func (c *counter) read() error {
	f, err := os.Open(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.NewSectionReader(f, c.offset, 1<<40))
	if err != nil {
		return err
	}
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	c.n += bytes.Count(whole, c.what)
	c.offset += int64(len(whole))
	return nil
}
