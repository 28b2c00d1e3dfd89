//go:build cgo

package module

import "github.com/miekg/pkcs11"

// What each function does with a request, in the module's process: read the
// arguments, call, write down what came of it.

func session(i *in) pkcs11.SessionHandle { return pkcs11.SessionHandle(i.number()) }
func object(i *in) pkcs11.ObjectHandle   { return pkcs11.ObjectHandle(i.number()) }

func mechanism(i *in) []*pkcs11.Mechanism {
	code, parameter := i.number(), i.bytes()
	if len(parameter) == 0 {
		return []*pkcs11.Mechanism{pkcs11.NewMechanism(code, nil)}
	}
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(code, parameter)}
}

func attributes(i *in) []*pkcs11.Attribute {
	var all []*pkcs11.Attribute
	for range i.count(12) {
		all = append(all, &pkcs11.Attribute{Type: i.number(), Value: i.bytes()})
	}
	return all
}

func (c *calls) initialize(i *in, _ *out, _ *uint32) error {
	return then(i, func() error {
		err := c.ctx.Initialize()
		c.ready.Store(err == nil)
		return err
	})
}

func (c *calls) finalize(i *in, _ *out, _ *uint32) error {
	return then(i, func() error {
		err := c.ctx.Finalize()
		c.ready.Store(c.ready.Load() && err != nil)
		return err
	})
}

func (c *calls) getInfo(i *in, to *out, _ *uint32) error {
	return then(i, func() error {
		info, err := c.ctx.GetInfo()
		to.text(info.ManufacturerID).text(info.LibraryDescription).
			number(uint(info.LibraryVersion.Major)).number(uint(info.LibraryVersion.Minor))
		return err
	})
}

func (c *calls) getSlotList(i *in, to *out, _ *uint32) error {
	return then(i, func() error {
		var slots []uint
		err := c.through(func() (err error) { slots, err = c.native.slots(); return err },
			func() (err error) { slots, err = c.ctx.GetSlotList(true); return err })
		to.numbers(slots)
		return err
	})
}

func (c *calls) getTokenInfo(i *in, to *out, _ *uint32) error {
	slot := i.number()
	return then(i, func() error {
		t, err := c.ctx.GetTokenInfo(slot)
		to.text(t.Label).text(t.ManufacturerID).text(t.Model).text(t.SerialNumber).
			number(t.Flags).number(t.MaxSessionCount).number(t.MaxRwSessionCount).
			number(uint(t.FirmwareVersion.Major)).number(uint(t.FirmwareVersion.Minor))
		return err
	})
}

func (c *calls) getMechanismList(i *in, to *out, _ *uint32) error {
	slot := i.number()
	return then(i, func() error {
		var all []uint
		err := c.through(func() (err error) { all, err = c.native.mechanisms(slot); return err },
			func() error {
				listed, err := c.ctx.GetMechanismList(slot)
				for _, m := range listed {
					all = append(all, m.Mechanism)
				}
				return err
			})
		to.numbers(all)
		return err
	})
}

func (c *calls) getMechanismInfo(i *in, to *out, _ *uint32) error {
	slot, code := i.number(), i.number()
	return then(i, func() error {
		info, err := c.ctx.GetMechanismInfo(slot, []*pkcs11.Mechanism{pkcs11.NewMechanism(code, nil)})
		to.number(info.MinKeySize).number(info.MaxKeySize).number(info.Flags)
		return err
	})
}

func (c *calls) initToken(i *in, _ *out, _ *uint32) error {
	slot, pin, label := i.number(), i.text(), i.text()
	return then(i, func() error { return c.ctx.InitToken(slot, pin, label) })
}

func (c *calls) initPIN(i *in, _ *out, _ *uint32) error {
	h, pin := session(i), i.text()
	return then(i, func() error { return c.ctx.InitPIN(h, pin) })
}

func (c *calls) setPIN(i *in, _ *out, _ *uint32) error {
	h, old, pin := session(i), i.text(), i.text()
	return then(i, func() error { return c.ctx.SetPIN(h, old, pin) })
}

func (c *calls) openSession(i *in, to *out, _ *uint32) error {
	slot, flags := i.number(), i.number()
	return then(i, func() error {
		h, err := c.ctx.OpenSession(slot, flags)
		to.number(uint(h))
		return err
	})
}

func (c *calls) closeSession(i *in, _ *out, _ *uint32) error {
	h := session(i)
	return then(i, func() error { return c.ctx.CloseSession(h) })
}

func (c *calls) getSessionInfo(i *in, to *out, _ *uint32) error {
	h := session(i)
	return then(i, func() error {
		info, err := c.ctx.GetSessionInfo(h)
		to.number(info.State)
		return err
	})
}

