package memory

import (
	"math"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
)

// restore puts the collector's pace back when the test ends.
func restore(t *testing.T) {
	percent, limit := debug.SetGCPercent(usual), debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
}

// TestPace: the limit is above what is alive by the room there is, before and after more of it.
func TestPace(t *testing.T) {
	restore(t)
	adjust := pace()
	if adjust == nil {
		t.Fatal("somebody has set another pace")
	}
	if percent := debug.SetGCPercent(-1); percent != -1 {
		t.Errorf("beside the limit, garbage of %d %% starts the collector", percent)
	}
	runtime.GC()
	adjust()
	little := debug.SetMemoryLimit(-1)
	if little < least || little > 1<<30 {
		t.Fatalf("%d bytes for next to nothing", little)
	}
	const more = 256 << 20
	held := make([]byte, more)
	for range 4 {
		runtime.GC()
		adjust()
	}
	if grown := debug.SetMemoryLimit(-1) - little; grown < more-least || grown > 2*more {
		t.Errorf("%d bytes more when %d more are alive", grown, more)
	}
	runtime.KeepAlive(held)
	runtime.GC()
	adjust()
	if left := debug.SetMemoryLimit(-1) - little; left > more/4 {
		t.Errorf("%d bytes more when nothing more is alive", left)
	}
}

// TestLeast: the least of the last four counts, and no older one.
func TestLeast(t *testing.T) {
	var f found
	for _, c := range []struct{ alive, want int64 }{{5, 5}, {7, 5}, {3, 3}, {9, 3}, {8, 3}, {8, 3}, {6, 6}, {9, 6}} {
		if got := f.least(c.alive); got != c.want {
			t.Errorf("%d: %d, want %d", c.alive, got, c.want)
		}
	}
}

// TestLimit: little has one limit; above it there is room of one size, until a quarter of what
// is alive is more.
func TestLimit(t *testing.T) {
	for alive, want := range map[int64]int64{
		0: 5 + least, least - room: 5 + least, least: 5 + least + room, 4 * room: 5 + 5*room, 8 * room: 5 + 10*room,
	} {
		if got := limit(alive, 5); got != want {
			t.Errorf("%d alive: %d, want %d", alive, got, want)
		}
	}
}

// TestAfterEach: collections are noticed, and not the first alone.
func TestAfterEach(t *testing.T) {
	var seen atomic.Int64
	afterEach(func() { seen.Add(1) })
	for want := range int64(3) {
		for seen.Load() <= want {
			runtime.GC()
			runtime.Gosched() // what was found is told by another goroutine
		}
	}
}

// TestPaceOfOthers: what somebody has set stays.
func TestPaceOfOthers(t *testing.T) {
	restore(t)
	debug.SetMemoryLimit(1 << 40)
	if pace() != nil || debug.SetMemoryLimit(-1) != 1<<40 {
		t.Error("a limit that was set does not stay")
	}
	debug.SetMemoryLimit(math.MaxInt64)
	debug.SetGCPercent(150)
	if pace() != nil || debug.SetGCPercent(150) != 150 {
		t.Error("a percentage that was set does not stay")
	}
}
