package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"officiant/bundle/durable"
	"officiant/ceremony/history"
	"officiant/ceremony/next"
	"officiant/ceremony/plan"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
)

// noPlanAt refuses to write a plan over what is there.
func noPlanAt(file string) error {
	_, err := os.Lstat(file)
	switch {
	case err == nil:
		return exit.Exists("%s: already exists; plans are never overwritten, so give another --out", file)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

// desk is where a plan is written.
func (o *options) desk(out string) next.Desk {
	dir := filepath.Dir(out)
	return next.Desk{Folder: os.DirFS(dir), Dir: dir, Now: o.Now()}
}

// input reads a file that a plan may name.
func input(desk next.Desk, file string) (next.File, error) {
	data, err := infile.ReadFile(context.Background(), file, 2<<20)
	return next.File{Name: file, Data: data, Below: below(desk.Dir, file)}, err
}

// inputIf reads a file that was given; nil when none was.
func inputIf(desk next.Desk, file string) (*next.File, error) {
	if file == "" {
		return nil, nil
	}
	f, err := input(desk, file)
	return &f, err
}

// below is a file's path below a folder, with slashes; empty when it lies elsewhere,
// or has a name that no input can have.
func below(folder, file string) string {
	folder, err := realPath(folder)
	if err != nil {
		return ""
	}
	real, err := realPath(file)
	if err != nil {
		return ""
	}
	rel, err := filepath.Rel(folder, real)
	if err != nil || plan.CheckInputPath(filepath.ToSlash(rel)) != nil {
		return ""
	}
	return filepath.ToSlash(rel)
}

func realPath(p string) (string, error) {
	p, err := filepath.Abs(p)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(p)
}

// requestsIn reads the folder that nodes' requests came in.
func requestsIn(desk next.Desk, dir string) (next.Requests, error) {
	out := next.Requests{Dir: dir}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return out, err
	}
	for _, e := range entries {
		f := next.File{Name: filepath.Join(dir, e.Name())}
		info, err := os.Stat(f.Name)
		if err != nil {
			return out, err
		}
		if info.Mode().IsRegular() { // what is larger than any request is seen not to be one
			if f.Data, err = readUpTo(f.Name, next.MaxRequest+1); err != nil {
				return out, err
			}
			f.Below = below(desk.Dir, f.Name)
		}
		out.Files = append(out.Files, f)
	}
	return out, nil
}

// statusesIn reads the folder of what nodes say of themselves.
func statusesIn(dir string) (next.Statuses, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return next.Statuses{}, err
	}
	if info, err := os.Stat(dir); err != nil {
		return next.Statuses{}, err
	} else if !info.IsDir() {
		return next.Statuses{}, refuse("--status %s: not a folder", dir)
	}
	var files []next.File
	for _, name := range names {
		data, err := readUpTo(name, next.MaxStatus+1)
		if err != nil {
			return next.Statuses{}, err
		}
		files = append(files, next.File{Name: name, Data: data})
	}
	return next.ParseStatuses(dir, files)
}

// readUpTo reads a file, and no more of it than a number of bytes.
func readUpTo(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// find looks for ceremonies in directories, and in folders that hold some.
func find(paths []string) (*history.Archive, error) {
	archive, err := history.Find(paths...)
	var broken *history.Broken
	if errors.As(err, &broken) {
		return nil, &exit.Error{
			Code:  exit.Refused,
			Err:   err,
			Hints: []string{"to see what is wrong: officiant ceremony verify DIR"},
		}
	}
	return archive, err
}

// chainOf finds a cluster's ceremonies.
func chainOf(paths []string, cluster string) (next.Chain, error) {
	archive, err := find(paths)
	if err != nil {
		return next.Chain{}, err
	}
	return next.OpenChain(archive, cluster, os.DirFS)
}

// write leaves a plan, and before it the inputs it names.
func (o *options) write(file string, p *next.Proposal) error {
	text, err := plan.New(p.Document)
	if err != nil {
		return err
	}
	folder := filepath.Dir(file)
	if err := o.writeCopies(folder, p.Files); err != nil {
		return err
	}
	if err := placeSchema(o, folder); err != nil {
		return err
	}
	return o.Disk.Create(file, text, 0o644)
}

// writeCopies leaves the copies below the folder. There may be thousands, so they
// are synced many at once, and their folders at the end.
func (o *options) writeCopies(folder string, copies []next.Copy) error {
	var folders []string
	for group := range slices.Chunk(copies, 256) {
		files := make([]durable.File, len(group))
		for i, c := range group {
			full := filepath.Join(folder, filepath.FromSlash(c.Path))
			files[i] = durable.File{Path: full, Mode: 0o644, Fill: func(w io.Writer) error {
				_, err := c.WriteTo(w)
				return err
			}}
			if folder := filepath.Dir(full); !slices.Contains(folders, folder) {
				if err := o.Disk.MkdirAll(folder, 0o755); err != nil {
					return err
				}
				folders = append(folders, folder)
			}
		}
		staged, err := o.Disk.StageAll(files)
		if err != nil {
			return err
		}
		for i, name := range staged {
			if err := o.Disk.RenameNoReplace(name, files[i].Path); err != nil {
				return err
			}
		}
	}
	return o.Disk.SyncDirs(folders)
}

// note says what a plan's writer should know.
func (o *options) note(p *next.Proposal) {
	for _, note := range p.Notes {
		fmt.Fprintf(o.Stderr, "note: %s\n", exit.Line(note))
	}
}

// compare prints the fingerprints that people have to compare.
func (o *options) compare(p *next.Proposal) error {
	o.note(p)
	for _, r := range p.Requests {
		fmt.Fprintf(o.Stderr, "Compare with what node %s printed, over another channel than its request:\n",
			r.Node.Name)
		_, err := fmt.Fprintf(
			o.Stdout,
			"%s  %s\n%s",
			exit.Line(r.Node.Name),
			r.Node.Request,
			indentLines(r.Fingerprint.Lines()),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

// thenCheck ends what is said about a plan that was written with the next command.
func (o *options) thenCheck(file string) {
	fmt.Fprintf(o.Stderr, "\nNext:  officiant ceremony check %s\n", file)
}

func refuse(format string, args ...any) error {
	return &exit.Error{Code: exit.Refused, Err: fmt.Errorf(format, args...)}
}
