//go:build cgo

package module

/*
#include <signal.h>

// A crash in the module ends the process by its signal, and not by a page of
// the Go runtime's; a parent that is gone is found at the socket, and not by a
// signal in the midst of a call that prints.
static void officiant_signals(void) {
	int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
	for (unsigned i = 0; i < sizeof fatal / sizeof *fatal; i++)
		signal(fatal[i], SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
}
*/
import "C"

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// isolate readies a process for a module: no core file with a PIN in it, the
// first to go when memory is short, descriptors that no further process gets.
func isolate() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("no core files: %w", err)
	}
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("800"), 0) // Linux alone has it
	C.officiant_signals()
	for _, fd := range []int{socketFD, progressFD} {
		unix.CloseOnExec(fd)
	}
	return nil
}
