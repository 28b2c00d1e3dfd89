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

// TestTableBelow: where the columns do not fit beside one another, the last stand below,
// and a row that says nothing there has no line for it.
func TestTableBelow(t *testing.T) {
	table := &Table{Header: []string{"FILE", "RESULT", "EXPIRES", "SUBJECT"}}
	table.Add("README.txt", "ok", "–", "–")
	table.Add("controller-manager.conf", "ok", "2027-11-29T17:48:23Z", "CN=system:kube-controller-manager")
	table.Add("super-admin.conf", "1 problem", "2027-11-29T17:48:23Z", "CN=kubernetes-super-admin,O=system:masters")
	want := "" +
		"FILE                     RESULT     EXPIRES\n" +
		"    SUBJECT\n" +
		"README.txt               ok         –\n" +
		"controller-manager.conf  ok         2027-11-29T17:48:23Z\n" +
		"    CN=system:kube-controller-manager\n" +
		"super-admin.conf         1 problem  2027-11-29T17:48:23Z\n" +
		"    CN=kubernetes-super-admin,O=system:masters\n"
	if got := write(t, table, 60); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	narrow := "" +
		"FILE                     RESULT\n" +
		"    EXPIRES\n" +
		"    SUBJECT\n" +
		"README.txt               ok\n" +
		"controller-manager.conf  ok\n" +
		"    2027-11-29T17:48:23Z\n" +
		"    CN=system:kube-controller-manager\n" +
		"super-admin.conf         1 problem\n" +
		"    2027-11-29T17:48:23Z\n" +
		"    CN=kubernetes-super-admin,\n" +
		"    O=system:masters\n"
	if got := write(t, table, 44); got != narrow {
		t.Errorf("got:\n%swant:\n%s", got, narrow)
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
