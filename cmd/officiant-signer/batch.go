package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"officiant/bundle/durable"
	"officiant/ceremony/online"
	"officiant/ceremony/online/csrlist"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
)

// batchOptions are the flags of batch.
type batchOptions struct {
	signing
	out string
}

func newBatchCommand(o *options) *cobra.Command {
	b := &batchOptions{signing: signing{options: o}}
	c := &cobra.Command{
		Use:   "batch REQUESTS",
		Short: "Answer the requests in the output of kubectl get csr -o json",
		Long: `Batch answers the CertificateSigningRequests of a cluster offline. It reads the output of
kubectl get csr -o json, and signs and denies as serve does, under the same grant and in
the same journal. It writes the answers into a new folder, with apply.sh, which applies
them with kubectl replace --raw.

It skips requests that are finished, and those for other signers. If some could not be
decided now (exit code 5), run the same command with another folder to continue: a
request that already got a certificate gets the same one again.`,
		Args: exit.ExactArgs(1, "one file"),
		RunE: func(c *cobra.Command, args []string) error { return b.batch(c.Context(), args[0]) },
	}
	b.flags(c)
	c.Flags().StringVar(&b.out, "out", "", "new `FOLDER` for the answers")
	_ = c.MarkFlagRequired("out") // the flag is there
	return c
}

// answered is an object and what became of it.
type answered struct {
	item   *csrlist.Item
	answer online.Answer
}

func (b *batchOptions) batch(ctx context.Context, path string) error {
	if _, err := os.Lstat(b.out); !errors.Is(err, fs.ErrNotExist) {
		return exit.Exists("%s is there already", b.out)
	}
	data, err := infile.ReadFile(ctx, path, csrlist.MaxBytes)
	if err != nil {
		return err
	}
	items, err := csrlist.Read(path, data)
	if err != nil {
		return &exit.Error{Code: exit.Refused, Err: err}
	}
	in, err := b.read(ctx)
	if err != nil {
		return err
	}
	var asked []*answered
	for i := range items {
		if _, ours := in.grant.Authority(items[i].Request.SignerName); ours && items[i].Done == "" {
			asked = append(asked, &answered{item: &items[i]})
		}
	}
	service := b.service(in, slog.New(slog.DiscardHandler))
	work, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(work) }()
	askAll(ctx, service, asked)
	end()
	if err := <-ended; err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return b.write(asked, len(items)-len(asked))
}

// askAll asks for all, a few at once.
func askAll(ctx context.Context, service *online.Service, asked []*answered) {
	next := make(chan *answered)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for a := range next {
				a.answer = service.Ask(ctx, a.item.Request)
			}
		})
	}
	for _, a := range asked {
		next <- a
	}
	close(next)
	wg.Wait()
}

// write writes what goes back, whole or not at all, and says what became of what.
func (b *batchOptions) write(asked []*answered, others int) error {
	script := "#!/bin/sh\n# Puts answers back; kubectl's configuration says where.\nset -eu\ncd \"$(dirname \"$0\")\"\n"
	counts := map[online.State]int{}
	files := map[string][]byte{}
	put := func(a *answered, part string, data []byte, err error) error {
		name := a.item.Name + "." + part + ".json"
		script += fmt.Sprintf("kubectl replace --raw %s -f %s\n", csrlist.Path(a.item.Name, part), name)
		files[name] = data
		return err
	}
	for _, a := range asked {
		counts[a.answer.State]++
		fmt.Fprintf(b.Stderr, "%s: %s\n", exit.Line(a.item.Name), exit.Line(strings.TrimSpace(fmt.Sprintf("%s %s %s",
			a.answer.State, a.answer.Reason, a.answer.Detail))))
		if a.answer.State == online.Later {
			continue
		}
		denied := ""
		if a.answer.State == online.Denied {
			denied = string(a.answer.Reason)
		}
		if denied != "" || !a.item.Approved {
			data, err := a.item.Approve(denied, a.answer.Detail, b.Now())
			if err = put(a, "approval", data, err); err != nil {
				return err
			}
		}
		if denied == "" {
			data, err := a.item.Certify(a.answer.Certificate)
			if err = put(a, "status", data, err); err != nil {
				return err
			}
		}
	}
	files["apply.sh"] = []byte(script)
	if err := b.folder(files); err != nil {
		return err
	}
	fmt.Fprintf(b.Stdout, "%d signed, %d denied, %d later, %d for others or done with\n", counts[online.Signed],
		counts[online.Denied], counts[online.Later], others)
	fmt.Fprintf(b.Stderr, "next: %s\n", exit.Line(filepath.Join(b.out, "apply.sh")))
	if counts[online.Later] > 0 {
		return &exit.Error{Code: exit.Unavailable}
	}
	return nil
}

// folder writes files under another name of the folder, and gives it its own at the end.
func (b *batchOptions) folder(files map[string][]byte) error {
	out := filepath.Clean(b.out)
	temp := filepath.Join(filepath.Dir(out), durable.TempName(filepath.Base(out)))
	err := b.Disk.MkdirAll(temp, 0o755)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		mode := fs.FileMode(0o644)
		if name == "apply.sh" {
			mode = 0o755
		}
		if err == nil {
			err = b.Disk.Create(filepath.Join(temp, name), files[name], mode)
		}
	}
	if err == nil {
		err = b.Disk.RenameNoReplace(temp, out)
	}
	if err != nil {
		return errors.Join(err, b.Disk.RemoveAll(temp))
	}
	return b.Disk.SyncDir(filepath.Dir(out))
}
