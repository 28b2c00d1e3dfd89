package ceremony_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Why check and approve need not say what run says before a key is made.
const (
	atRoom      = "the room: clock, tokens and KMS, as they are on the day"
	byPeople    = "people: who is there, and what they have approved by then"
	atDirectory = "the directory: run alone is given it, and what it has begun there"
	atStation   = "the station: check --station looks at it"
	inPlan      = "the plan: a run that goes on proves later what check proves when it reads the plan"
	inDryRun    = "DryRun, the very function that check and approve call"
	afterwards  = "after the point of no return, reached here by a name that is used twice"
)

// beforeKeys are all refusals of a run up to the step that looks for every key, with
// that step: by the function that makes them and their first words. Those that stem from
// what is on record name the case of TestCheckRefusesWhatRunWould that has them.
var beforeKeys = map[string]string{
	`inheritHistory: the clock says %s, but ceremony %d of %s ended at`:               "case: clock",
	`copied: %s: its copy of the plan has digest`:                                     "case: altered",
	`Approved: too few people have approved`:                                          "case: approvals",
	`enter: token %s is software, and the %s asks for evidence`:                       "case: evidence",
	`accept: evidence for the %s key is`:                                              "case: evidence",
	`free: the plan creates the %s key, but a key %s is already in its token`:         "case: name",
	`distinct: %s and %s have one key`:                                                "case: one key",
	`reopen: the key %s in the token is %s, the plan and the record say`:              "case: another key",
	`continued: on this machine, ceremony %s already continued the same ceremony of `: "case: continued",
	`inWindow: the clock says %s, and the plan lets the ceremony run`:                 "case: window",
	`tryAll: `: inDryRun,
	`list: %s: its issuer %s has no certificate`:                           inDryRun,
	`entry: %s: its issuer %s has no certificate`:                          inDryRun,
	`external: %s: its root %s has no certificate`:                         inDryRun,
	`newKey: unknown algorithm`:                                            inDryRun,
	`grantOf: the grant: authority %s has no certificate`:                  inDryRun,
	`people:  waives a check of the room, and is not present`:              byPeople,
	`Attended: the plan names no people, so nobody of them can be present`: byPeople,
	`Attended: nobody is present who may conduct`:                          byPeople,
	`ofThePlan: %q %s and is not one of the plan's people`:                 byPeople,
	`ofThePlan: %s %s twice`:                                               byPeople,
	`sinceBuilt: the clock says %s, and this program was built`:            atRoom,
	`lookAtRoom: by the station's preflight policy`:                        atRoom,
	`free: the plan creates the %s key: %v`:                                atRoom,
	`distinct: the station gives %s and %s one place`:                      atStation,
	`judge: : it cannot stay in the ceremony's directory`:                  atDirectory,
	`adoptApprovals: approvals have changed`:                               atDirectory,
	`findApprovals: %s: %s's approval is on record`:                        atDirectory,
	`bornExpired: %s would have ended at %s`:                               atDirectory,
	`sameCeremony: the directory holds a rehearsal`:                        atDirectory,
	`sameCeremony: the directory holds a real ceremony`:                    atDirectory,
	`sameCeremony: the ceremony began with %d steps`:                       atDirectory,
	`headFile:  is on the file system of the ceremony directory`:           atDirectory,
	`headFile:  holds the head of another ceremony`:                        atDirectory,
	`notPlain: %s is neither a file nor a folder`:                          atDirectory,
	`compareHead: %s: people abandoned this ceremony`:                      atDirectory,
	`compareHead: a ceremony continues only with the head`:                 atDirectory,
	`cutOff: no line of the record has the head`:                           atDirectory,
	`otherSteps: with this station file the ceremony has other steps`:      atDirectory,
	`sameStation: the rehearsal began with another station file`:           atDirectory,
	`sameToken: the corrected station has`:                                 atDirectory,
	`takeCorrection: the %s key is on record`:                              atDirectory,
	`goneOn: the record has grown since`:                                   atDirectory,
	`lock: %s: another process conducts this ceremony`:                     atDirectory,
	`lock: %s: another process conducted this ceremony until now`:          atDirectory,
	`foreign: %s: %w`: atDirectory,
	`foreign: %s: there is a transcript but no plan`:                   atDirectory,
	`foreign: %s: %s is there, and no ceremony`:                        atDirectory,
	`schedule: %s: already exists, with other content`:                 atDirectory,
	`copyLarge: %s: already exists, with other content`:                atDirectory,
	`ensure: %s: already exists, with other content`:                   atDirectory,
	`here: %s: the ceremony directory was moved, removed or unmounted`: atDirectory,
	`publicKey: %s: its key is not on record`:                          afterwards,
	`prove: `: inPlan,
	`proveRest: %s: the record was there at the first step`:        atDirectory,
	`madeKey: %s: its key is not on record`:                        afterwards,
	`receive: the clock says %s, and the record's last line is of`: afterwards,
	`receive: `:                           afterwards,
	`request: %s: the %s key is not open`: afterwards,
	`clone: the clone of the %s key is in the token that holds the key`:            afterwards,
	`clone: token %s is software, and the %s asks for evidence %q of the %s key: `: afterwards,
	`findPublic: no clone of key %s`:                                               afterwards,
	`authority: authority %s has no certificate yet`:                               afterwards,
	`issuer: %s: the %s key is not open`:                                           afterwards,
}

