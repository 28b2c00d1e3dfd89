package fetch_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fetch"
)

// TestRefusals has each answer of a real server that is none, beside one that is.
func TestRefusals(t *testing.T) {
	ended := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.Split(r.URL.Path, "/")[1] {
		case "moved":
			http.Redirect(w, r, "/whole/cp-1.tar", http.StatusFound)
		case "closed":
			w.WriteHeader(http.StatusForbidden)
		case "odd":
			w.WriteHeader(599)
		case "large":
			w.Header().Set("Content-Length", "101")
		case "slow":
			_, _ = w.Write([]byte("whole, but"))
			w.(http.Flusher).Flush()
			<-ended
		case "silent":
			<-ended
		default:
			_, _ = w.Write([]byte("whole"))
		}
	}))
	defer s.Close()
	defer close(ended)
	for at, want := range map[string]string{
		"whole":  "",
		"moved":  "/moved/cp-1.tar: the server answers with 302 Found, and redirects are not followed",
		"closed": "/closed/cp-1.tar: the server answers with 403 Forbidden",
		"odd":    "/odd/cp-1.tar: the server answers with 599",
		"large":  "/large/cp-1.tar is larger than 100 bytes",
		"slow":   "/slow/cp-1.tar: did not answer whole within 200ms",
		"silent": "/silent/cp-1.tar: did not answer whole within 200ms",
	} {
		o := fetch.Options{Bytes: 100}
		if at == "slow" || at == "silent" {
			o.Timeout = 200 * time.Millisecond
		}
		_, _, err := get(t, open(t, s.URL+"/"+at, o), fetch.Validator{})
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasSuffix(err.Error(), want)) {
			t.Errorf("%s: %v", at, err)
		}
	}
}
