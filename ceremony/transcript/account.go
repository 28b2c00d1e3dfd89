package transcript

import "slices"

// AccountKeys is what a ceremony says of the pairs that sign service-account tokens.
type AccountKeys struct {
	InUse Sealed  // whose private key nodes have as sa.key
	Next  *Sealed // that signs after a later ceremony; nil when there is none
}

// ServiceAccount is what the transcript says of the sealed service-account keys,
// made or carried over; false when the ceremony had none.
func (t *Transcript) ServiceAccount() (AccountKeys, bool) {
	var keys AccountKeys
	found := false
	for _, l := range t.Lines {
		s, ok := l.Record.(Sealed)
		if carried, is := l.Record.(Carried); is {
			s, ok = Sealed(carried), true
		}
		switch {
		case !ok:
		case s.Secret == NextServiceAccount:
			keys.Next = &s
		default:
			keys.InUse, found = s, true
		}
	}
	return keys, found
}

// Public lists the public keys of sa.pub in its order, as DER: the one in use,
// which kubeadm takes for the only one, the next, and those before.
func (k AccountKeys) Public() [][]byte {
	list := [][]byte{k.InUse.PublicKey}
	if k.Next != nil {
		list = append(list, k.Next.PublicKey)
	}
	return slices.Concat(list, k.InUse.Former)
}