func (c *calls) login(i *in, _ *out, _ *uint32) error {
	h, user, pad, pin := session(i), i.number(), i.number() != 0, i.bytes()
	if pad {
		pin = nil
	}
	return then(i, func() error {
		return c.through(func() error { return c.native.login(uint(h), user, pin) },
			func() error { return c.ctx.Login(h, user, string(pin)) })
	})
}

func (c *calls) logout(i *in, _ *out, _ *uint32) error {
	h := session(i)
	return then(i, func() error { return c.ctx.Logout(h) })
}

func (c *calls) createObject(i *in, to *out, _ *uint32) error {
	h, template := session(i), attributes(i)
	return then(i, func() error {
		o, err := c.ctx.CreateObject(h, template)
		to.number(uint(o))
		return err
	})
}

func (c *calls) copyObject(i *in, to *out, _ *uint32) error {
	h, o, template := session(i), object(i), attributes(i)
	return then(i, func() error {
		made, err := c.ctx.CopyObject(h, o, template)
		to.number(uint(made))
		return err
	})
}

func (c *calls) destroyObject(i *in, _ *out, _ *uint32) error {
	h, o := session(i), object(i)
	return then(i, func() error { return c.ctx.DestroyObject(h, o) })
}

func (c *calls) getAttributeValue(i *in, to *out, _ *uint32) error {
	h, o, code := session(i), object(i), i.number()
	return then(i, func() error {
		var value []byte
		err := c.through(func() (err error) { value, err = c.native.attribute(uint(h), uint(o), code); return err },
			func() error {
				a, err := c.ctx.GetAttributeValue(h, o, []*pkcs11.Attribute{{Type: code}})
				if err == nil {
					value = a[0].Value
				}
				return err
			})
		to.bytes(value)
		clear(value)
		return err
	})
}

func (c *calls) setAttributeValue(i *in, _ *out, _ *uint32) error {
	h, o, values := session(i), object(i), attributes(i)
	return then(i, func() error { return c.ctx.SetAttributeValue(h, o, values) })
}

func (c *calls) find(i *in, to *out, at *uint32) error {
	h, enough, template := session(i), int(i.number()), attributes(i)
	return then(i, func() error {
		var found []uint
		err := c.through(func() (err error) { found, err = c.native.find(uint(h), enough, template, at); return err },
			func() (err error) { found, err = c.findAlone(h, enough, template); return err })
		to.numbers(found)
		return err
	})
}

// findAlone is find through miekg/pkcs11.
func (c *calls) findAlone(h pkcs11.SessionHandle, enough int, template []*pkcs11.Attribute) ([]uint, error) {
	if err := c.ctx.FindObjectsInit(h, template); err != nil {
		return nil, err
	}
	var found []uint
	var err error
	for len(found) < min(enough, maxObjects) {
		var some []pkcs11.ObjectHandle
		if some, _, err = c.ctx.FindObjects(h, max(1, min(enough, 256))); err != nil || len(some) == 0 {
			break
		}
		for _, o := range some {
			found = append(found, uint(o))
		}
	}
	if err := c.ctx.FindObjectsFinal(h); err != nil {
		return nil, err
	}
	if code, ok := err.(pkcs11.Error); ok {
		return nil, failure{fnFindObjects, code}
	}
	return found, err
}

func (c *calls) generateKey(i *in, to *out, _ *uint32) error {
	h, m, template := session(i), mechanism(i), attributes(i)
	return then(i, func() error {
		o, err := c.ctx.GenerateKey(h, m, template)
		to.number(uint(o))
		return err
	})
}

func (c *calls) generateKeyPair(i *in, to *out, _ *uint32) error {
	h, m, public, private := session(i), mechanism(i), attributes(i), attributes(i)
	return then(i, func() error {
		pub, priv, err := c.ctx.GenerateKeyPair(h, m, public, private)
		to.number(uint(pub)).number(uint(priv))
		return err
	})
}

func (c *calls) wrapKey(i *in, to *out, _ *uint32) error {
	h, code, parameter, around, key := session(i), i.number(), i.bytes(), object(i), object(i)
	return then(i, func() error {
		var wrapped []byte
		err := c.through(func() (err error) {
			wrapped, err = c.native.wrap(uint(h), code, parameter, uint(around), uint(key))
			return err
		}, func() (err error) {
			wrapped, err = c.ctx.WrapKey(h, []*pkcs11.Mechanism{pkcs11.NewMechanism(code, parameter)}, around, key)
			return err
		})
		to.bytes(wrapped)
		clear(wrapped)
		return err
	})
}
