package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"officiant/ceremony/history"
	"officiant/ceremony/inventory"
)

// opening measures in this process what it costs to have a long record at hand, beside
// what the inventory keeps of it: the time, and the most that was live at once.
func (b *bench) opening(dir string) error {
	var kept any
	var took [2]time.Duration
	var held [2]float64
	for i, open := range []func() (any, error){
		func() (any, error) { return inventory.Read(history.Directory(dir)) },
		func() (any, error) {
			return history.Read(history.Directory(dir))
		},
	} {
		kept = nil
		var err error
		took[i], held[i], err = b.holds(func() (err error) { kept, err = open(); return err })
		if err != nil {
			return err
		}
	}
	runtime.KeepAlive(kept)
	b.printf("\n  %-46s  %8.2f  %8s  %8.1f\n", "the same record, read by ceremony/inventory",
		took[0].Seconds(), "", held[0])
	b.printf("  %-46s  %8.2f  %8s  %8.1f\n", "read by ceremony/history", took[1].Seconds(), "", held[1])
	b.mark(fmt.Sprintf("ceremony/history over %d certificates, over the inventory's time", b.records),
		took[1].Seconds()/took[0].Seconds(), 1.5, "")
	b.mark("the same, live at once", held[1], 40, "MiB")
	return nil
}

// holds runs something and returns how long it took, and by how many MiB the live heap
// grew at most, seen each time the collector had run.
func (b *bench) holds(do func() error) (time.Duration, float64, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // it looks often
	runtime.GC()
	before, most := live(), uint64(0)
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for tick := time.NewTicker(time.Millisecond); ; {
			most = max(most, live())
			select {
			case <-done:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	begin := time.Now()
	err := do()
	took := time.Since(begin)
	close(done)
	<-over
	runtime.GC()
	most = max(most, live())
	return took, float64(most-min(most, before)) / (1 << 20), err
}

// live is what the last collection found in use, in bytes.
func live() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
