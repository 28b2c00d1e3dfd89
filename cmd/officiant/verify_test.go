package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/ceremony/ceremonytest"
	"officiant/cmd/internal/exit"
)

// verified runs the command and returns its exit code and what it said.
func verified(args ...string) (code int, stdout, stderr string) {
	var out, talk bytes.Buffer
	o := &options{Stdout: &out, Stderr: &talk, Now: time.Now}
	code = execute(context.Background(), o, append([]string{"ceremony", "verify"}, args...))
	return code, out.String(), talk.String()
}

func TestVerifyCommand(t *testing.T) {
	dir, result := ceremonytest.New(t, ceremonytest.Shape{Workers: 1}).Run(t)
	key := filepath.Join(t.TempDir(), "release.pub")
	data, err := os.ReadFile(filepath.Join(dir, "release.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, data, 0o644); err != nil {
		t.Fatal(err)
	}
	root := result.Root.String()
	other := strings.Repeat("00", 32)
	for name, c := range map[string]struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		"release key": {[]string{dir, "--release-key", key}, exit.Done, "ceremony demo-1: verified; ", ""},
		"release key, by its fingerprint": {[]string{dir, "--release-key", result.Release.String()}, exit.Done,
			"ceremony demo-1: verified; ", ""},
		"another release key, by its fingerprint": {[]string{dir, "--release-key", other}, exit.Unverified,
			"FAIL  root and release key are the ones pinned (only the release key was given)",
			"does not verify: 1 finding"},
		"the root as release key": {[]string{dir, "--release-key", root}, exit.Unverified,
			"which is the fingerprint of the root certificate", "does not verify: 1 finding"},
		"the release key as root": {[]string{dir, "--root", result.Release.String()}, exit.Unverified,
			"which is the fingerprint of the release key", "does not verify: 1 finding"},
		"root alone": {[]string{dir, "--root", root}, exit.Unverified,
			"for the record, sealed secrets and bundles the release key does", "origin of the record not established"},
		"root, as read out": {[]string{dir, "--root", result.Root.Grouped(), "--release-key", key}, exit.Done,
			"\n          as pinned\n", ""},
		"people, of nobody": {[]string{dir, "--root", root, "--people", other}, exit.Unverified,
			"FAIL  the people are the ones pinned", "does not verify: 1 finding"},
		"people, not so": {[]string{dir, "--people", "x"}, exit.Usage, "", "--people: "},
		"both": {[]string{dir, "--root", root, "--release-key", key}, exit.Done,
			"ceremony demo-1: verified; ", ""},
		"no pin": {[]string{dir}, exit.Unverified, "not checked: no pin was given",
			"consistent, origin not established"},
		"another root": {[]string{dir, "--root", other}, exit.Unverified, "FAIL  root and release key are the " +
			"ones pinned", "does not verify: 1 finding"},
		"key from inside": {[]string{dir, "--release-key", filepath.Join(dir, "release.pub")}, exit.Done, "verified",
			"is in the directory that it is to vouch for"},
		"not a fingerprint": {[]string{dir, "--root", "x"}, exit.Usage, "", "--root: "},
		"not a key": {[]string{dir, "--release-key", filepath.Join(dir, "plan.yaml")}, exit.Refused, "",
			"plan.yaml"},
		"no such format":   {[]string{dir, "-o", "xml"}, exit.Usage, "", "table, json or yaml"},
		"no directory":     {nil, exit.Usage, "", "takes one ceremony directory"},
		"absent directory": {[]string{filepath.Join(dir, "absent")}, exit.Usage, "", "absent"},
		"previous that lies": {[]string{dir, "--root", root, "--previous", dir}, exit.Unverified,
			"no ceremony here continues it", "does not verify"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := verified(c.args...)
			if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
				t.Errorf("exit %d, want %d\n%s\n%s", code, c.code, stdout, stderr)
			}
		})
	}
	t.Run("json", func(t *testing.T) {
		_, stdout, _ := verified(dir, "--root", root, "--release-key", key, "-o", "json")
		var got struct {
			Verdict string `json:"verdict"`
			Root    string `json:"root"`
			Checks  []any  `json:"checks"`

			Guarantees []struct {
				Number  int    `json:"number"`
				Verdict string `json:"verdict"`
			} `json:"guarantees"`
		}
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || got.Verdict != "verified" || got.Root != root ||
			len(got.Checks) < 10 {
			t.Errorf("%v\n%s", err, stdout)
		}
		if g := got.Guarantees; len(g) != 6 || g[5].Number != 8 || g[5].Verdict != "holds" {
			t.Errorf("%+v", g)
		}
	})
	t.Run("unfinished", func(t *testing.T) {
		path := filepath.Join(dir, "transcript.jsonl")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data[:len(data)/2], 0o644); err != nil {
			t.Fatal(err)
		}
		if code, stdout, stderr := verified(dir, "--root", root); code != exit.Unverified || !strings.Contains(stderr,
			"the ceremony is unfinished") {
			t.Errorf("exit %d\n%s\n%s", code, stdout, stderr)
		}
	})
}
