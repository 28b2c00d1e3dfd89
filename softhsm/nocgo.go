//go:build !cgo

package softhsm

import "errors"

// Init says that this program was built without cgo.
func Init(string, string, []Token, func(key, value string) error) (conf string, made []Made, err error) {
	return "", nil, errors.New("SoftHSM needs cgo, and this program was built without it")
}
