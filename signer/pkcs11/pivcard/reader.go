package pivcard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// connection is the card's place in a virtual reader.
type connection struct {
	mu   sync.Mutex
	conn net.Conn
}

// answerToReset is a YubiKey 5's, which offers T=1.
var answerToReset = []byte{
	0x3b, 0xfd, 0x13, 0, 0, 0x81, 0x31, 0xfe, 0x15, 0x80, 0x73, 0xc0, 0x21, 0xc0, 0x57, 0x59, 0x75, 0x62, 0x69, 0x4b,
	0x65, 0x79, 0x40,
}

// What vpcd asks of a card beside APDUs.
const (
	powerOff = 0
	resetIt  = 2 // 1 is: power on
	tellATR  = 4
)

// Insert puts the card into the reader that listens at an address, until Pull.
func (c *Card) Insert(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	c.connected.mu.Lock()
	defer c.connected.mu.Unlock()
	if c.connected.conn != nil {
		return errors.Join(errors.New("the card is in a reader"), conn.Close())
	}
	c.connected.conn = conn
	go func() { _ = c.serve(conn) }() // it ends when either side closes
	return nil
}

// Pull takes the card out of its reader.
func (c *Card) Pull() {
	c.connected.mu.Lock()
	if c.connected.conn != nil {
		_ = c.connected.conn.Close()
		c.connected.conn = nil
	}
	c.connected.mu.Unlock()
	c.mu.Lock()
	c.reset()
	c.powered = false
	c.mu.Unlock()
}

// Powered says whether the reader has the card under power.
func (c *Card) Powered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.powered
}

// serve answers vpcd: each message is its length in two bytes, and itself.
func (c *Card) serve(conn net.Conn) error {
	for {
		atOnce(conn)
		var head [2]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return err
		}
		atOnce(conn)
		message := make([]byte, binary.BigEndian.Uint16(head[:]))
		if _, err := io.ReadFull(conn, message); err != nil {
			return err
		}
		var answer []byte
		switch {
		case len(message) == 1 && message[0] == tellATR:
			answer = answerToReset
		case len(message) == 1 && message[0] <= resetIt:
			c.mu.Lock()
			c.reset()
			c.powered = message[0] != powerOff
			c.mu.Unlock()
			continue
		case len(message) == 1:
			return fmt.Errorf("vpcd asks 0x%02x", message[0])
		default:
			answer = c.Exchange(message)
		}
		out := append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)
		if _, err := conn.Write(out); err != nil {
			return err
		}
	}
}

// atOnce has what comes in acknowledged at once: vpcd sends a length and its message one by
// one, and waits 40 ms between them otherwise.
func atOnce(conn net.Conn) {
	if raw, err := conn.(syscall.Conn).SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
	}
}
