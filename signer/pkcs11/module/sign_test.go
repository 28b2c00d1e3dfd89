//go:build cgo

package module

import "testing"

// TestLeastOperation: the smallest operation there is has the size that the other side
// counts with, and is read as it was written.
func TestLeastOperation(t *testing.T) {
	var body out
	body.operation(Operation{Key: 7, Mechanism: 1})
	if len(body) != leastOperation {
		t.Errorf("%d bytes, and %d are counted", len(body), leastOperation)
	}
	i := &in{rest: []byte(body)}
	if op := operation(i); op.Key != 7 || op.Mechanism != 1 || op.PIN != nil || i.end() != nil {
		t.Errorf("%+v, %v", op, i.end())
	}
}
