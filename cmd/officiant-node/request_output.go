package main

import (
	"errors"
	"fmt"
	"io/fs"
	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/phrase"
	"officiant/bundle/request"
	"path/filepath"
	"strings"
)

// write puts the request where it was asked for, and a copy into the state.
func (r *requestOptions) write(state *install.State, node string, data []byte) error {
	err := state.WriteRequest(node, data)
	if errors.Is(err, fs.ErrExist) { // of an earlier run: the newest counts
		err = r.Disk.Replace(filepath.Join(state.Dir(), node+".req"), data, 0o600)
	}
	if err != nil {
		return err
	}
	err = r.Disk.Create(r.out, data, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return r.taken()
	}
	return err
}

func (r *requestOptions) say(
	state *install.State,
	f *facts,
	keys *nodeKeys,
	in *request.Folder,
	opened *request.Opened,
) {
	w := r.Stderr
	first := ""
	if f.node.First {
		first = ", its first control-plane node"
	}
	fmt.Fprintf(
		w,
		"node %s (%s) of cluster %s%s, Kubernetes %s\n",
		f.node.Name,
		roleNames(f.node.Roles),
		f.cluster.Name,
		first,
		f.cluster.KubernetesVersion,
	)
	if !kubepki.Known(f.cluster.KubernetesVersion) {
		fmt.Fprintf(w, "  this release is newer than %s, the newest one known here, whose facts are used\n",
			kubepki.Newest())
	}
	for _, line := range keys.lines(f.algorithm) {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintf(w, "private keys stay in %s\n", filepath.Join(state.Dir(), "keys"))
	for _, name := range in.Ignored {
		fmt.Fprintf(w, "  %s is not needed by this node and was left out\n", name)
	}
	fmt.Fprintf(w, "wrote %s: %s, nothing secret\n", r.out, phrase.Count(len(opened.CSRs), "certificate request"))
}

func printRequestFingerprint(w interface{ Write([]byte) (int, error) }, f fingerprint.SHA256) {
	fmt.Fprintf(w, "\nfingerprint of the request\n  SHA-256 %s\n", f)
	for _, line := range f.Lines() {
		fmt.Fprintf(w, "    %s\n", line)
	}
	fmt.Fprintln(w, "\nRead the words to whoever writes the plan, by telephone or face to face; the file itself may "+
		"travel any way.")
}

func roleNames(roles []kubepki.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return strings.Join(names, ", ")
}
