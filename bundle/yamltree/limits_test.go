package yamltree

import (
	"maps"
	"slices"
	"testing"

	"officiant/bundle/limittest"
)

func TestWorstShapes(t *testing.T) {
	shapes := limittest.YAML(Small.Bytes, 0)
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		limittest.Hold(t, name, func() { _, _ = Parse([]byte(shapes[name]), Small) })
	}
}

// TestHoldCanFail shows that the limits are what holds the shapes: without them
// the parser takes longer than it may.
func TestHoldCanFail(t *testing.T) {
	none := Limits{Bytes: 1 << 30, Depth: 1 << 30, Entries: 1 << 30, Keys: 1 << 30, Documents: 1 << 30}
	shapes := limittest.YAML(Small.Bytes, 0)
	u := limittest.Measure(t, "no limits", func() { _, _ = Parse([]byte(shapes["keys"]), none) })
	if u.Done && u.Time <= limittest.MaxTime && u.Time > 0 {
		t.Errorf("%v without limits", u.Time)
	}
}
