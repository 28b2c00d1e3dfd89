package signer

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// MaxPIN bounds what is read for a PIN, in bytes.
const MaxPIN = 1024

// PINLine is the PIN in what a pin-source holds: its one line, in the same memory. It
// refuses what an editor or a shell has put around a PIN, and what nobody can see, so
// that it costs none of the token's tries. Errors do not repeat it.
func PINLine(content []byte) ([]byte, error) {
	line := bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r"))
	return line, plainPIN(line)
}

func plainPIN(line []byte) error {
	switch {
	case len(line) == 0:
		return errors.New("holds no PIN")
	case bytes.HasPrefix(line, []byte("\xef\xbb\xbf")):
		return errors.New("begins with a byte order mark, as editors of Windows write it; " +
			"save it as plain text (UTF-8 without BOM, ANSI)")
	case bytes.HasPrefix(line, []byte("\xff\xfe")), bytes.HasPrefix(line, []byte("\xfe\xff")),
		len(line) > 1 && (line[0] == 0) != (line[1] == 0):
		return errors.New("is UTF-16, as PowerShell writes it; save it as plain text (Set-Content -Encoding ascii)")
	case bytes.ContainsAny(line, "\n\r"):
		return errors.New("holds more than one line")
	case line[0] == ' ' || line[len(line)-1] == ' ':
		return errors.New("begins or ends with a space, which nobody sees; take it out, or type the PIN if it has one")
	}
	for rest := line; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		rest = rest[size:]
		if size > 1 || r < utf8.RuneSelf {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.IsSpace(r) && r != ' ' {
				return errors.New("holds a character that cannot be seen")
			}
		}
	}
	return nil
}

// OwnPINFile refuses a file or pipe that others may read, as ssh does with keys, or own:
// the PIN in it is no secret, or not its user's. It refuses one that others may put
// another in place of, too: that PIN would cost tries.
func OwnPINFile(path string, st fs.FileInfo) error {
	if st.IsDir() {
		return fmt.Errorf("%s: is a directory", path)
	}
	sys, known := st.Sys().(*syscall.Stat_t)
	if known && sys.Uid != 0 && int(sys.Uid) != os.Geteuid() {
		return fmt.Errorf("%s: belongs to user %d, who may read and change the PIN; chown it to who runs this", path,
			sys.Uid)
	}
	if perm := st.Mode().Perm(); perm&0o077 != 0 && (st.Mode().IsRegular() || st.Mode()&fs.ModeNamedPipe != 0) {
		return fmt.Errorf("%s: mode %04o lets others read the PIN; set 0600", path, perm)
	}
	if st.Mode().IsRegular() || st.Mode()&fs.ModeNamedPipe != 0 {
		return ownFolders(path)
	}
	return nil
}

// ownFolders looks at every folder above a file, and above what it is a link to, as sshd
// does (StrictModes). In a sticky folder such as /tmp, nobody moves another user's files,
// and a group that is its user's own lets nobody in.
func ownFolders(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	paths := []string{path}
	if real, err := filepath.EvalSymlinks(path); err == nil && real != path { // /dev/fd/3 leads to no path
		paths = append(paths, real)
	}
	for _, path := range paths {
		for dir, last := filepath.Dir(path), path; dir != last; dir, last = filepath.Dir(dir), dir {
			if err := ownFolder(path, dir); err != nil {
				return err
			}
		}
	}
	return nil
}

func ownFolder(path, dir string) error {
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	sys, known := st.Sys().(*syscall.Stat_t)
	if !known {
		return nil
	}
	const replace = "%s: %s may put another file in its place, since the folder %s "
	perm := st.Mode().Perm()
	switch {
	case sys.Uid != 0 && int(sys.Uid) != os.Geteuid():
		return fmt.Errorf(replace+"is theirs; move the PIN file to a folder of its user's", path,
			fmt.Sprintf("user %d", sys.Uid), dir)
	case st.Mode()&fs.ModeSticky != 0:
		return nil
	case perm&0o002 != 0:
		return fmt.Errorf(replace+"has mode %04o; chmod o-w %[3]s", path, "everybody", dir, perm)
	case perm&0o020 != 0 && int(sys.Gid) != os.Getegid():
		return fmt.Errorf(replace+"has mode %04o; chmod g-w %[3]s", path, fmt.Sprintf("group %d", sys.Gid), dir, perm)
	}
	return nil
}
