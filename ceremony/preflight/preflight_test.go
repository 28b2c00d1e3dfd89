package preflight

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"officiant/signer"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.FixedZone("CET", 3600))

// files are those of a machine as a room should have it: interfaces down, radios
// blocked, a ceremony directory in memory.
var files = map[string]string{
	"sys/class/net/lo/flags":               "0x9",
	"sys/class/net/eth0/flags":             "0x1002",
	"sys/class/net/wlan0/flags":            "0x1002",
	"sys/class/net/wlan0/phy80211/index":   "0",
	"sys/class/net/bonding_masters":        "",
	"sys/class/rfkill/rfkill0/type":        "wlan",
	"sys/class/rfkill/rfkill0/name":        "phy0",
	"sys/class/rfkill/rfkill0/soft":        "1",
	"sys/class/rfkill/rfkill0/hard":        "0",
	"sys/class/rfkill/rfkill1/type":        "bluetooth",
	"sys/class/rfkill/rfkill1/name":        "hci0",
	"sys/class/rfkill/rfkill1/soft":        "0",
	"sys/class/rfkill/rfkill1/hard":        "1",
	"sys/class/bluetooth/hci0/x":           "",
	"proc/net/route":                       "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n",
	"proc/net/ipv6_route":                  strings.Repeat("0", 31) + "1 80 " + strings.Repeat("0", 32) + " 00 " + strings.Repeat("0", 32) + " 00000000 00000004 00000000 80200001       lo\n",
	"proc/swaps":                           "Filename Type Size Used Priority\n",
	"proc/sys/kernel/core_pattern":         "core\n",
	"proc/sys/kernel/yama/ptrace_scope":    "1\n",
	"proc/sys/kernel/osrelease":            "6.12.0\n",
	"proc/sys/kernel/random/entropy_avail": "256\n",
	"proc/self/mountinfo":                  rootLine + "30 25 0:27 / /room rw - tmpfs tmpfs rw\n",
}

const rootLine = "27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"

const sum = "28f7a426731a84012b90a0a18c3d792e04dbf625efb08864e95ab335dd964428"

