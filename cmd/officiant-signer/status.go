package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"officiant/ceremony/online"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/output"
)

func newStatusCommand(o *options) *cobra.Command {
	var listen string
	var format output.Format
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the state of a running signer",
		Long: `Status asks a signer on this machine, through its Unix socket, for its state: token,
journal, clock, grant, authorities. Exit code 5 means that it does not answer, or could
sign nothing now.`,
		Args: exit.ExactArgs(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			path, ok := strings.CutPrefix(listen, "unix:")
			if !ok {
				return exit.Usagef("--listen %s: status asks a Unix socket, unix:PATH; others have /readyz", listen)
			}
			st, err := askStatus(c.Context(), path)
			if err != nil {
				return &exit.Error{Code: exit.Unavailable, Err: fmt.Errorf("%s: the signer does not answer: %w",
					path, err)}
			}
			if err := o.printStatus(st, format); err != nil {
				return err
			}
			if !st.Ready {
				return &exit.Error{Code: exit.Unavailable}
			}
			return nil
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "the signer's socket: unix:`PATH`")
	_ = c.MarkFlagRequired("listen") // the flag is there
	output.Flag(c, &format)
	return c
}

func askStatus(ctx context.Context, path string) (*online.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn,
		error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://signer/v1/status", nil)
	if err != nil {
		return nil, err
	}
	w, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer w.Body.Close()
	st := &online.Status{}
	if err := json.NewDecoder(io.LimitReader(w.Body, 1<<20)).Decode(st); err != nil || w.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d, %v", w.StatusCode, err)
	}
	return st, nil
}

func (o *options) printStatus(st *online.Status, format output.Format) error {
	if format.Fields() {
		return format.Write(o.Stdout, st)
	}
	well := func(s string) string {
		if s == "" {
			return "well"
		}
		return s
	}
	ready := "no"
	if st.Ready {
		ready = "yes"
	}
	lines := [][2]string{{"cluster", st.Cluster}, {"ready", ready}, {"token", well(st.Token)}, {"journal",
		well(st.Journal)},
		{"clock", well(st.Clock)}, {"grant", fmt.Sprintf("%d, until %s", st.Grant, st.GrantEnds.Format(time.DateTime))}}
	for _, name := range slices.Sorted(maps.Keys(st.Authorities)) {
		lines = append(lines, [2]string{name, "until " + st.Authorities[name].Format(time.DateTime)})
	}
	lines = append(lines, [2]string{"head", fmt.Sprintf("%d:%s", st.Head.Seq, st.Head.Hash)},
		[2]string{"waiting", fmt.Sprint(st.Waiting)})
	for _, l := range lines {
		if _, err := fmt.Fprintf(o.Stdout, "%-16s %s\n", l[0], exit.Line(l[1])); err != nil {
			return err
		}
	}
	return nil
}
