package signer

// URIError says that a key's URI cannot be read, or does not name what its backend
// needs. Its author has to correct it, and no token was asked for anything.
type URIError struct{ err error }

// BadURI makes an error about a URI one; nil stays nil.
func BadURI(err error) error {
	if err == nil {
		return nil
	}
	return &URIError{err}
}

func (e *URIError) Error() string { return e.err.Error() }
func (e *URIError) Unwrap() error { return e.err }