// good is a room that passes every check; change spoils a copy of it.
func good(change func(files map[string]string, r *Room)) Room {
	all := maps.Clone(files)
	r := Room{
		Machine: Machine{
			Now: func() time.Time { return noon }, CoreLimit: func() (uint64, error) { return 0, nil },
			Volume:  func(string) (Volume, error) { return Volume{1 << 30, 100_000, 200_000}, nil },
			User:    func() int { return 1000 },
			Resolve: func(path string) (string, error) { return path, nil },
		},
		Dir: "/room/ceremony", Previous: noon.Add(-time.Hour),
		Program: Program{Version: "v1", SHA256: sum, Airgap: true, Built: noon.Add(-time.Hour)},
		Modules: []Module{{
			Path: "/m.so", SHA256: sum, Environment: []string{"M_CONF=/m.conf"}, Libraries: []Library{{"/libm.so", sum}},
		}},
		Tokens: []Token{
			{Keys: []string{"root"}, Device: &signer.Device{Label: "box", Serial: "7", Model: "M"}, Algorithms: signer.Algorithms()},
			{Keys: []string{"etcd"}, KMS: true},
		},
	}
	change(all, &r)
	root := fstest.MapFS{}
	for name, text := range all {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	r.Root = root
	return r
}

func TestGoodRoom(t *testing.T) {
	want := map[string]string{
		"network": "up: none; down: eth0, wlan0", "routes": "none", "wireless": "devices: wlan0; blocked: phy0", "bluetooth": "devices: hci0; blocked: hci0",
		"clock": "2026-11-24 11:00:00 UTC, 2026-11-24 12:00:00 +0100 here; not held against a watch", "swap": "none", "core-dumps": `limit 0 bytes, core_pattern "core"`,
		"ptrace": "ptrace_scope 1", "user": "user id 1000", "kernel": "Linux 6.12.0", "entropy": "256 bits", "directory": "tmpfs at /room, in memory",
		"space": "1024 MiB, 100000 inodes", "program": "v1, SHA-256 " + sum, "airgap": "built without the clouds",
		"image": "not booted from a room's image", "modules": "/m.so SHA-256 " + sum,
		"environment": "/m.so: M_CONF=/m.conf", "libraries": "/libm.so SHA-256 " + sum,
		"tokens": "box, serial 7, M; KMS of etcd, not asked", "pins": "box: ok",
		"mechanisms": "box: ECDSA-P256, ECDSA-P384, ECDSA-P521, RSA-2048, RSA-3072, RSA-4096",
	}
	results := Look(good(func(map[string]string, *Room) {}), Policy{others: Refuse})
	for _, r := range results {
		if r.Seen != want[r.Name] || r.Wrong != "" || r.Level != Refuse || r.Refused() || r.Verdict() != "ok" {
			t.Errorf("%+v\nwant %q", r, want[r.Name])
		}
		delete(want, r.Name)
	}
	if len(want) > 0 || len(Refusals(results)) > 0 {
		t.Errorf("not looked at: %v; refused %v", want, Refusals(results))
	}
}

// TestSpoiltRooms spoils one thing at a time: its check, and no other, says so.
func TestSpoiltRooms(t *testing.T) {
	file := func(name, text string) func(map[string]string, *Room) {
		return func(f map[string]string, _ *Room) { f[name] = text }
	}
	gone := func(names ...string) func(map[string]string, *Room) {
		return func(f map[string]string, _ *Room) {
			for _, n := range names {
				delete(f, n)
			}
		}
	}
	room := func(change func(*Room)) func(map[string]string, *Room) {
		return func(_ map[string]string, r *Room) { change(r) }
	}
	device := func(change func(*signer.Device)) func(map[string]string, *Room) {
		return room(func(r *Room) { change(r.Tokens[0].Device) })
	}
	broken := errors.New("input/output error")
	const out4 = "Iface\tDestination\tGateway\neth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	swaps := func(line string) string { return "Filename Type Size Used Priority\n" + line + "\n" }
	for _, c := range []struct {
		name   string
		change func(map[string]string, *Room)
		check  string
		want   string // in what is wrong
	}{
		{"an interface up", file("sys/class/net/eth0/flags", "0x1003"), "network", "eth0 is up"},
		{"up with a link", func(f map[string]string, _ *Room) {
			f["sys/class/net/eth0/flags"], f["sys/class/net/eth0/carrier"], f["sys/class/net/wlan0/flags"] = "0x1003", "1", "0x1003"
		}, "network", "eth0 (with a link), wlan0 are up"},
		{"flags that are none", file("sys/class/net/eth0/flags", "up"), "network", "flags of eth0"},
		{"IPv4 route", file("proc/net/route", out4), "routes", "packets have a way out"},
		{"IPv6 route", file("proc/net/ipv6_route", strings.Replace(files["proc/net/ipv6_route"], "lo\n", "eth0\n", 1)), "routes", "packets have a way out"},
		{"routes not readable", gone("proc/net/route"), "routes", "not exist"},
		{"wireless not blocked", file("sys/class/rfkill/rfkill0/soft", "0"), "wireless", "phy0 is not blocked"},
		{"wireless without a switch", gone("sys/class/rfkill/rfkill0/type"), "wireless", "wlan0 has no switch"},
		{"a modem", func(f map[string]string, _ *Room) {
			f["sys/class/rfkill/rfkill2/type"], f["sys/class/rfkill/rfkill2/soft"] = "wwan", "0"
		}, "wireless", "rfkill2 is not blocked"},
		{"bluetooth not blocked", file("sys/class/rfkill/rfkill1/hard", "0"), "bluetooth", "hci0 is not blocked"},
		{"bluetooth without a switch", gone("sys/class/rfkill/rfkill1/type"), "bluetooth", "hci0 has no switch"},
		{"before the previous ceremony", room(func(r *Room) { r.Previous = noon.Add(24 * time.Hour) }), "clock",
			"before 2026-11-25 11:00:00 UTC, when the previous ceremony ended"},
		{"a day off a watch", room(func(r *Room) { r.Watch = Watch{Shows: noon.Add(-24 * time.Hour), Clock: noon} }), "clock", "it is 24h0m0s off a witness's watch, which said 2026-11-23 11:00:00 UTC"},
		{"six minutes late", room(func(r *Room) { r.Watch = Watch{Shows: noon.Add(6 * time.Minute), Clock: noon} }), "clock", "it is 6m0s off a witness's watch"},
		{"before the build", room(func(r *Room) { r.Program.Built = noon.Add(time.Second) }), "clock", "when this program was built"},
		{"swap on a disk", file("proc/swaps", swaps("/dev/sda2 partition 1 0 -2")), "swap", "in the clear to /dev/sda2"},
		{"swap in a file", file("proc/swaps", swaps("/swap file 1 0 -2")), "swap", "in the clear to /swap"},
		{"zram that writes back", func(f map[string]string, _ *Room) {
			f["proc/swaps"], f["sys/class/block/zram0/backing_dev"] = swaps("/dev/zram0 partition 1 0 -2"), "/dev/sda3"
		}, "swap", "/dev/zram0, which writes to /dev/sda3"},
		{"swap not readable", gone("proc/swaps"), "swap", "not exist"},
		{"core dumps to a file", room(func(r *Room) { r.CoreLimit = func() (uint64, error) { return 1 << 63, nil } }), "core-dumps", "to a file"},
		{"core dumps to a program", file("proc/sys/kernel/core_pattern", "|/usr/lib/systemd/systemd-coredump %P\n"), "core-dumps", "/usr/lib/systemd/systemd-coredump"},
		{"limit not readable", room(func(r *Room) { r.CoreLimit = func() (uint64, error) { return 0, broken } }), "core-dumps", broken.Error()},
		{"ptrace", file("proc/sys/kernel/yama/ptrace_scope", "0"), "ptrace", "each other's memory"},
		{"no Yama", gone("proc/sys/kernel/yama/ptrace_scope"), "ptrace", "no Yama"},
		{"root", room(func(r *Room) { r.User = func() int { return 0 } }), "user", "no step needs root"},
		{"no kernel", gone("proc/sys/kernel/osrelease"), "kernel", "not exist"},
		{"little entropy", file("proc/sys/kernel/random/entropy_avail", "12"), "entropy", "fewer than 256 bits"},
		{"entropy that is none", file("proc/sys/kernel/random/entropy_avail", "much"), "entropy", "much"},
		{"a bare disk", room(func(r *Room) { r.Dir = "/ceremony" }), "directory", "neither in memory"},
		{"a folder that looks like the mount", room(func(r *Room) { r.Dir = "/roommate" }), "directory", "neither in memory"},
		{"memory under a disk", file("proc/self/mountinfo", files["proc/self/mountinfo"]+"31 30 8:2 / /room rw - ext4 /dev/sda2 rw\n"), "directory", "neither in memory"},
		{"a live system on a bare disk", file("proc/self/mountinfo", rootLine+"30 25 0:27 / /room rw - overlay overlay rw,lowerdir=/l,upperdir=/stick,workdir=/w\n"), "directory", "neither in memory"},
		{"no mount", file("proc/self/mountinfo", ""), "directory", "no line of mountinfo"},
		{"a path that cannot be followed", room(func(r *Room) { r.Resolve = func(string) (string, error) { return "", broken } }), "directory", broken.Error()},
		{"little space", room(func(r *Room) {
			r.Volume = func(string) (Volume, error) { return Volume{1 << 20, 1 << 20, 1 << 20}, nil }
		}), "space", "256 MiB"},
		{"few inodes", room(func(r *Room) { r.Volume = func(string) (Volume, error) { return Volume{1 << 40, 9, 10}, nil } }), "space", "inodes"},
		{"no answer about space", room(func(r *Room) { r.Volume = func(string) (Volume, error) { return Volume{}, broken } }), "space", broken.Error()},
		{"clouds", room(func(r *Room) { r.Program.Airgap = false }), "airgap", "not the airgap build"},
		{"no module", room(func(r *Room) { r.Modules[0].Trouble = "no such file" }), "modules", "no such file"},
		{"a variable that has code loaded", room(func(r *Room) { r.Modules[0].Withheld = []string{"OPENSSL_CONF"} }),
			"environment", "OPENSSL_CONF would have a module load code"},
		{"a library that is gone", room(func(r *Room) { r.Modules[0].Libraries = []Library{{"/gone.so", ""}} }),
			"libraries", "/gone.so cannot be read"},
		{"no token", room(func(r *Room) { r.Tokens[0] = Token{Keys: []string{"root"}, Trouble: "no token with serial 7"} }), "tokens", "token of root: no token with serial 7"},
		{"token that is not ready", room(func(r *Room) { r.Tokens[0].Trouble = "it is not initialized" }), "tokens", "not initialized"},
		{"PIN locked", device(func(d *signer.Device) { d.PINLocked = true }), "pins", "box: locked"},
		{"PIN before its last try", device(func(d *signer.Device) { d.PINFinalTry, d.PINCountLow = true, true }), "pins", "one more wrong PIN locks it"},
		{"wrong PIN before", device(func(d *signer.Device) { d.PINCountLow, d.PINPad = true, true }), "pins", "a wrong PIN was entered"},
		{"no mechanism", room(func(r *Room) { r.Tokens[0].Algorithms = nil }), "mechanisms", "box makes no kind of key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, r := range Look(good(c.change), Policy{others: Refuse}) {
				switch {
				case r.Name != c.check:
					if r.Wrong != "" {
						t.Errorf("%s says, too: %s", r.Name, r.Wrong)
					}
				case !strings.Contains(r.Wrong, c.want) || !r.Refused():
					t.Errorf("%+v, want %q", r, c.want)
				}
			}
		})
	}
}

