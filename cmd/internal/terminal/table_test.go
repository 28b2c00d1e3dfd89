package terminal

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func write(t *testing.T, table *Table, width int) string {
	t.Helper()
	var b strings.Builder
	if err := table.Write(&b, width); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTable(t *testing.T) {
	table := &Table{Header: []string{"NAME", "SUBJECT"}}
	table.Add("cp-1/apiserver", "CN=kube-apiserver")
	table.Add("by etcd")
	table.Add("ö", "")
	want := "" +
		"NAME            SUBJECT\n" +
		"cp-1/apiserver  CN=kube-apiserver\n" +
		"by etcd\n" +
		"ö\n"
	if got := write(t, table, 80); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// TestTableFolds: a column is as wide as its longest word, which is never broken.
func TestTableFolds(t *testing.T) {
	table := &Table{Header: []string{"N", "NAMES"}}
	table.Add("1", "kubernetes,kubernetes.default,kubernetes.default.svc and 10.96.0.1")
	table.Add("2", strings.Repeat("x", 50))
	want := "" +
		"N  NAMES\n" +
		"1  kubernetes,kubernetes.default,\n" +
		"   kubernetes.default.svc and 10.96.0.1\n" +
		"2  " + strings.Repeat("x", 50) + "\n"
	if got := write(t, table, 40); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// Whatever the width, nothing is lost and every line that can fit does.
func TestTableKeepsEverything(t *testing.T) {
	for width := range 90 {
		table := &Table{}
		table.Add("alpha", strings.Repeat("word ", 30), strings.Repeat("a,b", 30))
		got := write(t, table, width)
		if n := strings.Count(got, "w"); n != 30 {
			t.Fatalf("width %d: %d words of 30:\n%s", width, n, got)
		}
		for line := range strings.Lines(got) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); width >= 40 && n > width {
				t.Errorf("width %d: line of %d columns %q", width, n, line)
			}
		}
	}
}

func TestTableEmpty(t *testing.T) {
	if got := write(t, &Table{}, 80); got != "" {
		t.Errorf("got %q", got)
	}
}
