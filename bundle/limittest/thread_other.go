//go:build !linux

package limittest

import "time"

func threadTime() time.Duration { return time.Duration(time.Now().UnixNano()) }