// TestEveryRefusalBeforeKeys reads the source of a run: a refusal that the table does not
// have fails it, and so does a line of the table that no code has any more.
func TestEveryRefusalBeforeKeys(t *testing.T) {
	found := refusalsFrom(t, ".", "people", "approved", "Steps", "dryRun", "open", "lookAtRoom", "survey")
	told := map[string]bool{}
	for _, has := range found {
		key := ""
		for line := range beforeKeys {
			if strings.HasPrefix(has, line) && len(line) > len(key) && (line != "tryAll: " || has == line) &&
				(line != "prove: " || has == line) && (line != "receive: " || has == line) {
				key = line
			}
		}
		if key == "" {
			t.Errorf("%q: say in the table whether check and approve refuse it, too, and show it", has)
		}
		told[key] = true
	}
	for line, why := range beforeKeys {
		if !told[line] {
			t.Errorf("%q: no run says so any more", line)
		}
		if name, ok := strings.CutPrefix(why, "case: "); ok && onRecord[name].spoil == nil && onRecord[name].by == "" {
			t.Errorf("%q: there is no case %q", line, name)
		}
	}
}

// TestRefusalsAreFound: what reads the source finds a refusal in each shape that the
// package has, and passes over what only wraps another error.
func TestRefusalsAreFound(t *testing.T) {
	got := refusalsFrom(t, filepath.Join("testdata", "refusals"), "begin")
	want := []string{"begin: one", "begin: two %s", "deeper: three", "deeper: four: %w"}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// refusalsFrom lists the refusals in functions of a package's source that these call,
// or whatever they call: "FUNCTION: first words". Functions are told by name alone, so
// that more of them may be listed than are called.
func refusalsFrom(t *testing.T, dir string, roots ...string) []string {
	t.Helper()
	functions := map[string][]*ast.FuncDecl{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	must(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		must(t, err)
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				functions[fn.Name.Name] = append(functions[fn.Name.Name], fn)
			}
		}
	}
	seen, found := map[string]bool{}, map[string]bool{}
	for len(roots) > 0 {
		name := roots[0]
		if roots = roots[1:]; seen[name] {
			continue
		}
		seen[name] = true
		for _, fn := range functions[name] {
			ast.Inspect(fn, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					roots = append(roots, called(call))
				}
				if words, ok := refusal(n); ok {
					found[name+": "+words] = true
				}
				return true
			})
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// refusal is the first text in what makes an error: a Refused, or a call of fmt.Errorf or
// errors.New that does more than to put a name before another error.
func refusal(n ast.Node) (words string, ok bool) {
	switch x := n.(type) {
	case *ast.CompositeLit:
		id, is := x.Type.(*ast.Ident)
		if !is || id.Name != "Refused" {
			return "", false
		}
	case *ast.CallExpr:
		s, is := x.Fun.(*ast.SelectorExpr)
		if !is || s.Sel.Name != "Errorf" && s.Sel.Name != "New" {
			return "", false
		}
		if from, is := s.X.(*ast.Ident); !is || from.Name != "fmt" && from.Name != "errors" {
			return "", false
		}
	default:
		return "", false
	}
	ast.Inspect(n, func(n ast.Node) bool {
		if l, is := n.(*ast.BasicLit); is && l.Kind == token.STRING && !ok {
			words, _ = strconv.Unquote(l.Value)
			ok = true
		}
		return !ok
	})
	call, is := n.(*ast.CallExpr)
	return words, !is || ok && (!strings.HasSuffix(words, "%w") || slices.ContainsFunc(call.Args, sentinel))
}

// sentinel says whether an argument is one of the errors that callers branch on.
func sentinel(arg ast.Expr) bool {
	if s, ok := arg.(*ast.SelectorExpr); ok {
		arg = s.Sel
	}
	id, ok := arg.(*ast.Ident)
	return ok && strings.HasPrefix(id.Name, "Err")
}

// called is the name of the function or method that a call calls.
func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}
