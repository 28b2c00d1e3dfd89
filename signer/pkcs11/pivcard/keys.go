package pivcard

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"
	"slices"
)

// Policies, as PIV and the attestation number them.
const (
	PINNever, PINOnce, PINAlways = 1, 2, 3
	touchNever                   = 1
)

type slotKey struct {
	algorithm, pin, touch byte
	imported              bool
	private               crypto.Signer
}

// slots are the slots for keys and the data objects of their certificates.
var slots = func() map[byte]string {
	all := map[byte]string{0x9a: "\x5f\xc1\x05", 0x9c: "\x5f\xc1\x0a", 0x9d: "\x5f\xc1\x0b", 0x9e: "\x5f\xc1\x01"}
	for s := byte(0x82); s <= 0x95; s++ {
		all[s] = string([]byte{0x5f, 0xc1, 0x0d + s - 0x82})
	}
	return all
}()

// policies are what a key gets when none are asked for.
func policies(slot byte) (pin, touch byte) {
	switch slot {
	case 0x9c:
		return PINAlways, touchNever
	case 0x9e:
		return PINNever, touchNever
	}
	return PINOnce, touchNever
}

func newKey(algorithm byte) (crypto.Signer, error) {
	switch algorithm {
	case rsa2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case p256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case p384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}
	return nil, fmt.Errorf("algorithm 0x%02x", algorithm)
}

// Import puts a key into a slot that the card has not made, as ykman imports one, and
// returns its public half.
func (c *Card) Import(slot byte) (crypto.PublicKey, error) { return c.put(slot, true) }

// Make has the card make a key in a slot, as ykman does: no certificate is written.
func (c *Card) Make(slot byte) (crypto.PublicKey, error) { return c.put(slot, false) }

func (c *Card) put(slot byte, imported bool) (crypto.PublicKey, error) {
	private, err := newKey(p256)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	pin, touch := policies(slot)
	c.keys[slot] = &slotKey{p256, pin, touch, imported, private}
	return private.Public(), nil
}

// Keep puts what is no certificate where the slot's is kept.
func (c *Card) Keep(slot byte, content []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.objects[slots[slot]] = tlv(0x53, content)
}

// Public is the key of a slot; nil if there is none.
func (c *Card) Public(slot byte) crypto.PublicKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.keys[slot]; k != nil {
		return k.private.Public()
	}
	return nil
}

func (c *Card) generate(cmd command) ([]byte, uint16) {
	outer, err := fields(cmd.data)
	if err != nil || slots[cmd.p2] == "" {
		return nil, statusData
	}
	if !c.manager {
		return nil, statusSecurity
	}
	inner, err := fields(valueOf(outer, 0xac))
	if err != nil || len(valueOf(inner, 0x80)) != 1 {
		return nil, statusData
	}
	k := &slotKey{algorithm: valueOf(inner, 0x80)[0]}
	k.pin, k.touch = policies(cmd.p2)
	if v := valueOf(inner, 0xaa); len(v) == 1 && v[0] != 0 {
		k.pin = v[0]
	}
	if v := valueOf(inner, 0xab); len(v) == 1 && v[0] != 0 {
		k.touch = v[0]
	}
	if k.private, err = newKey(k.algorithm); err != nil {
		return nil, statusData
	}
	c.keys[cmd.p2] = k // whatever was there
	return tlv(0x7f49, public(k.private.Public())), ok
}

func public(pub crypto.PublicKey) []byte {
	switch p := pub.(type) {
	case *rsa.PublicKey:
		return append(tlv(0x81, p.N.Bytes()), tlv(0x82, big.NewInt(int64(p.E)).Bytes())...)
	case *ecdsa.PublicKey:
		point, _ := p.Bytes() // of a curve that is known
		return tlv(0x86, point)
	}
	return nil
}

// authenticate is GENERAL AUTHENTICATE: the management key's, or a signature.
func (c *Card) authenticate(cmd command, fresh bool) ([]byte, uint16) {
	if cmd.p2 == 0x9b {
		return c.manage(cmd)
	}
	k := c.keys[cmd.p2]
	if k == nil || k.algorithm != cmd.p1 {
		return nil, statusP1P2
	}
	if k.pin == PINAlways && !fresh || k.pin == PINOnce && !c.verified {
		return nil, statusSecurity
	}
	outer, err := fields(cmd.data)
	if err != nil {
		return nil, statusData
	}
	inner, err := fields(valueOf(outer, 0x7c))
	if err != nil {
		return nil, statusData
	}
	signature, err := sign(k.private, valueOf(inner, 0x81))
	if err != nil {
		return nil, statusData
	}
	return tlv(0x7c, tlv(0x82, signature)), ok
}

// sign signs a digest by ECDSA, and what the host has padded by plain RSA.
func sign(private crypto.Signer, message []byte) ([]byte, error) {
	switch k := private.(type) {
	case *ecdsa.PrivateKey:
		return ecdsa.SignASN1(rand.Reader, k, message)
	case *rsa.PrivateKey:
		m := new(big.Int).SetBytes(message)
		if len(message) != k.Size() || m.Cmp(k.N) >= 0 {
			return nil, fmt.Errorf("%d bytes", len(message))
		}
		return m.Exp(m, k.D, k.N).FillBytes(make([]byte, k.Size())), nil
	}
	return nil, fmt.Errorf("a key of %T", private)
}

func (c *Card) metadata(slot byte) ([]byte, uint16) {
	k := c.keys[slot]
	if k == nil {
		return nil, statusNoKey
	}
	origin := byte(1)
	if k.imported {
		origin = 2
	}
	return slices.Concat(tlv(1, []byte{k.algorithm}), tlv(2, []byte{k.pin, k.touch}), tlv(3, []byte{origin}),
		tlv(4, public(k.private.Public()))), ok
}

func (c *Card) getData(cmd command) ([]byte, uint16) {
	all, err := fields(cmd.data)
	if err != nil {
		return nil, statusData
	}
	tag := string(valueOf(all, 0x5c))
	if tag == "\x7e" {
		return tlv(0x7e, tlv(0x4f, pivAID), tlv(0x5f2f, []byte{0x40, 0})), ok
	}
	if o := c.objects[tag]; o != nil {
		return o, ok
	}
	return nil, statusNotFound
}

func (c *Card) putData(cmd command) uint16 {
	all, err := fields(cmd.data)
	if err != nil {
		return statusData
	}
	if !c.manager {
		return statusSecurity
	}
	tag, value := string(valueOf(all, 0x5c)), valueOf(all, 0x53)
	if len(value) == 0 {
		delete(c.objects, tag)
	} else {
		c.objects[tag] = tlv(0x53, value)
	}
	return ok
}