// TestNothingReadable: a machine without /proc and /sys passes no check that
// reads them, but for radios, whose folders are absent where there are none.
func TestNothingReadable(t *testing.T) {
	r := good(func(f map[string]string, _ *Room) { clear(f) })
	for _, result := range Look(r, nil) {
		read := slices.Contains([]string{"network", "routes", "swap", "core-dumps", "ptrace", "kernel", "entropy", "directory"}, result.Name)
		if read != (result.Wrong != "") || result.Level != Record || result.Refused() {
			t.Errorf("%+v", result)
		}
	}
}

// TestEncrypted: what lies on dm-crypt alone counts, by whatever name and
// through however many layers; one bare disk below spoils it.
func TestEncrypted(t *testing.T) {
	const crypt = "CRYPT-LUKS2-0123-room\n"
	mounted := func(line string) string { return rootLine + "30 25 " + line + "\n" }
	for _, c := range []struct {
		name  string
		files map[string]string
		want  bool
	}{
		{"LUKS", map[string]string{"proc/self/mountinfo": mounted("254:3 / /room rw - ext4 /dev/mapper/room rw"), "sys/dev/block/254:3/dm/uuid": crypt}, true},
		{"LVM on LUKS", map[string]string{"proc/self/mountinfo": mounted("254:3 / /room rw - ext4 /dev/mapper/vg-room rw"),
			"sys/dev/block/254:3/dm/uuid": "LVM-abc", "sys/dev/block/254:3/slaves/dm-0/x": "", "sys/class/block/dm-0/dm/uuid": crypt}, true},
		{"LVM on LUKS and on a bare disk", map[string]string{"proc/self/mountinfo": mounted("254:3 / /room rw - ext4 /dev/mapper/vg-room rw"),
			"sys/dev/block/254:3/slaves/dm-0/x": "", "sys/dev/block/254:3/slaves/sdb/x": "", "sys/class/block/dm-0/dm/uuid": crypt, "sys/class/block/sdb/size": "1"}, false},
		{"LVM alone", map[string]string{"proc/self/mountinfo": mounted("254:3 / /room rw - ext4 /dev/mapper/vg-room rw"), "sys/dev/block/254:3/dm/uuid": "LVM-abc"}, false},
		{"layers without an end", map[string]string{"proc/self/mountinfo": mounted("254:3 / /room rw - ext4 /dev/dm-3 rw"),
			"sys/dev/block/254:3/slaves/dm-3/x": "", "sys/class/block/dm-3/slaves/dm-3/x": ""}, false},
		{"btrfs on LUKS", map[string]string{"proc/self/mountinfo": mounted("0:45 /@ /room rw - btrfs /dev/mapper/room rw"),
			"sys/class/block/sda/size": "1", "sys/class/block/dm-1/dm/name": "room\n", "sys/class/block/dm-1/dm/uuid": crypt}, true},
		{"btrfs on another", map[string]string{"proc/self/mountinfo": mounted("0:45 /@ /room rw - btrfs /dev/mapper/plain rw"),
			"sys/class/block/dm-1/dm/name": "room", "sys/class/block/dm-1/dm/uuid": crypt}, false},
		{"a share", map[string]string{"proc/self/mountinfo": mounted("0:45 / /room rw - nfs4 server:/share rw")}, false},
		{"ecryptfs", map[string]string{"proc/self/mountinfo": mounted("0:46 / /room rw - ecryptfs /home/.x rw")}, true},
		{"a live system in memory", map[string]string{"proc/self/mountinfo": mounted(`0:27 / /run/live/over\040lay rw - tmpfs tmpfs rw`) +
			`31 30 0:28 / /room rw - overlay overlay rw,lowerdir=/l,upperdir=/run/live/over\040lay/rw,workdir=/w` + "\n"}, true},
		{"a live system on LUKS", map[string]string{"proc/self/mountinfo": mounted("254:3 / /persistence rw - ext4 /dev/mapper/p rw") +
			"31 30 0:28 / /room rw - overlay overlay rw,lowerdir=/l,upperdir=/persistence/rw,workdir=/w\n", "sys/dev/block/254:3/dm/uuid": crypt}, true},
		{"an overlay that does not say where", map[string]string{"proc/self/mountinfo": mounted("0:28 / /room rw - overlay overlay")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := good(func(f map[string]string, _ *Room) { maps.Copy(f, c.files) })
			if seen, wrong := directory(&r); (wrong == "") != c.want {
				t.Errorf("%q, wrong: %q", seen, wrong)
			}
		})
	}
}

