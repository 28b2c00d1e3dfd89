package stories

import (
	"strings"
	"testing"
)

// rehearseAll rehearses every plan that a page left, with a station that has places
// for its keys, and wants its record to hold together but for being a rehearsal's.
const rehearseAll = `unset OFFICIANT_STATION OFFICIANT_CEREMONIES OFFICIANT_RELEASE_KEY
n=0
for plan in $(find . -name plan.yaml -not -path './ceremony*' -not -path './rehearsed*' | sort); do
  n=$((n + 1)) printed=
  for station in station*.yaml; do
    officiant ceremony script "$plan" --station "$station" -o html >script.html 2>/dev/null || continue
    officiant ceremony script "$plan" --station "$station" >script.txt
    printed=yes
  done
  test "$printed" = yes || { echo "no station has places for the keys of $plan"; exit 1; }
  officiant ceremony rehearse "$plan" --station "$station" --dir rehearsed-$n >/dev/null 2>said.txt || { cat said.txt; exit 1; }
  officiant ceremony verify rehearsed-$n >verdict.txt 2>&1 && exit 1
  grep -q 'a rehearsal on throw-away tokens' verdict.txt
  grep -q ', 1 finding$' verdict.txt || { echo "$plan:"; cat verdict.txt; exit 1; }
  officiant ceremony report rehearsed-$n >/dev/null 2>&1 && exit 1
  grep -q 'Apart from that, the record holds together' rehearsed-$n/report.rehearsal.html
  echo "REHEARSED $plan"
done
for d in ceremony ceremony-*; do
  test ! -d "$d" || officiant ceremony report "$d" >/dev/null
done
`

// TestEveryKindOfPlan: whatever a plan is for, there is a script of it, it can be
// rehearsed, and its ceremony has minutes that find nothing wrong.
func TestEveryKindOfPlan(t *testing.T) {
	for _, c := range []struct {
		part, page, before string
		plans              []string
	}{
		{"6", "rollover.md", "", []string{"./plan.yaml", "./trust/plan.yaml", "./issue/plan.yaml", "./drop/plan.yaml"}},
		{"2", "external-root.md", "", []string{"./plan.yaml"}},
		{"4", "revocation.md", "rm plan.yaml schedule.txt", []string{"./plan.yaml", "./revocation/plan.yaml", "./refresh/plan.yaml"}},
		{"6", "renewal.md", "", []string{"./plan.yaml"}},
	} {
		t.Run(c.page, func(t *testing.T) {
			t.Parallel()
			first, typed := partsOf(t, c.part, c.page, 1)
			_, out := typeAll(t, first, c.before, typed, rehearseAll)
			for _, plan := range c.plans {
				if !strings.Contains(out, "REHEARSED "+plan+"\n") {
					t.Errorf("%s was not rehearsed:\n%s", plan, out)
				}
			}
		})
	}
}
