package main

import (
	"slices"
	"strings"
	"testing"

	"officiant/ceremony"
	"officiant/ceremony/next"
)

// TestHints: each way has its words, and takes as many names as it has places.
func TestHints(t *testing.T) {
	all := next.Ways()
	for _, w := range all {
		if ways[w] == "" {
			t.Errorf("%q: has no words", w)
		}
	}
	for w, words := range ways {
		if !slices.Contains(all, w) {
			t.Errorf("%q: is no way", words)
		}
	}
	for _, w := range []ceremony.Want{ceremony.TheHead, ceremony.BothHeads, ceremony.AnotherPlace, ceremony.AWaiver,
		ceremony.KnownHead, ceremony.AReason, ceremony.TwoPeople, ceremony.SameRecords} {
		if wants[w] == "" {
			t.Errorf("%q: has no words", w)
		}
	}
	got := hintLines([]next.Hint{{Text: "wait"}, {Way: next.ShareKey, Of: []string{"cp-2.req", "cp-2.sa.key.age"}},
		{Way: next.NextStage, Of: []string{"issue"}}})
	for i, want := range []string{"wait", "share --to cp-2.req --out cp-2.sa.key.age, then", "--stage issue"} {
		if !strings.Contains(got[i], want) || strings.Contains(got[i], "%!") {
			t.Errorf("%q has no %q", got[i], want)
		}
	}
}
