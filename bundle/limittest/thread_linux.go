package limittest

import (
	"syscall"
	"time"
)

// threadTime is what this thread has had of a processor (getrusage(2), RUSAGE_THREAD).
func threadTime() time.Duration {
	const thread = 1
	var u syscall.Rusage
	if err := syscall.Getrusage(thread, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
