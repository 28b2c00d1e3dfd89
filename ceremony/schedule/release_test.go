package schedule

import (
	"slices"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
)

// released is a past whose last line names its release key, and perhaps one it announced.
func released(t *testing.T, announced string) *past {
	t.Helper()
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	for _, name := range []string{"release-2.pub", "stranger.pub"} {
		p.public(t, name, newKey(t))
	}
	if announced != "" {
		next := p.fingerprintOf(t, announced)
		p.next = &next
	}
	p.write()
	return p
}

func (p *past) fingerprintOf(t *testing.T, file string) fingerprint.SHA256 {
	return fingerprint.Of(p.der(t, file))
}

// spelled has a plan say something else of the release key: KEY(file) stands for an
// existing key and its file, FP(file) for its fingerprint.
func (p *past) spelled(t *testing.T, says string) string {
	t.Helper()
	for _, file := range []string{"release.pub", "release-2.pub", "stranger.pub"} {
		f := p.fingerprintOf(t, file).String()
		says = strings.ReplaceAll(says, "KEY("+file+")", "key: {existing: "+f+"}, public: previous/demo-1/"+file)
		says = strings.ReplaceAll(says, "FP("+file+")", f)
	}
	text := p.continued(t, cp1)
	before, after, _ := strings.Cut(text, "\nrelease:\n")
	_, after, _ = strings.Cut(after, "  evidence: software\n")
	return before + "\nrelease: {" + says + ", evidence: software}\n" + after
}

// TestReleaseSuccession: what a plan may say of the release key at each stage.
func TestReleaseSuccession(t *testing.T) {
	const successor = "successor: {name: release-2, "
	for what, tt := range map[string]struct {
		announced, says    string
		needs, line, warns string
	}{
		"as before": {says: "KEY(release.pub)", needs: "release"},
		"announced": {says: "KEY(release.pub), " + successor + "key: {create: RSA-2048}, evidence: software}", needs: "release release-2", line: "successor=new:RSA-2048 sig="},
		"announced again": {announced: "release-2.pub", says: "KEY(release.pub), " + successor + "KEY(release-2.pub)}", needs: "release",
			line: "successor=sha256:FP sig="},
		"taken over": {announced: "release-2.pub", says: "name: release-2, KEY(release-2.pub)", needs: "release-2", line: "bundle signer=release-2 "},
		"another one announced": {announced: "stranger.pub", says: "KEY(release.pub), " + successor + "key: {create: ECDSA-P256}, evidence: software}", needs: "release release-2", line: "successor=new:ECDSA-P256 sig=",
			warns: "which the last ceremony announced, is given up"},
		"given up": {announced: "release-2.pub", says: "KEY(release.pub)", needs: "release", warns: "is given up"},
		"lost":     {says: "name: release-b, key: {create: ECDSA-P256}, lost: FP(release.pub)", needs: "release-b", warns: "nothing of it vouches for this one"},
	} {
		t.Run(what, func(t *testing.T) {
			p := released(t, tt.announced)
			c, err := opens(p.spelled(t, tt.says), p.files)
			if err != nil {
				t.Fatal(err)
			}
			needs := slices.DeleteFunc(c.KeysNeeded(), func(n string) bool { return !strings.HasPrefix(n, "release") })
			if got := strings.Join(needs, " "); got != tt.needs {
				t.Errorf("opens %q, not %q", got, tt.needs)
			}
			line := strings.Replace(tt.line, "FP", p.fingerprintOf(t, "release-2.pub").String(), 1)
			if !strings.Contains(written(c), line) || tt.line == "" && strings.Contains(written(c), "successor") {
				t.Errorf("no %q in\n%s", line, written(c))
			}
			if tt.warns == "" && len(c.Warnings) > 0 || tt.warns != "" && (len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Message, tt.warns)) {
				t.Errorf("warnings %v, want %q", c.Warnings, tt.warns)
			}
			for _, name := range strings.Fields(tt.needs) {
				if c.Algorithm(name) == "" {
					t.Errorf("%s is of no algorithm", name)
				}
			}
		})
	}
}

