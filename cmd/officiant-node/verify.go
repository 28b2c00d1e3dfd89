package main

import (
	"context"
	"crypto"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
	"officiant/cmd/internal/output"
)

// Verdicts of verify; the second means that nothing was found, but nobody
// trusted has said whose work this is.
const (
	verified      = "verified"
	unknownOrigin = "consistent, origin not established"
	notVerified   = "not verified"
)

type verifyOptions struct {
	*options
	root, releaseKey, rootCA, validFor string
	output                             output.Format
	allow                              []string
}

func newVerifyCommand(o *options) *cobra.Command {
	v := &verifyOptions{options: o}
	c := &cobra.Command{
		Use:   "verify BUNDLE | --root DIR",
		Short: "Verify a bundle, or what is installed on a node",
		Long: `Verify checks a bundle (a folder or a .tar) from the release key's signature down to
each certificate: file set, hashes, names, usages, issuers, dates, trust files. With
--root, it checks what is installed below DIR, including modes, owners and private keys,
and that there are no other files. For this machine, use --root /. It changes nothing.

Exit code 4 means not verified. Without --release-key, nothing can be verified: a bundle
without a finding may still come from anybody.`,
		Args: func(_ *cobra.Command, args []string) error {
			if (len(args) == 1) == (v.root != "") || len(args) > 1 {
				return exit.Usagef("verify takes a bundle, or --root DIR for what is installed there")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return v.run(c.Context(), args)
		},
	}
	c.Flags().StringVar(&v.root, "root", "", "check what is installed below this directory")
	c.Flags().StringVar(&v.releaseKey, "release-key", "", "the ceremony's release.pub, from a source you trust")
	c.Flags().StringVar(&v.rootCA, "root-ca", "", "required SHA-256 of the root certificate, in hex")
	c.Flags().StringVar(&v.validFor, "valid-for", "", "require everything to be valid this much longer: 30d, 720h")
	c.Flags().StringSliceVar(&v.allow, "allow", nil,
		"with --root: allow this file below /etc/kubernetes, which is not from the bundle; repeatable")
	output.Flag(c, &v.output)
	return c
}

// verdict is what verify prints.
type verdict struct {
	What        string           `json:"what"`
	Cluster     string           `json:"cluster,omitempty"`
	Node        string           `json:"node,omitempty"`
	Sequence    int              `json:"sequence,omitempty"`
	Ceremony    string           `json:"ceremony,omitempty"`
	NotAfter    string           `json:"notAfter,omitempty"`
	Root        string           `json:"rootSHA256,omitempty"`
	Adopted     []string         `json:"adopted,omitempty"`           // families whose authority kubeadm made
	RootsBeside []string         `json:"rootsBesideSHA256,omitempty"` // during a rollover
	Checks      []checked        `json:"checks"`
	Files       []verifiedFile   `json:"files"`
	Findings    []bundle.Finding `json:"findings"`
	Verdict     string           `json:"verdict"`
}

// verifiedFile is a file and what its certificate says.
type verifiedFile struct {
	File     string `json:"file"`
	Subject  string `json:"subject,omitempty"`
	NotAfter string `json:"notAfter,omitempty"`
	Findings int    `json:"findings"`
}

// checked is one group of checks and how it came out.
type checked struct {
	Name   string `json:"name"`
	Result string `json:"result"` // "ok", "failed", "not checked", "to do"
	Detail string `json:"detail"`
}

func (v *verdict) check(name string, findings []bundle.Finding, detail string) {
	result := "ok"
	if len(findings) > 0 {
		result = "failed"
	}
	v.Checks = append(v.Checks, checked{name, result, detail})
	v.Findings = append(v.Findings, findings...)
}

func (v *verdict) describe(b *bundle.Bundle) {
	v.Cluster, v.Node, v.Sequence = b.Cluster, b.Node, b.Sequence
	v.Ceremony, v.NotAfter = b.Ceremony.String(), b.NotAfter.Format(time.RFC3339)
	if roots, err := b.RootCertificates(); err == nil {
		v.Root = fingerprint.Of(roots[0].Raw).String()
		for _, r := range roots[1:] {
			v.RootsBeside = append(v.RootsBeside, fingerprint.Of(r.Raw).String())
		}
	}
	if facts, err := b.Facts(); err == nil {
		for _, family := range slices.Sorted(maps.Keys(facts.Adopted)) {
			v.Adopted = append(v.Adopted, fmt.Sprintf("%s %s", facts.Adopted[family], family))
		}
	}
}

func (v *verifyOptions) run(ctx context.Context, args []string) error {
	span, err := parseSpan(v.validFor)
	if err != nil {
		return exit.Usagef("--valid-for: %w", err)
	}
	if len(v.allow) > 0 && v.root == "" {
		return exit.Usagef("--allow is for --root: a bundle holds what is listed in it, and nothing else")
	}
	var root *fingerprint.SHA256
	if v.rootCA != "" {
		f, err := fingerprint.Parse(v.rootCA)
		if err != nil {
			return exit.Usagef("--root-ca: %w", err)
		}
		root = &f
	}
	var release crypto.PublicKey
	if v.releaseKey != "" {
		if release, err = readReleaseKey(ctx, v.releaseKey); err != nil {
			return err
		}
	}
	result := &verdict{Checks: []checked{}, Files: []verifiedFile{}, Findings: []bundle.Finding{}}
	if v.root != "" {
		err = v.tree(result, install.VerifyOptions{Release: release, Root: root, ValidFor: span, Allow: v.allow})
	} else {
		err = v.bundle(result, args[0], release, bundle.CheckOptions{Now: v.Now(), Root: root, ValidFor: span})
	}
	if err != nil {
		return err
	}
	switch {
	case len(result.Findings) > 0:
		result.Verdict = notVerified
	case release == nil:
		result.Verdict = unknownOrigin
	default:
		result.Verdict = verified
	}
	if err := result.print(v.Stdout, v.output); err != nil {
		return err
	}
	switch result.Verdict {
	case verified:
		return nil
	case unknownOrigin:
		return &exit.Error{Code: exit.Unverified, Hints: []string{
			"give --release-key with the ceremony's release.pub, from a source you trust"}}
	}
	return &exit.Error{Code: exit.Unverified}
}

// bundle checks a bundle that lies somewhere.
func (v *verifyOptions) bundle(r *verdict, path string, release crypto.PublicKey, against bundle.CheckOptions) error {
	r.What = path
	b, err := bundle.Open(path)
	refusals := bundle.Refusals(err)
	if err != nil && refusals == nil {
		return err
	}
	r.check("files", findings(refusals), "each is listed and matches its checksum; no other files, no links")
	if err != nil {
		const reason = "the files are not the ones listed"
		r.Checks = append(r.Checks, checked{"signature", "not checked", reason}, checked{"contents", "not checked", reason})
		return nil
	}
	r.describe(b)
	if err := r.signature(b, release); err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(b.Files)) {
		r.file(path, bundle.FirstCertificate(path, b.Files[path]))
	}
	r.check("contents", b.Check(against),
		"what this kind of node needs: names, usages, issuers, dates, trust files")
	return nil
}

