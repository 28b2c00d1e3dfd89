package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"officiant/ceremony/online"
	"officiant/ceremony/online/policy"
)

// maxBody is well above a request of MaxCSR bytes.
const maxBody = 64 << 10

// Signer is what answers; online.Service is one.
type Signer interface {
	Ask(ctx context.Context, r policy.Request) online.Answer
	Status() online.Status
	Counts() online.Counts
}

// request is a CertificateSigningRequest's spec.
type request struct {
	SignerName string   `json:"signerName"`
	Username   string   `json:"username"`
	Groups     []string `json:"groups"`
	Usages     []string `json:"usages"`
	Seconds    *int64   `json:"expirationSeconds,omitempty"`
	Request    []byte   `json:"request"`
}

// Requests answers on the listener of those who ask.
func Requests(s Signer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/sign", func(w http.ResponseWriter, r *http.Request) {
		asked, err := read(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, http.StatusOK, s.Ask(r.Context(), asked))
	})
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, s.Status())
	})
	return mux
}

func read(body io.Reader) (policy.Request, error) {
	var r request
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return policy.Request{}, errors.New("not a request: " + err.Error())
	}
	if _, err := dec.Token(); err != io.EOF {
		return policy.Request{}, errors.New("not a request: text after the object")
	}
	if r.SignerName == "" || r.Username == "" || len(r.Request) == 0 {
		return policy.Request{}, errors.New("not a request: signerName, username and request have to be there")
	}
	asked := policy.Request{SignerName: r.SignerName, Username: r.Username, Groups: r.Groups, Usages: r.Usages,
		CSR: r.Request}
	if r.Seconds != nil {
		if asked.Seconds = *r.Seconds; asked.Seconds == 0 {
			asked.Seconds = -1 // said, and no life at all
		}
	}
	return asked, nil
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who asked is gone, and asks again
}

// Operators answers on the listener of those who watch.
func Operators(s Signer, now Clock) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !s.Status().Ready {
			http.Error(w, "not ready; officiant-signer status says why", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		writeMetrics(w, s, now)
	})
	return mux
}
