package schedule

import (
	"encoding/pem"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/seal"
	"officiant/ceremony/plan"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// der is a key among the files, as the record has it.
func (p *past) der(t *testing.T, name string) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(p.files["previous/demo-1/"+name]))
	if block == nil {
		t.Fatalf("no key %s", name)
	}
	return block.Bytes
}

// pairs is a past whose record has a pair in use, perhaps a next one, and former ones.
func pairs(t *testing.T, next bool, former ...string) *past {
	t.Helper()
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	for _, name := range []string{"next.pub", "former.pub", "stranger.pub"} {
		p.public(t, name, newKey(t))
	}
	nextFile := strings.Replace(sealedFile, "YWdl", "bmV4dA==", 1)
	p.files["previous/demo-1/next.key.age"] = nextFile
	record := func(secret, name, file string) transcript.Sealed {
		return transcript.Sealed{Secret: secret, File: "secrets/" + name, SHA256: fingerprint.Of([]byte(file)),
			Recipients: []string{recipients["cp-1"]}, PublicKey: p.der(t, name)}
	}
	inUse := record(transcript.ServiceAccount, "sa.pub", sealedFile)
	for _, name := range former {
		inUse.Former = append(inUse.Former, p.der(t, name))
	}
	p.sealed = []transcript.Record{transcript.Carried(inUse)}
	if next {
		p.sealed = append(p.sealed, record(transcript.NextServiceAccount, "next.pub", nextFile))
	}
	p.write()
	return p
}

// account has a plan say something else of the service account.
func account(text, spelled string) string {
	before, after, _ := strings.Cut(text, "serviceAccount:\n")
	i := strings.Index(after, "\nnodes:")
	for j := strings.LastIndex(after[:i], "\n#"); j >= 0; j = strings.LastIndex(after[:i], "\n#") {
		i = j
	}
	return before + "serviceAccount: " + spelled + "\nnodes:" + after[strings.Index(after, "\nnodes:")+len("\nnodes:"):]
}

const (
	inUse     = "sealed: previous/demo-1/sa.key.age, public: previous/demo-1/sa.pub"
	following = "sealed: previous/demo-1/next.key.age, public: previous/demo-1/next.pub"
)

// TestRotation: what a plan may say at each stage, and what it is warned of.
func TestRotation(t *testing.T) {
	for what, tt := range map[string]struct {
		next   bool
		former []string
		says   string
		warns  string
	}{
		"trust":                    {says: inUse + ", next: {create: RSA-3072}"},
		"trust, carried on":        {next: true, says: inUse + ", next: {" + following + "}"},
		"issue":                    {next: true, says: following + ", former: [previous/demo-1/sa.pub]"},
		"issue, carried on":        {former: []string{"former.pub"}, says: inUse + ", former: [previous/demo-1/former.pub]"},
		"trust after issue":        {former: []string{"former.pub"}, says: inUse + ", next: {create: ECDSA-P256}, former: [previous/demo-1/former.pub]"},
		"two rotations at once":    {next: true, former: []string{"former.pub"}, says: following + ", former: [previous/demo-1/sa.pub, previous/demo-1/former.pub]"},
		"drop":                     {former: []string{"former.pub"}, says: inUse, warns: "tokens signed with the former service-account key"},
		"the next one is given up": {next: true, says: inUse, warns: "the next service-account key that the last ceremony made"},
		"the next one is another":  {next: true, says: inUse + ", next: {create: ECDSA-P256}", warns: "is given up"},
		"a new pair, used at once": {next: true, says: "create: ECDSA-P256", warns: "tokens signed with the old one are refused"},
	} {
		t.Run(what, func(t *testing.T) {
			p := pairs(t, tt.next, tt.former...)
			c, err := opens(account(p.continued(t, cp1), "{"+tt.says+"}"), p.files)
			if err != nil {
				t.Fatal(err)
			}
			warned := slices.ContainsFunc(c.Warnings, func(w plan.Problem) bool { return strings.Contains(w.Message, tt.warns) })
			if (tt.warns != "") != (len(c.Warnings) > 0) || !warned && tt.warns != "" {
				t.Errorf("warnings %v, want %q", c.Warnings, tt.warns)
			}
		})
	}
}

