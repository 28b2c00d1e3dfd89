package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"officiant/ceremony/ceremonytest"
	"officiant/cmd/internal/exit"
)

// TestDoctorPlan: with a plan, doctor looks at each token for each key, and makes none.
func TestDoctorPlan(t *testing.T) {
	needSoftHSM(t)
	w := &wrongRoom{t, ceremonytest.New(t, ceremonytest.Shape{})}
	look := func() (code int, tokens map[string]lookedToken) {
		t.Helper()
		code, out, said := officiant(t, "doctor", "--plan", w.f.PlanFile, "--station", w.f.Station, "-o", "json")
		var looked lookedAt
		if err := json.Unmarshal([]byte(out), &looked); err != nil {
			t.Fatalf("%v\n%s\n%s", err, out, said)
		}
		tokens = map[string]lookedToken{}
		for _, one := range looked.Tokens {
			label, _, _ := strings.Cut(strings.TrimPrefix(one.Place, "token "), ",")
			tokens[label] = one
		}
		return code, tokens
	}
	code, tokens := look()
	if code != exit.Done || len(tokens) != 2 || tokens["root"].Result != ready || tokens["issuing"].Result != ready ||
		tokens["root"].Token == nil || !slices.Contains(tokens["root"].Keys, "root") {
		t.Fatalf("exit %d, %+v", code, tokens)
	}
	if n := w.objects(); n != 0 {
		t.Errorf("%d objects were made", n)
	}

	// The wrong label of a token: check names the one that is near, and so does doctor.
	w.station("token=root", "token=roof")
	code, tokens = look()
	if one := tokens["roof"]; code != exit.Refused || one.Result != isWrong ||
		!strings.Contains(strings.Join(one.Why, "\n"), "that of token root, and the station says roof") {
		t.Errorf("another label: exit %d, %+v", code, one)
	}
	w.station("token=roof", "token=root")

	// No key is there that the plan says exists, and another one has a name to be.
	w.key(w.uri("kubernetes"), "demo/etcd")
	w.existing()
	code, tokens = look()
	if one := tokens["issuing"]; code != exit.Refused || !strings.Contains(strings.Join(one.Why, "\n"), "no such key") ||
		!strings.Contains(
			strings.Join(one.Why, "\n"),
			"a key demo/etcd is already in its token",
		) || tokens["root"].Result != ready {
		t.Errorf("exit %d, %+v", code, tokens)
	}

	// Nobody to enter a PIN: what is in the token is not known.
	w = &wrongRoom{t, ceremonytest.New(t, ceremonytest.Shape{})}
	w.station("&pin-source=file:"+w.pin(), "")
	code, tokens = look()
	if code != exit.Unavailable || tokens["root"].Result != notOpened {
		t.Errorf("without a PIN: exit %d, %+v", code, tokens)
	}
	w.f.Append(t, "window: {until: 2020-01-01T00:00:00Z}\n")
	if _, _, said := officiant(t, "doctor", "--plan", w.f.PlanFile, "--station", w.f.Station); !strings.Contains(said,
		"the ceremony can run no more") {
		t.Errorf("a window that is over:\n%s", said)
	}
	if code, _, said := officiant(t, "doctor", "--plan", w.f.PlanFile); code != exit.Usage {
		t.Errorf("without a station: exit %d\n%s", code, said)
	}
}