func TestSwapThatIsSafe(t *testing.T) {
	const heading = "Filename Type Size Used Priority\n"
	for _, c := range []struct{ line, want string }{
		{"/dev/zram0 partition 1 0 100\n", "/dev/zram0 (compressed memory)"},
		{"/dev/dm-1 partition 1 0 -2\n", "/dev/dm-1 (encrypted)"},
		{"/home/swap file 1 0 -2\n", "/home/swap (encrypted)"},
	} {
		r := good(func(f map[string]string, _ *Room) {
			f["proc/swaps"], f["sys/class/block/dm-1/dm/uuid"] = heading+c.line, "CRYPT-PLAIN-swap"
			f["proc/self/mountinfo"] = rootLine + "30 25 0:9 / /home rw - btrfs /dev/dm-1 rw\n"
		})
		if seen, wrong := swap(&r); seen != c.want || wrong != "" {
			t.Errorf("%s: %q, %q", c.line, seen, wrong)
		}
	}
}

func TestCoreDumpsToNobody(t *testing.T) {
	r := good(func(f map[string]string, r *Room) {
		f["proc/sys/kernel/core_pattern"] = "|/bin/false\n"
		r.CoreLimit = func() (uint64, error) { return 4096, nil }
	})
	if seen, wrong := coreDumps(&r); wrong != "" {
		t.Errorf("%q: %s", seen, wrong)
	}
}

