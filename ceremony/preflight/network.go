package preflight

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	netFolder = "sys/class/net"
	flagUp    = 0x1 // IFF_UP
	loopback  = "lo"
)

// network wants every interface but the loopback down: without an address or a
// cable, too, one that is up speaks when it is spoken to.
func network(r *Room) (seen, wrong string) {
	names, err := fs.ReadDir(r.Root, netFolder)
	if err != nil {
		return unreadable(err)
	}
	var up, down []string
	for _, e := range names {
		name := e.Name()
		if name == loopback {
			continue
		}
		text, err := r.text(path.Join(netFolder, name, "flags"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // bonding_masters is a file among the interfaces
		}
		flags, e := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 32)
		if err := errors.Join(err, e); err != nil {
			return unreadable(fmt.Errorf("flags of %s: %w", name, err))
		}
		if flags&flagUp == 0 {
			down = append(down, name)
			continue
		}
		if carrier, _ := r.text(path.Join(netFolder, name, "carrier")); carrier == "1" {
			name += " (with a link)"
		}
		up = append(up, name)
	}
	seen = "up: " + listed(up) + "; down: " + listed(down)
	if len(up) > 0 {
		wrong = listed(up) + map[bool]string{true: " is up", false: " are up"}[len(up) == 1]
	}
	return seen, wrong
}

// routes wants no way out of the machine.
func routes(r *Room) (seen, wrong string) {
	v4, err4 := r.text("proc/net/route")
	v6, err6 := r.text("proc/net/ipv6_route")
	if errors.Is(err6, fs.ErrNotExist) {
		err6 = nil // IPv6 is switched off
	}
	if err := errors.Join(err4, err6); err != nil {
		return unreadable(err)
	}
	var found []string
	add := func(kind, device string) {
		if s := kind + " by " + device; device != loopback && !slices.Contains(found, s) {
			found = append(found, s)
		}
	}
	for i, line := range lines(v4) {
		if f := strings.Fields(line); i > 0 && len(f) > 1 { // the first line is a heading
			add(kindOfRoute(f[1] == "00000000" && len(f) > 7 && f[7] == "00000000", "IPv4"), f[0])
		}
	}
	for _, line := range lines(v6) {
		if f := strings.Fields(line); len(f) == 10 {
			add(kindOfRoute(strings.Trim(f[0], "0") == "" && f[1] == "00", "IPv6"), f[9])
		}
	}
	seen = listed(found)
	if len(found) > 0 {
		wrong = "packets have a way out"
	}
	return seen, wrong
}

func kindOfRoute(standard bool, family string) string {
	if standard {
		return family + " default route"
	}
	return family + " route"
}

// wireless wants no radio that could be on.
func wireless(r *Room) (seen, wrong string) {
	names, err := r.folder(netFolder)
	if err != nil {
		return unreadable(err)
	}
	var devices []string
	for _, name := range names {
		if dir := path.Join(netFolder, name); r.exists(path.Join(dir, "wireless")) || r.exists(path.Join(dir, "phy80211")) {
			devices = append(devices, name)
		}
	}
	phys, err := r.folder("sys/class/ieee80211")
	if err != nil {
		return unreadable(err)
	}
	if len(devices) == 0 { // a radio may be there without an interface
		devices = phys
	}
	return r.radio(devices, "wlan", "wwan", "wimax", "uwb", "ultrawideband", "gps", "nfc", "fm")
}

// bluetooth is a radio of its own, with its own switch.
func bluetooth(r *Room) (seen, wrong string) {
	devices, err := r.folder("sys/class/bluetooth")
	if err != nil {
		return unreadable(err)
	}
	return r.radio(devices, "bluetooth")
}

// radio says which devices there are, and which of them no switch (rfkill) holds off.
func (r *Room) radio(devices []string, kinds ...string) (seen, wrong string) {
	const folder = "sys/class/rfkill"
	switches, err := r.folder(folder)
	if err != nil {
		return unreadable(err)
	}
	var on, off []string
	for _, s := range switches {
		fact := func(name string) string { t, _ := r.text(path.Join(folder, s, name)); return t }
		if !slices.Contains(kinds, fact("type")) {
			continue
		}
		name := s
		if n := fact("name"); n != "" {
			name = n
		}
		if fact("soft") == "1" || fact("hard") == "1" {
			off = append(off, name)
		} else {
			on = append(on, name)
		}
	}
	switch seen = "devices: " + listed(devices) + "; blocked: " + listed(off); {
	case len(devices)+len(on)+len(off) == 0:
		return "none", ""
	case len(on) > 0:
		return seen, listed(on) + " is not blocked"
	case len(off) == 0:
		return seen, listed(devices) + " has no switch (rfkill) that is off"
	}
	return seen, ""
}

// listed joins names, or says that there are none.
func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func lines(text string) []string {
	var out []string
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		if s.Text() != "" {
			out = append(out, s.Text())
		}
	}
	return out
}
