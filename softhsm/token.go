package softhsm

// Token is a token to make. PINs have 4 to 255 bytes; the caller clears them.
type Token struct {
	Label string // of 1 to 32 bytes
	SOPIN []byte
	PIN   []byte
}

// Made is a token that was made.
type Made struct {
	Label  string
	Serial string
}