func TestPolicy(t *testing.T) {
	check := Check{Name: "swap", Level: Refuse}
	for _, c := range []struct {
		policy Policy
		want   Level
	}{
		{nil, Record}, {Policy{}, Refuse}, {Policy{"network": Record}, Refuse}, {Policy{"swap": Warn}, Warn},
		{Policy{"default": Record}, Record}, {Policy{"default": Record, "swap": Warn}, Warn},
	} {
		if got := c.policy.level(check); got != c.want {
			t.Errorf("%v: %s, want %s", c.policy, got, c.want)
		}
	}
	if r := (Result{Wrong: "x", Level: Warn}); r.Verdict() != "warn" || r.Refused() {
		t.Errorf("%+v: %s", r, r.Verdict())
	}
}

// TestThis looks at the machine the test runs on: what Linux has, it finds.
func TestThis(t *testing.T) {
	if _, err := os.Stat("/proc/self/mountinfo"); err != nil {
		t.Skip(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	for _, r := range Look(Room{Machine: This(time.Now), Dir: filepath.Join(link, "not", "yet")}, nil) {
		if slices.Contains([]string{"swap", "kernel", "entropy", "directory", "space", "core-dumps"}, r.Name) && (r.Seen == "" || r.Seen == "not known") {
			t.Errorf("%+v", r)
		}
	}
	if path, err := resolve(filepath.Join(link, "not", "yet")); err != nil || strings.Contains(path, "link") || strings.Contains(path, "yet") {
		t.Errorf("%s, %v", path, err)
	}
}

// TestPolicyProblem: a name or a level that there is not, beside the ones that there are.
func TestPolicyProblem(t *testing.T) {
	for want, p := range map[string]Policy{
		"":                                {"swap": Warn, "default": Refuse},
		`there is no check "swpa"; there`: {"swpa": Warn},
		`level of swap is "deny"; it is record, warn or refuse`: {"swap": "deny"},
	} {
		name, reason := p.Problem()
		if (reason == "") != (want == "") || !strings.Contains(reason, want) || !strings.Contains(reason, name) {
			t.Errorf("%q: %q", want, reason)
		}
	}
}

// TestNoDirectory: without a directory, what depends on it is not looked at.
func TestNoDirectory(t *testing.T) {
	seen := map[string]string{}
	for _, r := range Look(good(func(_ map[string]string, r *Room) { r.Dir = "" }), nil) {
		seen[r.Name] = r.Seen
	}
	if seen["directory"] != "not looked at" || seen["space"] != "not looked at" || seen["swap"] != "none" {
		t.Error(seen)
	}
}