func TestReleaseSuccessionRefused(t *testing.T) {
	const successor = "KEY(release.pub), successor: {name: release-2, "
	for what, tt := range map[string]struct{ announced, says, want string }{
		"another key, and nothing said":      {says: "KEY(stranger.pub)", want: "the release key is another than the last ceremony's"},
		"a new key, and nothing said":        {says: "key: {create: ECDSA-P256}", want: "say lost: "},
		"another than the one announced":     {announced: "release-2.pub", says: "KEY(stranger.pub)", want: "was not announced by it"},
		"lost, and it is the one nodes know": {says: "KEY(release.pub), lost: FP(release.pub)", want: "none is lost"},
		"lost, and it was announced":         {announced: "release-2.pub", says: "KEY(release-2.pub), lost: FP(release.pub)", want: "none is lost"},
		"another one lost":                   {says: "key: {create: ECDSA-P256}, lost: FP(stranger.pub)", want: "the release key of the last ceremony is"},
		"a successor that nobody announced":  {says: successor + "KEY(release-2.pub)}", want: "the last ceremony announced no release key"},
		"another than was announced":         {announced: "release-2.pub", says: successor + "KEY(stranger.pub)}", want: "the last ceremony announced release key"},
		"its own successor":                  {announced: "release-2.pub", says: successor + "KEY(release.pub)}", want: "the release key cannot be its own successor"},
		"a successor without a key":          {says: successor + "evidence: software}", want: "is either created or existing"},
		"a successor of both kinds":          {says: successor + "key: {create: ECDSA-P256, existing: FP(release-2.pub)}, evidence: software}", want: "is either created or existing"},
		"a successor of no evidence":         {says: successor + "key: {create: ECDSA-P256}}", want: "successor of the release key: say the least evidence"},
		"a successor of another curve":       {says: successor + "key: {create: ECDSA-P384}, evidence: software}", want: "the release key is ECDSA-P256, RSA-2048"},
		"a successor with a file":            {says: successor + "key: {create: ECDSA-P256}, public: previous/demo-1/stranger.pub, evidence: software}", want: "has no public file yet"},
		"a successor of one name":            {says: "KEY(release.pub), successor: {name: release, key: {create: ECDSA-P256}, evidence: software}", want: "two release keys are named release"},
		"a successor of an authority's name": {says: "KEY(release.pub), successor: {name: etcd, key: {create: ECDSA-P256}, evidence: software}", want: `release key name "etcd"`},
		"a successor of no name":             {says: "KEY(release.pub), successor: {key: {create: ECDSA-P256}, evidence: software}", want: `release key name ""`},
		"a name of something else":           {says: "name: transcript, KEY(release.pub)", want: `release key name "transcript"`},
	} {
		t.Run(what, func(t *testing.T) {
			p := released(t, tt.announced)
			if _, err := opens(p.spelled(t, tt.says), p.files); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v\nwant %q", err, tt.want)
			}
		})
	}
	text, inputs := planFor(t, honest(t), cp1)
	if _, err := opens(strings.Replace(text, "\nrelease:\n", "\nrelease:\n  lost: \""+strings.Repeat("1", 64)+"\"\n", 1), inputs); err == nil || !strings.Contains(err.Error(), "so none lost its release key") {
		t.Errorf("lost at the beginning: %v", err)
	}
}

// A ceremony that was held by another key, before plans had to say it, still opens.
func TestReleaseOfThePast(t *testing.T) {
	p := released(t, "")
	text := p.spelled(t, "KEY(stranger.pub)")
	if _, err := opens(text, p.files); err == nil {
		t.Error("a plan that nobody held a ceremony by is accepted")
	}
	c, err := opensHeld(text, p.files)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Message, "the release key is another") {
		t.Errorf("warnings %v", c.Warnings)
	}
}
