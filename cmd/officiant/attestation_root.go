package main

import (
	"context"
	"crypto/x509"
	"strings"

	"github.com/spf13/cobra"

	"officiant/ceremony/attestation"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
)

// attestationRoots are the files of --attestation-root. Commands that open keys and those
// that verify a record take the same files.
type attestationRoots []string

func (r *attestationRoots) flag(c *cobra.Command) {
	c.Flags().StringArrayVar((*[]string)(r), "attestation-root", nil,
		"PEM `FILE` of additional device attestation roots, beside the built-in vendors'; repeatable")
}

func (r attestationRoots) read() ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for _, file := range r {
		text, err := infile.ReadFile(context.Background(), file, 64<<10)
		if err != nil {
			return nil, err
		}
		roots, err := attestation.ParseRoots(text)
		if err != nil {
			return nil, exit.Usagef("--attestation-root %s: %w", file, err)
		}
		all = append(all, roots...)
	}
	return all, nil
}

// rootHint is what helps where a reason says that an attestation leads to no known root.
func rootHint(reason string) []string {
	if !strings.Contains(reason, "its certificates end at no root that is known") {
		return nil
	}
	return []string{"with a newer root of its vendor's, from a ceremony's first run on: --attestation-root FILE"}
}

// again is how another command is given them.
func (r attestationRoots) again() (flags string) {
	for _, file := range r {
		flags += " --attestation-root " + file
	}
	return flags
}
