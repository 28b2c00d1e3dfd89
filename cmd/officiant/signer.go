package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/output"
	"officiant/cmd/internal/terminal"
	"officiant/signer"
)

func newSignerCommand(o *options) *cobra.Command {
	return exit.Group(&cobra.Command{
		Use:   "signer",
		Short: "Tokens and KMS, and the keys in them",
	}, newSignerListCommand(o), newSignerInspectCommand(o), newSignerCreateCommand(o), newSignerTestCommand(o), newSignerImportCommand())
}

// signerOptions is what the signer commands share: how a key is named and reached.
type signerOptions struct {
	*options
	station  string
	label    string
	finalTry string
	makers   attestationRoots // of the commands that open a key
	output   output.Format
}

func (s *signerOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&s.station, "station", "",
		"station `FILE`: sets the environment, and names keys as CLUSTER/NAME")
	output.Flag(c, &s.output)
	finalTryFlag(c, &s.finalTry)
}

// howKeysAreNamed stands in the help of each command that takes a key.
const howKeysAreNamed = `Name a key by its URI, "pkcs11:token=LABEL;serial=SERIAL;object=KEY?module-path=/…",
"gcpkms://…" or "awskms:///…". With --station, you can name it as CLUSTER/NAME: the
station then says where it is. A URI never contains a PIN. You type it, or it comes from
the URI's pin-source.`

// key is the key an argument names, and how far one may go to reach it.
func (s *signerOptions) key(argument string) (signer.Ref, reach, error) {
	to := s.reach()
	to.finalTry = s.finalTry
	var err error
	if to.makers, err = s.makers.read(); err != nil {
		return signer.Ref{}, to, err
	}
	st, err := s.openStation()
	if err != nil {
		return signer.Ref{}, to, err
	}
	if st != nil {
		to = to.at(st)
	}
	if strings.Contains(argument, ":") {
		if _, err := signer.TokenOf(argument); err != nil {
			return signer.Ref{}, to, signer.BadURI(err)
		}
		return signer.Ref{URI: argument, Label: s.label}, to, nil
	}
	cluster, name, ok := strings.Cut(argument, "/")
	if !ok || st == nil || cluster == "" {
		return signer.Ref{}, to, exit.Usagef("%q is no URI; with --station a key is named CLUSTER/NAME", argument)
	}
	ref, err := st.Ref(cluster, name)
	return ref, to, err
}

// openStation reads the station and sets its environment; without one both
// results are nil.
func (s *signerOptions) openStation() (*station.Station, error) {
	if s.station == "" {
		return nil, nil
	}
	return openStation(s.options, s.station)
}

// with opens the store of a key, lets do work with it, and closes it again.
func (s *signerOptions) with(ctx context.Context, ref signer.Ref, to reach, do func(signer.Store) error) error {
	store, err := to.open(ctx, ref, askPIN(s.options))
	if err != nil {
		return err
	}
	return errors.Join(do(store), store.Close())
}

// shownKey describes a key. Its JSON is a promise to scripts.
type shownKey struct {
	Label      string              `json:"label"`
	ID         string              `json:"id"`
	Algorithm  signer.Algorithm    `json:"algorithm"` // empty: Officiant cannot use it
	Grade      signer.Grade        `json:"grade,omitempty"`
	Reason     string              `json:"reason,omitempty"`
	SPKI       *fingerprint.SHA256 `json:"spki,omitempty"`      // of the public key, as a plan's existing names it
	PublicKey  string              `json:"publicKey,omitempty"` // PEM, for whoever certifies it
	Token      shownToken          `json:"token"`
	Attributes map[string]string   `json:"attributes"`
}

// shownToken describes a token or KMS.
type shownToken struct {
	Backend      string   `json:"backend"`
	Label        string   `json:"label"`
	Serial       string   `json:"serial"`
	Model        string   `json:"model"`
	Manufacturer string   `json:"manufacturer"`
	Firmware     string   `json:"firmware"`
	Module       string   `json:"module,omitempty"`
	ModuleSHA256 string   `json:"moduleSha256,omitempty"`
	Software     bool     `json:"software"`
	PIN          []string `json:"pin"` // what its flags tell
}

func showKey(i signer.Info) shownKey {
	return shownKey{
		Label: i.Label, ID: fmt.Sprintf("%x", i.ID), Algorithm: i.Algorithm, Grade: i.Grade, Reason: i.Reason,
		Token: showToken(i.Device), Attributes: i.Attributes,
	}
}

func showToken(d signer.Device) shownToken {
	return shownToken{
		Backend: d.Backend, Label: d.Label, Serial: d.Serial, Model: d.Model, Manufacturer: d.Manufacturer, Firmware: d.Firmware,
		Module: d.Module, ModuleSHA256: d.ModuleSHA256, Software: d.Software, PIN: pinState(d),
	}
}

// pinState says in words what a token's flags tell of its PIN.
func pinState(d signer.Device) []string {
	state := []string{}
	for _, flag := range []struct {
		set  bool
		text string
	}{
		{d.PINLocked, "LOCKED"},
		{d.PINFinalTry, "FINAL TRY"},
		{d.PINCountLow, "a wrong PIN was entered"},
		{d.PINPad, "typed at its own pad"},
	} {
		if flag.set {
			state = append(state, flag.text)
		}
	}
	return state
}

// words is a list as one cell of a table.
func (t shownToken) words() string {
	if len(t.PIN) == 0 {
		return "ok"
	}
	return strings.Join(t.PIN, ", ")
}

func (t shownToken) String() string {
	s := t.Label
	if t.Serial != "" {
		s += ", serial " + t.Serial
	}
	if maker := strings.TrimSpace(t.Manufacturer + " " + t.Model); maker != "" {
		s += ", " + maker
	}
	if t.Firmware != "" {
		s += ", firmware " + t.Firmware
	}
	if t.Software {
		s += ", software"
	}
	return s
}

// writeKey shows a key as a person reads it out.
func writeKey(w io.Writer, k shownKey, width int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "key         %s\n", exit.Line(k.Label))
	fmt.Fprintf(&b, "algorithm   %s\n", k.Algorithm)
	fmt.Fprintf(&b, "id          %s\n", k.ID)
	fmt.Fprintf(&b, "token       %s\n", exit.Line(k.Token.String()))
	if k.Token.Module != "" {
		fmt.Fprintf(&b, "module      %s\n            SHA-256 %s\n", exit.Line(k.Token.Module), k.Token.ModuleSHA256)
	}
	fmt.Fprintf(&b, "evidence    %s\n", k.Grade)
	if k.Reason != "" {
		fmt.Fprintf(&b, "            %s\n", strings.Join(terminal.Fold(exit.Line(k.Reason), max(width-12, 40)), "\n            "))
	}
	if k.SPKI != nil {
		fmt.Fprintf(&b, "public key  %s\n%s\n", k.SPKI, indentLines(k.SPKI.Lines()))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	t := &terminal.Table{Header: []string{"ATTRIBUTE", "VALUE"}}
	for _, name := range slices.Sorted(maps.Keys(k.Attributes)) {
		t.Add(exit.Line(name), exit.Line(shortened(k.Attributes[name])))
	}
	return t.Write(w, width)
}

// longest is how much of an attribute a table shows; JSON has all of it.
const longest = 96

func shortened(value string) string {
	if len(value) <= longest {
		return value
	}
	return fmt.Sprintf("%s… (%d characters; -o json has them all)", value[:longest], len(value))
}