func TestRotationRefused(t *testing.T) {
	for what, tt := range map[string]struct {
		next   bool
		former []string
		says   string
		want   string
	}{
		"the pair before is not kept":      {next: true, says: following, want: "the pair that signed tokens until now is missing under former"},
		"another is kept in its place":     {next: true, says: following + ", former: [previous/demo-1/former.pub]", want: "the pair that signed tokens until now is missing under former"},
		"a pair that was never announced":  {says: following + ", former: [previous/demo-1/sa.pub]", want: "previous/demo-1/next.pub: is not the service-account key the last ceremony recorded"},
		"a former key that never signed":   {says: inUse + ", former: [previous/demo-1/stranger.pub]", want: "the key in previous/demo-1/stranger.pub is none that nodes signed tokens with"},
		"a former key that was dropped":    {says: inUse + ", former: [previous/demo-1/former.pub]", want: "is none that nodes signed tokens with"},
		"the next key as a former one":     {next: true, says: inUse + ", former: [previous/demo-1/next.pub]", want: "is none that nodes signed tokens with"},
		"the key in use as a former one":   {says: inUse + ", former: [previous/demo-1/sa.pub]", want: "the key in previous/demo-1/sa.pub is in sa.pub already"},
		"a former key twice":               {former: []string{"former.pub"}, says: inUse + ", former: [previous/demo-1/former.pub, previous/demo-1/former.pub]", want: "is in sa.pub already"},
		"a next pair of nobody":            {says: inUse + ", next: {" + following + "}", want: "previous/demo-1/next.pub: is not the next service-account pair the last ceremony recorded"},
		"another file of the next pair":    {next: true, says: inUse + ", next: {sealed: previous/demo-1/sa.key.age, public: previous/demo-1/next.pub}", want: "is not the next service-account pair"},
		"half of a next pair":              {next: true, says: inUse + ", next: {public: previous/demo-1/next.pub}", want: "a service-account pair is carried over as two files, sealed and public"},
		"a next pair, made and carried":    {next: true, says: inUse + ", next: {create: ECDSA-P256, " + following + "}", want: "the next service-account pair is either created or carried over"},
		"a next pair on a larger curve":    {says: inUse + ", next: {create: ECDSA-P384}", want: "the service-account key is ECDSA-P256, RSA-2048, RSA-3072 or RSA-4096, not ECDSA-P384"},
		"next beside one that is made":     {says: "create: ECDSA-P256, next: {create: ECDSA-P256}", want: "a pair that is created signs from now on"},
		"former beside one that is made":   {says: "create: ECDSA-P256, former: [previous/demo-1/sa.pub]", want: "a pair that is created signs from now on"},
		"a next pair and none in use":      {says: "next: {create: ECDSA-P256}", want: "a service-account pair is carried over as two files, sealed and public"},
		"a next pair that is in the clear": {next: true, says: inUse + ", next: {sealed: previous/demo-1/sa.pub, public: previous/demo-1/next.pub}", want: "previous/demo-1/sa.pub: not an armored age file"},
	} {
		t.Run(what, func(t *testing.T) {
			p := pairs(t, tt.next, tt.former...)
			_, err := opens(account(p.continued(t, cp1), "{"+tt.says+"}"), p.files)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v\nwant %q", err, tt.want)
			}
		})
	}
}

// A node that joined after the next pair was made cannot open it when it is to sign.
func TestRotationJoined(t *testing.T) {
	p := pairs(t, true)
	_, err := opens(account(p.continued(t, cp1, cp2), "{"+following+", former: [previous/demo-1/sa.pub]}"), p.files)
	if err == nil || !strings.Contains(err.Error(), "node cp-2 cannot open previous/demo-1/next.key.age") {
		t.Error(err)
	}
	// Who has the present key and is not here will not open the next one.
	p = pairs(t, false)
	text := account(p.continued(t, cp2), "{"+inUse+", next: {create: ECDSA-P256}}")
	p.files["requests/cp-2.sa.key.age"] = sealedFile
	text = strings.Replace(text, "    request: requests/cp-2.req\n", "    request: requests/cp-2.req\n    sealed: requests/cp-2.sa.key.age\n", 1)
	c, err := opens(text, p.files)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Message, "sealed to 1 recipients that no node here has") {
		t.Errorf("warnings %v", c.Warnings)
	}
}

