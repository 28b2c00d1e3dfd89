package pkcs11

import "officiant/signer"

// Tries remembers from run to run how many wrong PINs a token had since the last
// right one, because not every token reports that a wrong PIN was entered.
type Tries interface {
	Wrong(d signer.Device) int
	Remember(d signer.Device, wrong int)
}

// safeTries is how many wrong PINs a token may have had that tells nothing of them:
// three lock the strictest.
const safeTries = 2

// remembered is a device with the wrong PINs that are remembered of it.
func (o Options) remembered(d signer.Device) signer.Device {
	if o.Tries != nil {
		d.PINWrong = o.Tries.Wrong(d)
	}
	return d
}

// risky says whether one more wrong PIN may lock a token that does not say so.
func risky(d signer.Device) bool {
	return !d.PINCountLow && !d.PINFinalTry && d.PINWrong >= safeTries
}

// tryPIN has a PIN counted as a wrong one before it is tried, since whoever is killed
// meanwhile does not know; wrong tells of try's error whether it was one.
func (o Options) tryPIN(d signer.Device, wrong func(error) bool, try func() error) error {
	if o.Tries == nil {
		return try()
	}
	o.Tries.Remember(d, d.PINWrong+1)
	err := try()
	switch {
	case err == nil:
		o.Tries.Remember(d, 0)
	case !wrong(err):
		o.Tries.Remember(d, d.PINWrong)
	}
	return err
}
