package pivcard

import (
	"bytes"
	"sync"
)

// Status words (NIST SP 800-73-4, and Yubico's).
const (
	ok                = 0x9000
	statusPIN         = 0x63c0 // and the tries that are left
	statusSecurity    = 0x6982
	statusBlocked     = 0x6983
	statusConditions  = 0x6985
	statusData        = 0x6a80
	statusNotFound    = 0x6a82
	statusP1P2        = 0x6a86
	statusNoKey       = 0x6a88
	statusInstruction = 0x6d00
)

// Instructions that tests name.
const (
	Verify          = 0x20
	Generate        = 0x47
	Authenticate    = 0x87
	GetResponse     = 0xc0
	GetData         = 0xcb
	PutData         = 0xdb
	selectAID       = 0xa4
	changeReference = 0x24
	resetRetry      = 0x2c
	getMetadata     = 0xf7
	getSerial       = 0xf8
	Attest          = 0xf9
	getVersion      = 0xfd
)

// Card is a card; its exported fields are set before it is inserted.
type Card struct {
	Serial   uint32
	Firmware [3]byte
	// ManagementKey is 24 bytes, for 3DES, or AES with Algorithm 0x08, 0x0a or 0x0c.
	ManagementKey       []byte
	ManagementAlgorithm byte
	PIN, PUK            string

	mu        sync.Mutex
	keys      map[byte]*slotKey
	objects   map[string][]byte // by their tag
	device    *device
	pinTries  int
	pukTries  int
	powered   bool
	selected  bool
	verified  bool // the PIN, since the application was selected
	fresh     bool // the PIN, by the command before
	manager   bool // authenticated by the management key
	witness   []byte
	chained   []byte
	waiting   []byte // of the answer
	after     map[byte]func()
	refuse    map[byte][]uint16
	seen      map[byte]int
	connected connection
}

// DefaultManagementKey is what a YubiKey of firmware before 5.7 comes with.
var DefaultManagementKey = bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 3)

const tries = 3

// New is a card as it comes from the factory: firmware 5.4.3, the PIN 123456.
func New(serial uint32) (*Card, error) {
	d, err := newDevice()
	if err != nil {
		return nil, err
	}
	c := &Card{
		Serial: serial, Firmware: [3]byte{5, 4, 3}, ManagementKey: DefaultManagementKey, ManagementAlgorithm: tripleDES,
		PIN: "123456", PUK: "12345678", keys: map[byte]*slotKey{}, objects: map[string][]byte{}, device: d,
		pinTries: tries, pukTries: tries, after: map[byte]func(){}, refuse: map[byte][]uint16{}, seen: map[byte]int{},
	}
	c.objects["\x5f\xff\x01"] = tlv(0x53, tlv(0x70, d.certificate.Raw), tlv(0x71, []byte{0}), tlv(0xfe))
	return c, nil
}

// After runs f once, when the next command of an instruction has been carried out and
// before it is answered.
func (c *Card) After(instruction byte, f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.after[instruction] = f
}

// Refuse answers the next commands of an instruction with these statuses, and carries them
// not out.
func (c *Card) Refuse(instruction byte, statuses ...uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse[instruction] = statuses
}

// Seen is how many commands of an instruction came.
func (c *Card) Seen(instruction byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[instruction]
}

// Tries is how many wrong PINs are left.
func (c *Card) Tries() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pinTries
}

// reset is what a loss of power does.
func (c *Card) reset() {
	c.selected, c.verified, c.fresh, c.manager = false, false, false, false
	c.witness, c.chained, c.waiting = nil, nil, nil
}

// Exchange answers one APDU.
func (c *Card) Exchange(apdu []byte) []byte {
	c.mu.Lock()
	body, status, after := c.exchange(apdu)
	c.mu.Unlock()
	if after != nil {
		after()
	}
	return append(body, byte(status>>8), byte(status))
}

func (c *Card) exchange(apdu []byte) (body []byte, status uint16, after func()) {
	cmd, good := parse(apdu)
	if !good {
		return nil, 0x6700, nil
	}
	if cmd.ins == GetResponse {
		body, status = c.answer(c.waiting)
		return body, status, nil
	}
	c.waiting = nil
	c.chained = append(c.chained, cmd.data...)
	if cmd.cla&0x10 != 0 {
		return nil, ok, nil
	}
	cmd.data, c.chained = c.chained, nil
	c.seen[cmd.ins]++
	if statuses := c.refuse[cmd.ins]; len(statuses) > 0 {
		c.refuse[cmd.ins] = statuses[1:]
		return nil, statuses[0], nil
	}
	fresh := c.fresh
	c.fresh = false
	body, status = c.carryOut(cmd, fresh)
	after = c.after[cmd.ins]
	delete(c.after, cmd.ins)
	if status == ok {
		body, status = c.answer(body)
	}
	return body, status, after
}

// answer hands out as much as fits into one answer.
func (c *Card) answer(all []byte) ([]byte, uint16) {
	if len(all) <= 256 {
		c.waiting = nil
		return all, ok
	}
	c.waiting = all[256:]
	return bytes.Clone(all[:256]), 0x6100 | uint16(min(len(c.waiting), 0xff))
}

type command struct {
	cla, ins, p1, p2 byte
	data             []byte
}

// parse reads short and extended APDUs.
func parse(apdu []byte) (c command, good bool) {
	if len(apdu) < 4 {
		return c, false
	}
	c = command{apdu[0], apdu[1], apdu[2], apdu[3], nil}
	rest := apdu[4:]
	switch {
	case len(rest) <= 1:
		return c, true
	case rest[0] != 0:
		n := int(rest[0])
		if len(rest) < 1+n || len(rest) > 2+n {
			return c, false
		}
		c.data = rest[1 : 1+n]
	case len(rest) > 3:
		n := int(rest[1])<<8 | int(rest[2])
		if len(rest) < 3+n {
			return c, false
		}
		c.data = rest[3 : 3+n]
	}
	return c, true
}

var (
	pivAID = []byte{0xa0, 0, 0, 3, 8}
)

func (c *Card) carryOut(cmd command, fresh bool) ([]byte, uint16) {
	if cmd.ins == selectAID {
		c.reset()
		if !bytes.HasPrefix(cmd.data, pivAID) {
			return nil, statusNotFound
		}
		c.selected = true
		return tlv(0x61, tlv(0x4f, []byte{0, 0, 0x10, 0, 1, 0}), tlv(0x79, tlv(0x4f, pivAID))), ok
	}
	if !c.selected {
		return nil, statusInstruction
	}
	switch cmd.ins {
	case getVersion:
		return c.Firmware[:], ok
	case getSerial:
		return []byte{byte(c.Serial >> 24), byte(c.Serial >> 16), byte(c.Serial >> 8), byte(c.Serial)}, ok
	case Verify:
		return nil, c.verify(cmd)
	case changeReference, resetRetry:
		return nil, c.change(cmd)
	case Authenticate:
		return c.authenticate(cmd, fresh)
	case Generate:
		return c.generate(cmd)
	case GetData:
		return c.getData(cmd)
	case PutData:
		return nil, c.putData(cmd)
	case getMetadata:
		return c.metadata(cmd.p2)
	case Attest:
		return c.attest(cmd.p1)
	}
	return nil, statusInstruction
}
