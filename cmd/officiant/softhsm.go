package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
	"officiant/softhsm"
)

func newSoftHSMCommand(o *options) *cobra.Command {
	return exit.Group(&cobra.Command{Use: "softhsm", Short: "Throw-away tokens for rehearsals, the demo and tests"}, newSoftHSMInitCommand(o))
}

// softToken is a token, where its PIN is kept, and the keys that the station has on it.
type softToken struct {
	label, pinFile string
	keys           []string
}

// softTokens are the two tokens of a room: the root has one of its own.
var softTokens = []softToken{
	{"officiant-root", "root.pin", []string{"root"}},
	{"officiant-issuing", "issuing.pin", []string{"kubernetes", "etcd", "front-proxy", "release"}},
}

// onlineToken is the one that goes to an online signer's host after the ceremony.
var onlineToken = softToken{"officiant-online", "online.pin", []string{"kubelet-serving", "kubelet-client", "journal"}}

type softHSMOptions struct {
	*options
	dir, station, module string
	askPINs, online      bool
}

// chosen are the tokens that are made.
func (s *softHSMOptions) chosen() []softToken {
	if s.online {
		return append(softTokens[:len(softTokens):len(softTokens)], onlineToken)
	}
	return softTokens
}

func newSoftHSMInitCommand(o *options) *cobra.Command {
	s := &softHSMOptions{options: o}
	c := &cobra.Command{
		Use:   "init --dir DIR --station FILE",
		Short: "Create two throw-away tokens and the station file that names them",
		Long: `Create two SoftHSM tokens in DIR, officiant-root and officiant-issuing, and write the
station file that says which token holds which key. Their PINs are random and stored in
DIR/root.pin and DIR/issuing.pin. With --ask-pins, you type them; they are not stored, and
each ceremony asks for them again. Nothing is overwritten.

With --online-signer there is a third one, officiant-online, for the keys of the
authorities that an online signer uses, and for its journal's.

SoftHSM keeps keys in files: whoever can read DIR has them. These tokens are for
rehearsals, the demo and tests, never for keys that matter.`,
		Args: exit.ExactArgs(0, "no arguments, only flags"),
		RunE: func(c *cobra.Command, _ []string) error { return s.run(c.Context()) },
	}
	f := c.Flags()
	f.StringVar(&s.dir, "dir", "", "`DIR` to create for the tokens (required)")
	f.StringVar(&s.station, "station", "", "station `FILE` to write (required)")
	f.StringVar(&s.module, "module", "", "`PATH` of libsofthsm2.so (default: its usual places)")
	f.BoolVar(&s.online, "online-signer", false, "create a third token, for the keys of an online signer")
	f.BoolVar(&s.askPINs, "ask-pins", false, "type the PINs, and do not store them")
	return c
}

func (s *softHSMOptions) run(ctx context.Context) error {
	if s.dir == "" || s.station == "" {
		return exit.Usagef("softhsm init needs --dir DIR and --station FILE")
	}
	module, err := s.findModule()
	if err != nil {
		return &exit.Error{Code: exit.Unavailable, Err: err}
	}
	dir, err := filepath.Abs(s.dir)
	if err != nil {
		return err
	}
	for _, path := range []string{s.station, filepath.Join(dir, "softhsm2.conf"), filepath.Join(dir, "tokens")} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return exit.Exists("%s: already exists; tokens and stations are never overwritten, so give another "+
				"--dir and --station", path)
		}
	}
	tokens, err := s.tokens(ctx)
	defer func() {
		for _, t := range tokens {
			clear(t.PIN)
			clear(t.SOPIN)
		}
	}()
	if err != nil {
		return err
	}
	if err := s.Disk.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := s.keepPINs(dir, tokens); err != nil {
		return err
	}
	conf, made, err := softhsm.Init(dir, module, tokens, s.Setenv)
	if err != nil {
		return &exit.Error{Code: exit.Unavailable, Err: err, Hints: []string{"remove " + s.dir + " before trying again"}}
	}
	if err := s.Disk.MkdirAll(filepath.Dir(s.station), 0o755); err != nil {
		return err
	}
	if err := s.Disk.Create(s.station, s.stationFile(dir, module, conf, made), 0o644); err != nil {
		return err
	}
	s.say(dir, made)
	return nil
}

