package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"officiant/cmd/internal/exit"
)

const unitName = "officiant-node-sync"

// runProgram runs a program of this machine, and returns what it printed.
func runProgram(ctx context.Context, name string, args ...string) ([]byte, error) {
	return exec.CommandContext(ctx, name, args...).CombinedOutput()
}

// install writes the units, reads them again, and has systemd look at them.
func (s *syncOptions) install(ctx context.Context) error {
	if _, _, err := s.runner(ctx); err != nil { // a unit of flags that do not work helps nobody
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir := filepath.Join(s.root, "etc/systemd/system")
	if err := s.Disk.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	service, timer := filepath.Join(dir, unitName+".service"), filepath.Join(dir, unitName+".timer")
	command, err := s.command(program)
	if err != nil {
		return err
	}
	for _, unit := range [][2]string{{service, serviceUnit(command)}, {timer, timerUnit(s.interval, s.jitter)}} {
		path, text := unit[0], unit[1]
		if err := s.Disk.Replace(path, []byte(text), 0o644); err != nil {
			return err
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, []byte(text)) {
			return errors.Join(fmt.Errorf("%s does not hold what was written", path), err)
		}
		fmt.Fprintf(s.Stdout, "wrote %s\n", path)
	}
	out, err := s.Program(ctx, "systemd-analyze", "verify", service, timer)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		fmt.Fprintln(s.Stderr, "there is no systemd-analyze on this machine: systemd has not verified them")
	case err != nil:
		return fmt.Errorf("systemd-analyze verify: %w\n%s", err, exit.Plain(string(out)))
	default:
		fmt.Fprintln(s.Stdout, "systemd-analyze verify finds nothing wrong")
	}
	_, err = fmt.Fprintf(
		s.Stdout,
		"\nstart it with\n  systemctl daemon-reload\n  systemctl enable --now %s.timer\n",
		unitName,
	)
	return err
}

// command is what the service runs: this program, with absolute paths.
func (s *syncOptions) command(program string) (string, error) {
	words := []string{program, "sync", "--once", "--timeout", s.timeout.String(), "--patience", s.patience.String()}
	var problem error
	add := func(flag, value string, file bool) {
		if value == "" {
			return
		}
		if file && !strings.Contains(value, "://") {
			whole, err := filepath.Abs(value)
			problem = errors.Join(problem, err)
			value = whole
		}
		words = append(words, flag, value)
	}
	add("--root", s.root, true)
	add("--from", s.from, true)
	add("--release-key", s.releaseKey, true)
	add("--status-to", s.statusTo, true)
	add("--prometheus", s.textfile, true)
	add("--proxy", s.proxy, false)
	add("--ca", s.ca, true)
	for i, w := range words {
		if strings.ContainsFunc(w, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return "", exit.Usagef("%q cannot stand in a systemd unit", w)
		}
		words[i] = unitWord(w)
	}
	return strings.Join(words, " "), problem
}

// unitWord quotes a word of ExecStart=; % and $ mean something there.
func unitWord(w string) string {
	w = strings.NewReplacer("%", "%%", "$", "$$", `\`, `\\`, `"`, `\"`).Replace(w)
	if strings.ContainsAny(w, " '\";") {
		return `"` + w + `"`
	}
	return w
}

func serviceUnit(command string) string {
	return `# Written by officiant-node sync --install.
[Unit]
Description=Fetch and install this node's newest Officiant bundle
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart=` + command + `
# A run that is ended goes on at the next.
TimeoutStartSec=1h
NoNewPrivileges=yes
PrivateTmp=yes
`
}

func timerUnit(interval, jitter time.Duration) string {
	return fmt.Sprintf(`# Written by officiant-node sync --install.
[Unit]
Description=Fetch and install this node's newest Officiant bundle, again and again

[Timer]
OnBootSec=5min
OnUnitInactiveSec=%ds
RandomizedDelaySec=%ds
AccuracySec=1min

[Install]
WantedBy=timers.target
`, int(interval.Seconds()), int(jitter.Seconds()))
}
