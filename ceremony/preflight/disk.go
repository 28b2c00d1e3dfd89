package preflight

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Little room is what a ceremony must not begin with: a large one, of thousands
// of nodes, fills some hundred MiB.
const (
	littleSpace  = 256 << 20
	littleInodes = 10_000
)

// directory says whether what is written there outlives the room in the clear.
func directory(r *Room) (seen, wrong string) {
	if r.Dir == "" {
		return "not looked at", ""
	}
	l, err := r.lies(r.Dir)
	switch {
	case err != nil:
		return unreadable(err)
	case l.memory, l.encrypted:
		return l.seen, ""
	}
	return l.seen, "neither in memory nor on a disk that is encrypted here (dm-crypt)"
}

// space is whether there is room for the ceremony.
func space(r *Room) (seen, wrong string) {
	if r.Dir == "" {
		return "not looked at", ""
	}
	v, err := r.Volume(r.Dir)
	if err != nil {
		return unreadable(err)
	}
	seen = fmt.Sprintf("%d MiB", v.Free>>20)
	if v.Total > 0 { // some file systems do not count them
		seen += fmt.Sprintf(", %d inodes", v.Inodes)
	}
	switch {
	case v.Free < littleSpace:
		wrong = fmt.Sprintf("fewer than %d MiB are free", littleSpace>>20)
	case v.Total > 0 && v.Inodes < littleInodes:
		wrong = fmt.Sprintf("fewer than %d inodes are free", littleInodes)
	}
	return seen, wrong
}

// lie is what is under a path.
type lie struct {
	memory, encrypted bool
	seen              string
}

// memories are file systems without a disk; what swaps them out is swap's to say.
var memories = map[string]bool{"tmpfs": true, "ramfs": true, "rootfs": true}

// lies follows a path down to memory or a disk.
func (r *Room) lies(file string) (lie, error) {
	file, err := r.Resolve(file)
	if err != nil {
		return lie{}, err
	}
	text, err := r.text("proc/self/mountinfo")
	if err != nil {
		return lie{}, err
	}
	m, ok := mountOf(text, file)
	if !ok {
		return lie{}, fmt.Errorf("%s: no line of mountinfo is above it", file)
	}
	seen := fmt.Sprintf("%s at %s", m.kind, m.point)
	switch {
	case memories[m.kind]:
		return lie{memory: true, seen: seen + ", in memory"}, nil
	case m.kind == "ecryptfs":
		return lie{encrypted: true, seen: seen + ", encrypted"}, nil
	case m.kind == "overlay": // of a live system: what is written goes to the upper folder
		upper, ok := mountOf(text, m.upper)
		if m.upper != "" && ok && memories[upper.kind] {
			return lie{memory: true, seen: seen + ", written to " + upper.kind + " at " + upper.point + ", in memory"}, nil
		}
		if m.upper != "" && ok && r.encryptedMount(upper) {
			return lie{encrypted: true, seen: seen + ", written to " + upper.source + ", encrypted"}, nil
		}
		return lie{seen: seen + ", written to " + m.upper}, nil
	case r.encryptedMount(m):
		return lie{encrypted: true, seen: seen + " on " + m.source + ", encrypted"}, nil
	}
	return lie{seen: seen + " on " + m.source}, nil
}

// mount is a line of mountinfo.
type mount struct{ device, point, kind, source, upper string }

// mountOf finds the mount a path lies in: the one nearest above it, and of
// several at one point the last, which hides the others.
func mountOf(mountinfo, file string) (found mount, ok bool) {
	for _, line := range lines(mountinfo) {
		left, right, cut := strings.Cut(line, " - ")
		f, g := strings.Fields(left), strings.Fields(right)
		if !cut || len(f) < 5 || len(g) < 2 {
			continue
		}
		point := unescape(f[4])
		if file != point && point != "/" && !strings.HasPrefix(file, point+"/") {
			continue
		}
		if len(point) < len(found.point) {
			continue
		}
		found, ok = mount{device: f[2], point: point, kind: g[0], source: unescape(g[1])}, true
		if len(g) > 2 {
			for _, option := range strings.Split(g[2], ",") {
				if upper, is := strings.CutPrefix(option, "upperdir="); is {
					found.upper = unescape(upper)
				}
			}
		}
	}
	return found, ok
}

// unescape undoes mountinfo's octal escapes of spaces and the like.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// encryptedMount asks for the device by number; file systems with numbers of
// their own, such as btrfs, name it as their source only.
func (r *Room) encryptedMount(m mount) bool {
	if dir := path.Join("sys/dev/block", m.device); r.exists(dir) {
		return r.crypt(dir, 0)
	}
	return r.encrypted(m.source)
}

// encrypted asks for a device by its name: /dev/sda2, /dev/dm-0, /dev/mapper/NAME.
func (r *Room) encrypted(device string) bool {
	const blocks = "sys/class/block"
	name, ok := strings.CutPrefix(device, "/dev/mapper/")
	if !ok {
		name, ok = strings.CutPrefix(device, "/dev/")
		return ok && r.crypt(path.Join(blocks, name), 0)
	}
	all, _ := r.folder(blocks)
	for _, b := range all {
		if n, err := r.text(path.Join(blocks, b, "dm/name")); err == nil && n == name {
			return r.crypt(path.Join(blocks, b), 0)
		}
	}
	return false
}

// deepest is how many devices may lie on one another: a volume on a RAID on
// encrypted disks has three.
const deepest = 8

// crypt says whether a block device is dm-crypt's, or lies on such devices alone.
func (r *Room) crypt(dir string, depth int) bool {
	if uuid, err := r.text(path.Join(dir, "dm/uuid")); err == nil && strings.HasPrefix(uuid, "CRYPT-") {
		return true
	}
	slaves, err := r.folder(path.Join(dir, "slaves"))
	if err != nil || len(slaves) == 0 || depth == deepest {
		return false
	}
	for _, s := range slaves {
		if !r.crypt(path.Join("sys/class/block", s), depth+1) {
			return false
		}
	}
	return true
}