func (v *verdict) signature(b *bundle.Bundle, release crypto.PublicKey) error {
	if release == nil {
		v.Checks = append(v.Checks, checked{"signature", "not checked", "no release key was given"})
		return nil
	}
	err := b.CheckSignature(release)
	refusals := bundle.Refusals(err)
	if err != nil && refusals == nil {
		return err
	}
	spki, err := fingerprint.SPKI(release)
	if err != nil {
		return err
	}
	v.check("signature", findings(refusals), "by release key "+spki.String())
	return nil
}

// tree checks what is installed below --root.
func (v *verifyOptions) tree(r *verdict, against install.VerifyOptions) error {
	r.What = v.root
	node := &install.Node{Root: v.root, Disk: v.Disk, Now: v.Now}
	found, err := node.Verify(against)
	if err != nil {
		return refused(err)
	}
	for _, f := range found.Files {
		r.file(f.Path, f.Certificate)
	}
	if found.Bundle != nil {
		r.describe(found.Bundle)
	}
	if len(found.Left) > 0 {
		r.Checks = append(r.Checks, checked{"to do", "CA keys", "of authorities that kubeadm created; remove " +
			"before the last stage: " + strings.Join(found.Left, ", ")})
	}
	r.check("installed files", found.Findings, "each is as the installed bundle has it, with its key, mode and "+
		"owner; no others")
	return nil
}

func findings(refusals []*bundle.Refusal) []bundle.Finding {
	var list []bundle.Finding
	for _, r := range refusals {
		list = append(list, bundle.Finding{File: r.File, Problem: r.Reason})
	}
	return list
}

func readReleaseKey(ctx context.Context, file string) (crypto.PublicKey, error) {
	data, err := infile.ReadFile(ctx, file, 64<<10)
	if err != nil {
		return nil, fmt.Errorf("release key: %w", err)
	}
	key, err := bundle.ParseReleaseKey(file, data)
	if err != nil {
		return nil, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("release key: %w", err)}
	}
	return key, nil
}