// The next pair is sealed to recipients that are proven, as a new one is.
func TestNextNeedsRequests(t *testing.T) {
	p := pairs(t, false)
	had := p.certified(t, cp1, honest(t)["cp-1"], nil)
	p.recorded(had...)
	text := account(p.renewing(t, cp1, "apiserver"), "{"+inUse+", next: {create: ECDSA-P256}}")
	if _, err := opens(text, p.files); err == nil || !strings.Contains(err.Error(), "node cp-1: a new service-account key needs a new request") {
		t.Error(err)
	}
}

// What New writes of a rotation is what Open reads.
func TestNewRotation(t *testing.T) {
	p := pairs(t, true, "former.pub")
	want := plan.ServiceAccount{Sealed: "previous/demo-1/sa.key.age", Public: "previous/demo-1/sa.pub",
		Next:   plan.NextAccount{Sealed: "previous/demo-1/next.key.age", Public: "previous/demo-1/next.pub"},
		Former: []string{"previous/demo-1/former.pub"}}
	section := func(sa plan.ServiceAccount) string {
		text, err := plan.New(plan.NewOptions{Name: "demo-2", ServiceAccount: sa, Nodes: []plan.Node{{Roles: cp1.Roles}}})
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(text), "serviceAccount:\n")
		written, _, _ := strings.Cut(after, "\n\n")
		return written + "\n"
	}
	text := p.continued(t, cp1)
	before, after, _ := strings.Cut(text, "serviceAccount:\n")
	_, after, _ = strings.Cut(after, "public: previous/demo-1/sa.pub\n")
	c, err := opens(before+"serviceAccount:\n"+section(want)+after, p.files)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Plan.ServiceAccount; got.Sealed != want.Sealed || got.Next != want.Next || !slices.Equal(got.Former, want.Former) {
		t.Errorf("%+v", got)
	}
	text = section(plan.ServiceAccount{Sealed: "a", Public: "b", Next: plan.NextAccount{Create: signer.RSA2048}})
	if !strings.Contains(text, "  next:\n    create: RSA-2048\n") {
		t.Error(text)
	}
}

// TestHoldsBack: check names each node for whose sake a new pair is sealed without the
// hybrid recipients that others have; nobody where all are alike.
func TestHoldsBack(t *testing.T) {
	_, recipient, err := seal.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	requests := honest(t)
	hybrid := cp2
	hybrid.Name, hybrid.Address = "cp-3", netip.MustParseAddr("10.0.0.13")
	recipients["cp-3"] = recipient
	defer delete(recipients, "cp-3")
	requests["cp-3"] = makeRequest(t, facts, hybrid, nil)
	for _, c := range []struct {
		nodes []kubepki.Node
		named []string
	}{
		{[]kubepki.Node{cp1, cp2, work}, nil},
		{[]kubepki.Node{cp1, hybrid, work}, []string{"cp-1"}},
		{[]kubepki.Node{cp1, cp2, hybrid}, []string{"cp-1", "cp-2"}},
	} {
		text, inputs := planFor(t, requests, c.nodes...)
		opened, err := opens(text, inputs)
		if err != nil {
			t.Fatal(err)
		}
		var named []string
		for _, w := range opened.Warnings {
			if before, _, ok := strings.Cut(w.Message, " has no hybrid recipient"); ok {
				named = append(named, strings.TrimPrefix(before, "node "))
			}
		}
		if !slices.Equal(named, c.named) {
			t.Errorf("%d nodes: %q hold the file back, not %q", len(c.nodes), named, c.named)
		}
	}
}
