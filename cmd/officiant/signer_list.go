package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
	"officiant/signer"
	"officiant/signer/pkcs11"
)

type signerListOptions struct {
	signerOptions
	modules []string
}

func newSignerListCommand(o *options) *cobra.Command {
	s := &signerListOptions{signerOptions: signerOptions{options: o}}
	c := &cobra.Command{
		Use:   "list [URI]",
		Short: "List modules, tokens and PIN flags, or the keys of one token or KMS",
		Long: `Without an argument, list the PKCS#11 modules in their usual places (or those given with
--module, or named in the --station), their tokens, and what the tokens' flags say about
their PINs. It asks for no PIN and does not log in.

With a URI that names a token or KMS, log in to it, and list its keys. An argument
without a scheme is a key of the --station, CLUSTER/NAME; its token is listed.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return exit.Usagef("%s takes one token or KMS, or none", exit.Below(c))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return s.keys(c.Context(), args[0])
			}
			return s.tokens(c.Context())
		},
	}
	s.flags(c)
	c.Flags().StringArrayVar(&s.modules, "module", nil, "`PATH` of a PKCS#11 module to list; repeatable")
	return c
}

// listedModule is a PKCS#11 module and its tokens. Its JSON is a promise to scripts.
type listedModule struct {
	Path   string        `json:"path"`
	Error  string        `json:"error,omitempty"` // why its tokens are not known
	Tokens []listedToken `json:"tokens"`
}

// listedModules and listedKeys are what list prints.
type listedModules struct {
	Modules []listedModule `json:"modules"`
}

type listedKeys struct {
	Token shownToken `json:"token"`
	Keys  []shownKey `json:"keys"`
}

type listedToken struct {
	shownToken
	Unready string `json:"unready,omitempty"` // why it cannot be opened
}

// tokens lists what can be seen without a login. A module that fails hides no other.
func (s *signerListOptions) tokens(ctx context.Context) error {
	st, err := s.openStation()
	if err != nil {
		return err
	}
	paths, err := s.paths(st)
	if err != nil {
		return err
	}
	to := pkcs11.Options{Said: s.moduleSays}
	if st != nil {
		to = s.reach().at(st).tokens()
	}
	listed := []listedModule{}
	for _, path := range paths {
		listed = append(listed, look(ctx, path, to))
	}
	switch {
	case s.output.Fields():
		err = s.output.Write(s.Stdout, listedModules{listed})
	case len(listed) == 0:
		fmt.Fprintln(s.Stderr, "No PKCS#11 module where they are usually installed; name one with --module PATH.")
	default:
		err = s.writeModules(listed)
	}
	if err != nil {
		return err
	}
	if len(s.modules) > 0 { // a module that was named has to work
		for _, m := range listed {
			if m.Error != "" {
				return &exit.Error{Code: exit.Unavailable, Err: errors.New(m.Error)}
			}
		}
	}
	return nil
}

// paths are the modules to look into: the ones given, or the station's, or all
// there are in the usual places.
func (s *signerListOptions) paths(st *station.Station) ([]string, error) {
	paths := s.modules
	if st != nil && len(paths) == 0 {
		for _, uri := range st.Keys {
			if !strings.HasPrefix(uri, "pkcs11:") {
				continue
			}
			path, _, err := pkcs11.Module(signer.Ref{URI: uri})
			if err != nil {
				return nil, err
			}
			paths = append(paths, path)
		}
		slices.Sort(paths)
		return slices.Compact(paths), nil
	}
	if len(paths) == 0 {
		return pkcs11.Modules(), nil
	}
	return paths, nil
}

func look(ctx context.Context, path string, to pkcs11.Options) listedModule {
	m := listedModule{Path: path, Tokens: []listedToken{}}
	tokens, err := to.Tokens(ctx, path)
	if err != nil {
		m.Error = err.Error()
	}
	for _, t := range tokens {
		m.Tokens = append(m.Tokens, listedToken{showToken(t.Device), t.Unready})
	}
	return m
}

func (s *signerListOptions) writeModules(listed []listedModule) error {
	for i, m := range listed {
		if i > 0 {
			fmt.Fprintln(s.Stdout)
		}
		fmt.Fprintf(s.Stdout, "module %s\n", exit.Line(m.Path))
		if m.Error != "" {
			fmt.Fprintf(s.Stdout, "  %s\n", exit.Plain(m.Error))
			continue
		}
		if len(m.Tokens) == 0 {
			fmt.Fprintln(s.Stdout, "  no token")
			continue
		}
		t := &terminal.Table{Header: []string{"  TOKEN", "SERIAL", "MODEL, FIRMWARE", "PIN"}}
		for _, token := range m.Tokens {
			pin := token.words()
			if token.Unready != "" {
				pin = token.Unready
			}
			t.Add(
				"  "+exit.Line(token.Label),
				exit.Line(token.Serial),
				exit.Line(token.Model+", "+token.Firmware),
				exit.Line(pin),
			)
		}
		if err := t.Write(s.Stdout, terminal.Width(s.Stdout)); err != nil {
			return err
		}
	}
	return nil
}

// keys lists the keys of one token or KMS.
func (s *signerListOptions) keys(ctx context.Context, argument string) error {
	ref, to, err := s.key(argument)
	if err != nil {
		return err
	}
	if len(s.modules) > 0 {
		return exit.Usagef("--module cannot be combined with a URI; a URI names its module by module-path")
	}
	return s.with(ctx, ref, to, func(store signer.Store) error {
		lister, ok := store.(signer.Lister)
		if !ok {
			return fmt.Errorf("%w: its keys cannot be listed", signer.ErrUnsupported)
		}
		infos, err := lister.List(ctx)
		if err != nil {
			return err
		}
		var token shownToken
		if d, ok := store.(signer.Describer); ok {
			token = showToken(d.Describe())
		}
		return s.writeKeys(token, infos)
	})
}

func (s *signerListOptions) writeKeys(token shownToken, infos []signer.Info) error {
	if s.output.Fields() {
		keys := []shownKey{}
		for _, i := range infos {
			keys = append(keys, showKey(i))
		}
		return s.output.Write(s.Stdout, listedKeys{token, keys})
	}
	fmt.Fprintf(s.Stdout, "token %s\n", exit.Line(token.String()))
	if len(infos) == 0 {
		fmt.Fprintln(s.Stdout, "  no keys")
		return nil
	}
	t := &terminal.Table{Header: []string{"  KEY", "ALGORITHM", "EVIDENCE", "ID"}}
	for _, i := range infos {
		algorithm, evidence := string(i.Algorithm), string(i.Grade)
		if algorithm == "" {
			algorithm, evidence = "not for Officiant", i.Reason
		}
		t.Add("  "+exit.Line(i.Label), algorithm, exit.Line(evidence), fmt.Sprintf("%x", i.ID))
	}
	return t.Write(s.Stdout, terminal.Width(s.Stdout))
}
