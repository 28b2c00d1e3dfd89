package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// block is a block of docs/kubeadm.md that is typed somewhere: "```sh PLACE", or
// "```sh PLACE kubeadm" when it takes the real kubeadm.
type block struct {
	place, text string
	kubeadm     bool
}

func blocksOf(page string) []block {
	var out []block
	in := false
	for line := range strings.Lines(page) {
		switch {
		case strings.HasPrefix(line, "```"):
			info := strings.Fields(strings.TrimPrefix(line, "```"))
			if in = len(info) > 1 && info[0] == "sh"; in {
				out = append(out, block{place: info[1], kubeadm: len(info) > 2 && info[2] == "kubeadm"})
			}
		case in:
			out[len(out)-1].text += line
		}
	}
	return out
}

// onNode lets a block be typed as on a machine of its own, whose / is the folder
// it is typed in.
const onNode = `officiant-node() {
  if [ "$1" != verify ]; then command officiant-node "$@" --root "$PWD"; return; fi
  local arguments=() a
  for a in "$@"; do [ "$a" != / ] || a=$PWD; arguments+=("$a"); done
  command officiant-node "${arguments[@]}"
}
kubeadm() {
  if [ "$(id -u)" = 0 ]; then command kubeadm --rootfs "$PWD" "$@"
  else unshare --user --map-root-user "$(command -v kubeadm)" --rootfs "$PWD" "$@"; fi
}
`

// judgePage types the whole of docs/kubeadm.md, kubeadm's commands included. A
// block of kubeadm's is a check of its own: kubeadm has to take the files of the
// nodes the page makes, without a warning.
func judgePage(ctx context.Context, r *report, c *conduct, page string) {
	text, err := os.ReadFile(page)
	dir := filepath.Join(c.dir, "page")
	if err == nil {
		err = c.pageFolder(dir)
	}
	typed, judged := 0, 0
	for _, b := range blocksOf(string(text)) {
		if err != nil {
			break
		}
		blockErr := typeBlock(ctx, dir, b)
		first, _, _ := strings.Cut(b.text, "\n")
		switch {
		case b.kubeadm:
			judged++
			r.check(fmt.Sprintf("docs/kubeadm.md, on %s: %s …", b.place, first), blockErr)
		case blockErr != nil:
			err = blockErr
		default:
			typed++
		}
	}
	if err == nil && (typed < 20 || judged < 3) {
		err = fmt.Errorf("%d blocks were found, and %d for kubeadm", typed, judged)
	}
	r.check("docs/kubeadm.md: every other block can be typed as it stands", err)
}

// pageFolder lays out an empty folder with the three programs in bin.
func (c *conduct) pageFolder(dir string) error {
	bin := filepath.Join(dir, "bin")
	err := errors.Join(os.RemoveAll(dir), os.MkdirAll(bin, 0o755), os.MkdirAll(filepath.Join(dir, "stick"), 0o755))
	for name, program := range map[string]string{"officiant": c.officiant, "officiant-node": c.node, "kubeadm": c.judge.path} {
		err = errors.Join(err, os.Symlink(program, filepath.Join(bin, name)))
	}
	return err
}

func typeBlock(ctx context.Context, dir string, b block) error {
	at := filepath.Join(dir, b.place)
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	if err := os.Symlink("../stick", filepath.Join(at, "stick")); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", onNode+b.text)
	cmd.Dir = at
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		return fmt.Errorf("on %s: %w\n%s\n%s", b.place, err, b.text, out)
	case b.kubeadm && strings.Contains(strings.ToLower(string(out)), "warning"):
		return fmt.Errorf("on %s kubeadm warns\n%s", b.place, out)
	}
	return nil
}
