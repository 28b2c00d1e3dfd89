package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"officiant/signer"
)

// TestTriesAreBounded: a machine remembers the wrong PINs of so many tokens, forgets the
// one that had its last longest ago, and never the one at hand.
func TestTriesAreBounded(t *testing.T) {
	p := pinTries{filepath.Join(t.TempDir(), "wrong-pins"), io.Discard, &sync.Once{}}
	token := func(n int) signer.Device { return signer.Device{Label: "token", Serial: fmt.Sprint(n)} }
	at := time.Now().Add(-time.Hour)
	for n := range mostTokens + 3 {
		p.Remember(token(n), 1)
		must(t, os.Chtimes(p.file(token(n)), at, at.Add(time.Duration(n)*time.Second)))
	}
	p.Remember(token(5), 2)
	files, err := os.ReadDir(p.folder)
	must(t, err)
	if len(files) != mostTokens {
		t.Errorf("%d files", len(files))
	}
	for n, want := range map[int]int{2: 0, 3: 1, 5: 2, mostTokens + 2: 1} {
		if got := p.Wrong(token(n)); got != want {
			t.Errorf("%d wrong PINs of token %d, want %d", got, n, want)
		}
	}
	p.Remember(token(5), 0)
	if p.Wrong(token(5)) != 0 {
		t.Error("a right PIN is not heeded")
	}
}
