package seal

// lowOrder are the X25519 recipients that nothing can be sealed to: the points whose
// multiples are few, so that no shared secret comes of them (RFC 7748, section 6.1). There
// are five of them on Curve25519 and its twist, of which two have a second coordinate below
// 2^255, and each a second form with the top bit that X25519 does not look at. Each was
// looked up once, instead of two multiplications for every recipient of a fleet.
var lowOrder = map[string]bool{
	"age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z": true,
	"age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqzqqsuwj9m": true,
	"age1qyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqj7vrya": true,
	"age1qyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqzqqk67yly": true,
	"age1anlllllllllllllllllllllllllllllllllllllllllllllllals4n2t7m": true,
	"age1anllllllllllllllllllllllllllllllllllllllllllllllllls3hcv9z": true,
	"age1ahlllllllllllllllllllllllllllllllllllllllllllllllalsn46ayy": true,
	"age1ahlllllllllllllllllllllllllllllllllllllllllllllllllsh3g6la": true,
	"age1amlllllllllllllllllllllllllllllllllllllllllllllllalselrwrv": true,
	"age1amlllllllllllllllllllllllllllllllllllllllllllllllllsam3fc4": true,
	"age1ur4h5lpmgxu2u9jku0a0r87ydtdqnr0tnsetrlvxvgz3vh6fhqqqzyt4v9": true,
	"age1ur4h5lpmgxu2u9jku0a0r87ydtdqnr0tnsetrlvxvgz3vh6fhzqqxqejhu": true,
	"age1t7wft09r2zxzfvwsk92eeql0tvzyghxytqwgapkcyf8dm5ylz9ts6wm9s8": true,
	"age1t7wft09r2zxzfvwsk92eeql0tvzyghxytqwgapkcyf8dm5ylz8ts72fzt7": true,
}
