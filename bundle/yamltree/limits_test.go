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
		limittest.Hold(t, name, func() { _, _ = Parse([]byte(shapes[name]()), Small) })
	}
}

// TestLimitsHold shows that the limits are what holds the shapes: the text that they
// refuse takes the parser many times as long without them.
func TestLimitsHold(t *testing.T) {
	none := Limits{Bytes: 1 << 30, Depth: 1 << 30, Entries: 1 << 30, Keys: 1 << 30, Documents: 1 << 30}
	text := []byte(limittest.YAML(Small.Bytes, 0)["keys"]())
	with := limittest.Measure(t, "limits", func() { _, _ = Parse(text, Small) })
	without := limittest.Measure(t, "no limits", func() { _, _ = Parse(text, none) })
	if with.Done && without.Done && without.Time > 0 && without.Time < 3*with.Time {
		t.Errorf("%v without limits, %v with them", without.Time, with.Time)
	}
}
