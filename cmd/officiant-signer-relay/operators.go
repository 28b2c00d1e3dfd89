package main

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"officiant/cmd/officiant-signer-relay/internal/metrics"
	"officiant/cmd/officiant-signer-relay/internal/relay"
)

// handler answers those who watch. Nothing of it names a node or a user.
func (d *duty) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if e := d.elector.Load(); e != nil {
			if err := e.Check(d.lease); err != nil { // it holds a Lease that has run out
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if reason := d.notReady(); reason != "" {
			http.Error(w, reason, http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		d.counts.Write(w, d.gauges(d.relay.Standing()))
	})
	return mux
}

// notReady is why requests could not be handed on now; empty when they could.
func (d *duty) notReady() string {
	now := d.Now()
	switch {
	case now.Sub(time.Unix(0, d.lock.seen.Load())) > 2*d.lease:
		return "the API server has not answered for the Lease for a while"
	case !d.reached.Load():
		return "the signer is not reached; the log says why"
	case !d.leads.Load():
		return "" // it could, had it the Lease
	case d.heads.Alarm() != "":
		return "the signer's journal is not the one it was: " + d.heads.Alarm()
	case !d.heads.Loaded():
		return fmt.Sprintf("ConfigMap %s/%s is not read", d.namespace, "officiant-signer-relay")
	case !d.relay.Standing().Synced:
		return "the requests there are have not been listed yet"
	}
	return ""
}

func (d *duty) gauges(s relay.Standing) []metrics.Gauge {
	return []metrics.Gauge{
		{Name: "officiant_relay_ready", Help: "1 while requests could be handed on.", Value: truth(d.notReady() == "")},
		{Name: "officiant_relay_leader", Help: "1 while it holds the Lease.", Value: truth(d.leads.Load())},
		{Name: "officiant_relay_signer_up", Help: "1 while the signer answers.", Value: truth(d.reached.Load())},
		{Name: "officiant_relay_signer_ready", Help: "1 while the signer could sign.",
			Value: truth(d.signerReady.Load())},
		{Name: "officiant_relay_head_seq", Help: "Lines of the newest journal head.",
			Value: float64(d.heads.Newest().Seq)},
		{Name: "officiant_relay_head_alarm", Help: "1 while the journal is not the one it was.",
			Value: truth(d.heads.Alarm() != "")},
		{Name: "officiant_relay_waiting", Help: "Requests whose turn has not come.", Value: float64(s.Waiting)},
		{Name: "officiant_relay_undecided", Help: "Requests with neither certificate nor denial.",
			Value: float64(s.Undecided)},
		{Name: "officiant_relay_approved_without_certificate", Help: "Of those, approved ones.",
			Value: float64(s.Uncertified)},
		{Name: "officiant_relay_oldest_seconds", Help: "Age of the oldest of them.", Value: s.Oldest},
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
