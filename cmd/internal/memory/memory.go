// Package memory has a program take no more than its work needs, and no longer.
//
// What a ceremony keeps of a node is small, and the garbage it makes for one is not. By
// its own rule (GOGC) Go's collector lets as much garbage pile up as is alive, and late on
// a busy machine. With little alive it then works all the time, and with much it leaves
// more than anybody needs. So it has a limit instead, which follows what is alive and
// leaves room of one size. It is no hard one: what has to live does, and the collector
// takes half of the processors at most.
package memory

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sync"
)

const (
	// least is what may be there before the collector begins, however little is alive: up to
	// some thousand nodes need no more.
	least = 22 << 20
	// room is the least that garbage may take, and what lies unused between what is alive.
	// With less, the collector takes more time than is worth the memory.
	room = 12 << 20
)

// usual is the percentage of garbage (GOGC) when nobody has set another.
const usual = 100

var once sync.Once

// Pace gives the collector its limit from now on, for the whole process. What GOGC or
// GOMEMLIMIT has set is left alone.
func Pace() {
	once.Do(func() {
		if adjust := pace(); adjust != nil {
			adjust()
			afterEach(adjust)
		}
	})
}

// pace has the limit alone count, and returns what sets it by what is alive just then; nil
// when somebody else has set a pace.
func pace() (adjust func()) {
	if debug.SetMemoryLimit(-1) != math.MaxInt64 {
		return nil
	}
	if was := debug.SetGCPercent(-1); was != usual {
		debug.SetGCPercent(was)
		return nil
	}
	var now int64
	var last found
	return func() {
		alive, beside := taken()
		// Each change stops the world for a moment, so small ones are not made.
		if next := limit(last.least(alive), beside); next < now-room/16 || next > now+room/16 {
			now = next
			debug.SetMemoryLimit(next)
		}
	}
}

// found is how much the last collections found alive.
type found []int64

// least takes what one more found, and returns the least of the last four: what is made while
// a collection is at work counts as alive, and on a busy machine that is as much again.
func (f *found) least(alive int64) int64 {
	*f = append(*f, alive)
	*f = (*f)[max(0, len(*f)-4):]
	return slices.Min(*f)
}

// limit is the collector's, for what is alive and what the runtime takes beside it.
func limit(alive, beside int64) int64 {
	return beside + max(least, alive+max(room, alive/4))
}

// taken is what the last collection found alive, and what the runtime has beside the heap.
func taken() (alive, beside int64) {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	beside = int64(s[1].Value.Uint64())
	for _, heap := range s[2:] {
		beside -= int64(heap.Value.Uint64())
	}
	return int64(s[0].Value.Uint64()), beside
}

// mark is what nobody holds, so that each collection finds it.
type mark struct{ _ [64]byte }

// afterEach calls do after each collection.
func afterEach(do func()) {
	var again func(*mark)
	again = func(m *mark) {
		do()
		runtime.SetFinalizer(m, again) // it lives once more
	}
	runtime.SetFinalizer(new(mark), again)
}
