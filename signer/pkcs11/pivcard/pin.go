package pivcard

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/rand"
	"crypto/subtle"
)

// Algorithms, as PIV numbers them.
const (
	tripleDES = 0x03
	AES128    = 0x08
	AES192    = 0x0a
	AES256    = 0x0c
	rsa2048   = 0x07
	p256      = 0x11
	p384      = 0x14
)

func padded(pin string) []byte {
	return append([]byte(pin), bytes.Repeat([]byte{0xff}, max(0, 8-len(pin)))...)
}

func (c *Card) verify(cmd command) uint16 {
	switch {
	case cmd.p2 != 0x80:
		return statusNoKey
	case len(cmd.data) == 0 && c.verified:
		return ok
	case c.pinTries == 0:
		return statusBlocked
	case len(cmd.data) == 0:
		return statusPIN | uint16(c.pinTries)
	}
	return c.try(cmd.data, c.PIN, &c.pinTries, func() { c.verified, c.fresh = true, true })
}

// try compares what was entered, and counts.
func (c *Card) try(entered []byte, with string, left *int, right func()) uint16 {
	if *left == 0 {
		return statusBlocked
	}
	if subtle.ConstantTimeCompare(entered, padded(with)) == 1 {
		*left = tries
		right()
		return ok
	}
	c.verified = false
	if *left--; *left == 0 {
		return statusBlocked
	}
	return statusPIN | uint16(*left)
}

// change sets another PIN or PUK, or a PIN by the PUK.
func (c *Card) change(cmd command) uint16 {
	if len(cmd.data) != 16 {
		return statusData
	}
	set := func(to *string) func() {
		return func() { *to = string(bytes.TrimRight(cmd.data[8:], "\xff")) }
	}
	switch {
	case cmd.ins == resetRetry && cmd.p2 == 0x80:
		return c.try(cmd.data[:8], c.PUK, &c.pukTries, func() { set(&c.PIN)(); c.pinTries = tries })
	case cmd.p2 == 0x80:
		return c.try(cmd.data[:8], c.PIN, &c.pinTries, set(&c.PIN))
	case cmd.p2 == 0x81:
		return c.try(cmd.data[:8], c.PUK, &c.pukTries, set(&c.PUK))
	}
	return statusNoKey
}

func (c *Card) block() (cipher.Block, error) {
	if c.ManagementAlgorithm == tripleDES {
		return des.NewTripleDESCipher(c.ManagementKey)
	}
	return aes.NewCipher(c.ManagementKey)
}

// manage is the mutual authentication by the management key: the card hands out a witness
// that it has encrypted, and encrypts the host's challenge when that has decrypted it.
// A wrong one costs nothing: PIV counts no tries of this key.
func (c *Card) manage(cmd command) ([]byte, uint16) {
	if cmd.p1 != c.ManagementAlgorithm {
		return nil, statusP1P2
	}
	b, err := c.block()
	if err != nil {
		return nil, statusConditions
	}
	outer, err := fields(cmd.data)
	if err != nil || valueOf(outer, 0x7c) == nil {
		return nil, statusData
	}
	inner, err := fields(valueOf(outer, 0x7c))
	if err != nil {
		return nil, statusData
	}
	answered, challenge := valueOf(inner, 0x80), valueOf(inner, 0x81)
	if len(answered) == 0 {
		c.witness = make([]byte, b.BlockSize())
		_, _ = rand.Read(c.witness)
		out := make([]byte, b.BlockSize())
		b.Encrypt(out, c.witness)
		return tlv(0x7c, tlv(0x80, out)), ok
	}
	want := c.witness
	c.witness = nil
	if want == nil || len(challenge) != b.BlockSize() || subtle.ConstantTimeCompare(want, answered) != 1 {
		return nil, statusSecurity
	}
	c.manager = true
	out := make([]byte, b.BlockSize())
	b.Encrypt(out, challenge)
	return tlv(0x7c, tlv(0x82, out)), ok
}