// findModule returns the absolute path of SoftHSM's module.
func (s *softHSMOptions) findModule() (string, error) {
	if s.module == "" {
		return softhsm.Find()
	}
	if _, err := os.Stat(s.module); err != nil {
		return "", fmt.Errorf("--module: %w", err)
	}
	return filepath.Abs(s.module)
}

// tokens chooses PINs. The security officers' are random and not kept: a
// throw-away token whose PIN is lost is thrown away.
func (s *softHSMOptions) tokens(ctx context.Context) ([]softhsm.Token, error) {
	var tokens []softhsm.Token
	for _, t := range s.chosen() {
		so, err := s.randomPIN()
		if err != nil {
			return tokens, err
		}
		tokens = append(tokens, softhsm.Token{Label: t.label, SOPIN: so})
		choose := s.randomPIN
		if s.askPINs {
			choose = func() ([]byte, error) { return s.typedPIN(ctx, t.label) }
		}
		if tokens[len(tokens)-1].PIN, err = choose(); err != nil {
			return tokens, err
		}
	}
	return tokens, nil
}

func (s *softHSMOptions) randomPIN() ([]byte, error) {
	raw := make([]byte, 12)
	defer clear(raw)
	if _, err := io.ReadFull(s.Rand, raw); err != nil {
		return nil, err
	}
	return hex.AppendEncode(nil, raw), nil
}

func (s *softHSMOptions) typedPIN(ctx context.Context, label string) ([]byte, error) {
	ask := &terminal.Prompter{In: s.Stdin, Out: s.Stderr}
	pin, err := ask.Secret(ctx, "new PIN of "+label+": ")
	if err != nil {
		return pin, fmt.Errorf("--ask-pins: %w", err)
	}
	again, err := ask.Secret(ctx, "the same again: ")
	defer clear(again)
	if err == nil && !bytes.Equal(pin, again) {
		err = errors.New("the two PINs differ")
	}
	if err != nil {
		return pin, fmt.Errorf("PIN of %s: %w", label, err)
	}
	return pin, nil
}

// keepPINs writes the PINs that nobody typed to where the station reads them.
func (s *softHSMOptions) keepPINs(dir string, tokens []softhsm.Token) error {
	if s.askPINs {
		return nil
	}
	for i, t := range tokens {
		line := append(bytes.Clone(t.PIN), '\n')
		err := s.Disk.Create(filepath.Join(dir, s.chosen()[i].pinFile), line, 0o600)
		clear(line)
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *softHSMOptions) stationFile(dir, module, conf string, made []softhsm.Made) []byte {
	var b bytes.Buffer
	number := "Two"
	if s.online {
		number = "Three"
	}
	fmt.Fprintf(&b, "# %s throw-away SoftHSM tokens, made by \"officiant softhsm init\".\n"+
		"# For rehearsals, the demo and tests: whoever can read their files has the keys.\n"+
		"apiVersion: officiant/v1\nkind: Station\nname: softhsm\nkeys:\n", number)
	for i, t := range s.chosen() {
		uri := fmt.Sprintf("pkcs11:token=%s;serial=%s?module-path=%s", escape(made[i].Label), escape(made[i].Serial), escape(module))
		if !s.askPINs {
			file := url.URL{Scheme: "file", Path: filepath.Join(dir, t.pinFile), OmitHost: true}
			uri += "&pin-source=" + escape(file.String())
		}
		for _, key := range t.keys {
			fmt.Fprintf(&b, "  %s: %s\n", key, strconv.Quote(uri))
		}
	}
	fmt.Fprintf(&b, "environment:\n  SOFTHSM2_CONF: %s\n", strconv.Quote(conf))
	return b.Bytes()
}

// escape percent-encodes an attribute's value for a pkcs11 URI, and leaves
// slashes and colons, which RFC 7512 section 2.3 allows in a query.
func escape(s string) string {
	return strings.NewReplacer("+", "%20", "%2F", "/", "%3A", ":").Replace(url.QueryEscape(s))
}

func (s *softHSMOptions) say(dir string, made []softhsm.Made) {
	for i, m := range made {
		pin := "PIN in " + filepath.Join(dir, s.chosen()[i].pinFile)
		if s.askPINs {
			pin = "PIN as typed, stored nowhere"
		}
		terminal.Hang(s.Stderr, "token ", fmt.Sprintf("%-17s serial %s, %s", m.Label, m.Serial, pin))
	}
	fmt.Fprintf(s.Stderr, "station %s\nThese tokens are files: never for keys that matter.\n", s.station)
}
