package ceremony

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/plan"
	"officiant/ceremony/progress"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// TestCarriedAccount shows what the room refuses of a service-account key that a
// previous ceremony sealed, whatever was checked of the plan before.
func TestCarriedAccount(t *testing.T) {
	const file = "previous/demo-1/sa.key.age"
	sealed := []byte("sealed")
	former := func(sealed []byte, to string) *history.History {
		r := historytest.Begin(t, time.Now(), transcript.Open{})
		release := historytest.Key(t)
		r.Key("release", release.Public(), true)
		r.Add(transcript.Sealed{Secret: transcript.ServiceAccount, File: "secrets/sa.key.age",
			SHA256: fingerprint.Of(sealed), Recipients: []string{to}})
		record, _ := r.Close(release, nil)
		read, err := history.Read(history.Text("demo-1.jsonl", record))
		if err != nil {
			t.Fatal(err)
		}
		past, err := history.Of("demo", read)
		if err != nil {
			t.Fatal(err)
		}
		return past
	}
	for name, c := range map[string]struct {
		past *history.History
		want string
	}{
		"to another recipient": {former(sealed, "age1old"),
			file + " is not sealed to age1new: a control-plane node could not open it"},
		"another file": {former([]byte("another"), "age1new"),
			file + " is not the sealed file of any previous ceremony's record"},
		"on no record": {&history.History{}, file + " is not the sealed file of any previous ceremony's record"},
	} {
		r := &secrets{past: c.past, common: common{progress: progress.New(nil), plan: &schedule.Ceremony{
			Plan: &plan.Plan{
				ServiceAccount: plan.ServiceAccount{Sealed: file},
				Nodes:          []plan.Node{{Name: "cp-1", Keys: plan.NodeKeys{Recipient: "age1new"}}},
			},
			Nodes:  []kubepki.Node{{Name: "cp-1", Roles: []kubepki.Role{kubepki.ControlPlane}}},
			Inputs: map[string][]byte{file: sealed},
		}}}
		var refused *Refused
		if err := r.carryServiceAccount(context.Background()); !errors.As(err, &refused) ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeyNotOnRecord: a node's certificate is for a key that was made, or for none.
func TestKeyNotOnRecord(t *testing.T) {
	r := &issuing{common: common{progress: progress.New(nil)}}
	r.progress.NodeKeys["w"] = transcript.NodeKeys{Keys: []transcript.NodeKey{{Name: "kubelet.conf"}}}
	e := schedule.Entry{Name: "w/kubelet-server", Node: "w", Leaf: &kubepki.Leaf{Name: "kubelet-server"}}
	if _, err := r.madeKey(e); err == nil || !strings.Contains(err.Error(),
		"w/kubelet-server: its key is not on record") {
		t.Errorf("%v", err)
	}
}
