package report_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/report"
	"officiant/ceremony/transcript"
)

// TestNoDirectory: what is no ceremony's directory has no minutes.
func TestNoDirectory(t *testing.T) {
	dir := t.TempDir()
	if _, err := report.Directory(dir); err == nil || !strings.Contains(err.Error(),
		dir+" is not a ceremony directory: ") {
		t.Error(err)
	}
}

// TestEvents: each thing that may go otherwise stands in the minutes by its own words.
func TestEvents(t *testing.T) {
	token := transcript.Token{Label: "root", Serial: "0011"}
	station := fingerprint.Of([]byte("station"))
	cut := fingerprint.Of([]byte("half a line"))
	lines := []struct {
		record     transcript.Record
		kind, text string
		by         string
	}{
		{transcript.Deviation{Text: "the door was open", Waives: "image", By: []string{"alice"}}, "waived: image",
			"the door was open", "alice"},
		{transcript.PINShares{Label: "root", Serial: "0011", Proofs: []transcript.PINProof{{Person: "alice"},
			{Person: "bob"}}},
			"PIN by shares", "of token root, serial 0011", "alice, bob"},
		{transcript.PINRefused{Token: token, Tries: 2}, "wrong PIN", "try 2 of token root, serial 0011", ""},
		{transcript.PINRefused{Token: token, Tries: 1, For: "root"}, "wrong PIN",
			"try 1 of token root, serial 0011, for a signature by root", ""},
		{transcript.StationChanged{Station: station, Reason: "another slot", By: []string{"eve"}},
			"another station file",
			"from here on SHA-256 " + station.String() + ": another slot", "eve"},
		{transcript.Paused{Reason: "lunch"}, "paused", "lunch", ""},
		{transcript.Resumed{Program: transcript.Program{Version: "1.2.3"}, Host: transcript.Host{Name: "room-1"},
			Removed: []string{"a", "b"}}, "gone on", "by officiant 1.2.3 on room-1; removed: a, b", ""},
		{transcript.Resumed{Program: transcript.Program{Version: "1.2.3"}, Host: transcript.Host{Name: "room-1"},
			Cut: &cut},
			"gone on", "by officiant 1.2.3 on room-1; a line that was being written was cut off", ""},
		{transcript.Abandoned{Intent: 7, Reason: "the token was pulled"}, "abandoned",
			"what line 7 was about to sign: the token was pulled", ""},
		{transcript.KeyAbandoned{Name: "etcd", ID: "ab", Reason: "no answer"}, "left behind",
			"perhaps a key of etcd, id ab: no answer", ""},
	}
	m := &report.Minutes{Record: &transcript.Transcript{}}
	for i, l := range lines {
		m.Record.Lines = append(m.Record.Lines, transcript.Line{Seq: i + 1, Record: l.record, Time: time.Unix(0, 0)})
	}
	events := m.Events()
	if len(events) != len(lines) {
		t.Fatalf("%d events of %d lines", len(events), len(lines))
	}
	for i, e := range events {
		if e.Kind != lines[i].kind || e.Text != lines[i].text || e.By != lines[i].by || e.Line != i+1 {
			t.Errorf("%+v, want %+v", e, lines[i])
		}
	}
}

// TestRareMinutes: what few ceremonies have stands in the minutes of those that do.
func TestRareMinutes(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{People: []string{"alice officer", "eve witness"}, Approvals: 1,
		Lists: []string{"kubernetes"}})
	f.Approve(t, "alice")
	dir, _ := f.Run(t)
	m := minutesOf(t, dir)
	m.Audit.Abandoned, m.Audit.Witnessed = 2, []string{"eve"}
	open := m.Open()
	head := fingerprint.Of([]byte("head"))
	open.Predecessors = []transcript.Predecessor{{Cluster: "demo", Sequence: 3, Head: head}}
	open.Lost = &transcript.Lost{Sequence: 4, Reason: "the safe burnt"}
	m.Record.Lines[0].Record = open
	clone, keys := transcript.Token{Label: "root-2", Serial: "0099"}, 0
	for i, l := range m.Record.Lines {
		switch r := l.Record.(type) {
		case transcript.CRL:
			in := m.Record.Lines[r.Intent-1].Record.(transcript.CRLIntent)
			m.Record.Lines[i].Record = transcript.CRLCarried{Signer: in.Signer, Family: in.Family, List: r.List}
		case transcript.ChallengeIntent:
			if keys++; keys == 1 {
				r.Clone = &clone
				m.Record.Lines[i].Record = r
			}
		case transcript.Canary:
			r.Trials[0].Leaks = true
			m.Record.Lines[i].Record = r
		}
	}
	room := transcript.Preflight{Checks: []transcript.RoomCheck{{Name: "network", Wrong: "eth0 is up"},
		{Name: "clock"}}}
	m.Record.Lines = append(m.Record.Lines, transcript.Line{Seq: len(m.Record.Lines) + 1, Record: room})
	text := strings.Join(strings.Fields(inText(t, m)), " ")
	var b bytes.Buffer
	check(t, m.HTML(&b))
	for _, want := range []string{
		"2 certificates with no result on record; their serial numbers count as issued",
		"ceremony 3 of demo, head " + head.String(),
		"the records of ceremonies 1 to 4 are lost: the safe burnt",
		"signed the head of the record",
		"eth0 is up",
		"did not stay: ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text has no %q", want)
		}
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, want := range []string{
		"revokes 0 certificates, next update ", "; as it was",
		"clone answered from root-2, serial 0099",
		"2 checks before a token was opened; these were not as a room should be:",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text has no %q", want)
		}
	}
	if strings.Contains(text, "No key is on record.") || strings.Contains(text, "too many for paper") {
		t.Error("keys and leaves are on record, and the minutes deny it")
	}
	// Without keys, and with more leaves than paper holds.
	for i, l := range m.Record.Lines {
		if _, ok := l.Record.(transcript.Key); ok {
			m.Record.Lines[i].Record = transcript.Note{Text: "no key"}
		}
	}
	for _, l := range slices.Clone(m.Record.Lines) {
		if l.Record.Type() == (transcript.Issued{}).Type() && !l.Certificate.IsCA {
			m.Record.Lines = append(m.Record.Lines, slices.Repeat([]transcript.Line{l}, 40)...)
		}
	}
	text = inText(t, m)
	for _, want := range []string{"No key is on record.",
		"492 certificates, too many for paper; officiant ceremony inventory lists them."} {
		if !strings.Contains(text, want) {
			t.Errorf("the text has no %q", want)
		}
	}
}
