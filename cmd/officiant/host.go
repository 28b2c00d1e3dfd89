package main

import (
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// thisProgram identifies the running program by its own bytes.
func thisProgram(version string) (transcript.Program, error) {
	path, err := os.Executable()
	if err != nil {
		return transcript.Program{}, err
	}
	sum, err := fingerprint.OfFile(path)
	if err != nil {
		return transcript.Program{}, err
	}
	return transcript.Program{Version: version, SHA256: sum, Go: runtime.Version(), Airgap: airgap}, nil
}

// thisHost says on which machine the ceremony runs, and which network
// interfaces are up. What cannot be read stays empty.
func thisHost() transcript.Host {
	h := transcript.Host{Interfaces: []string{}}
	h.Name, _ = os.Hostname()
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		h.Kernel = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	}
	up, _ := net.Interfaces()
	for _, i := range up {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 {
			h.Interfaces = append(h.Interfaces, i.Name)
		}
	}
	return h
}
