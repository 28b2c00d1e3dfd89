//go:build !cgo

package main

import (
	"errors"
	"time"

	"officiant/signer"
)

var errNoCgo = errors.New("built without cgo, and PKCS#11 modules are loaded through it")

func moduleVersion(string) (string, error) { return "", errNoCgo }

func (t *token) rawRates(string, signer.Algorithm, time.Duration, ...int) ([]float64, error) {
	return nil, errNoCgo
}

func (t *token) childRate(string, time.Duration) (speed, error) { return speed{}, errNoCgo }

func (t *token) beside(string, int, time.Duration) ([]pair, error) { return nil, errNoCgo }
