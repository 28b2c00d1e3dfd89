package preflight

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Where a room that was booted from an image says which: a line with its name, and
// the list of all files on its medium, which it checked before it began.
const (
	imageName = "run/officiant-room/NAME"
	imageList = "run/officiant-room/SHA256SUMS"
)

// image is what the room was booted from: the sum of its list is what its makers
// wrote down (docs/room-image.md). A machine that lies about itself can say this, too.
func image(r *Room) (seen, wrong string) {
	list, err := fs.ReadFile(r.Root, imageList)
	if errors.Is(err, fs.ErrNotExist) {
		return "not booted from a room's image", ""
	}
	if err != nil {
		return unreadable(err)
	}
	name, err := r.text(imageName)
	if err != nil {
		return unreadable(err)
	}
	name, _, _ = strings.Cut(name, "\n")
	sum := sha256.Sum256(list)
	seen = fmt.Sprintf("%q, the list of its files has SHA-256 %s", name, hex.EncodeToString(sum[:]))
	if len(r.imageFiles()) == 0 {
		return seen, "the list names no file"
	}
	return seen, ""
}

// imageFiles are the files on the medium, by the image's own list; what is no line of a
// list is passed over.
func (r *Room) imageFiles() (files []Library) {
	list, err := r.text(imageList)
	if err != nil {
		return nil
	}
	for _, line := range lines(list) {
		sum, path, ok := strings.Cut(line, "  ")
		if b, err := hex.DecodeString(sum); ok && err == nil && len(b) == sha256.Size {
			files = append(files, Library{Path: path, SHA256: sum})
		}
	}
	return files
}
