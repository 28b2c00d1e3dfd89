package preflight

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

// TestImage: a room that was booted from an image shows the sum of its list and the files
// in it; a list that names none is wrong. Any other machine says that it is none.
func TestImage(t *testing.T) {
	list := sum + "  room/room.squashfs\n" + sum + "  boot/vmlinuz\n"
	of := sha256.Sum256([]byte(list))
	for what, c := range map[string]struct {
		files       map[string]string
		seen, wrong string
		count       int
	}{
		"an image": {map[string]string{imageName: "Officiant's room, v1\n", imageList: list},
			`"Officiant's room, v1", the list of its files has SHA-256 ` + hex.EncodeToString(of[:]), "", 2},
		"any machine": {nil, "not booted from a room's image", "", 0},
		"no name":     {map[string]string{imageList: list}, "not known", "NAME", 2},
		"an empty list": {map[string]string{imageName: "v1", imageList: ""}, "the list of its files",
			"names no file", 0},
		"junk": {map[string]string{imageName: "v1\nv2", imageList: "zz  a\n"}, `"v1", the list`,
			"names no file", 0},
	} {
		r := good(func(files map[string]string, _ *Room) {
			for name, text := range c.files {
				files[name] = text
			}
		})
		for _, result := range Look(r, nil) {
			if result.Name != "image" {
				continue
			}
			if !strings.Contains(result.Seen, c.seen) || !strings.Contains(result.Wrong, c.wrong) ||
				c.wrong == "" && result.Wrong != "" || len(result.Files) != c.count {
				t.Errorf("%s: %+v", what, result)
			}
		}
	}
}
