package awskmstest

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// Where the keys of a Server are.
const (
	Region  = "eu-central-1"
	Account = "111122223333"
	owner   = "arn:aws:kms:" + Region + ":" + Account
)

// Server is the KMS of one Region and account.
type Server struct {
	http *httptest.Server

	mu      sync.Mutex
	keys    []*key // in the order of making
	aliases map[string]*key
	faults  map[string]*fault
	counts  map[string]int
	stop    chan struct{}

	redirect string // for the fault Redirect
}

// New starts an empty KMS, which stops at the end of the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{aliases: map[string]*key{}, faults: map[string]*fault{}, counts: map[string]int{}, stop: make(chan struct{})}
	s.http = httptest.NewUnstartedServer(s)
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.http.StartTLS()
	t.Cleanup(func() {
		close(s.stop)
		s.http.CloseClientConnections()
		s.http.Close()
	})
	return s
}

// URI names a key of this KMS: alias/NAME, a key id, an ARN, or nothing.
func (s *Server) URI(place string) string {
	return "awskms:///" + place + "?region=" + Region + "&endpoint=" + s.http.URL
}

// Endpoint is where the KMS listens.
func (s *Server) Endpoint() string { return s.http.URL }

// Environment has only the variables that the AWS SDK needs to reach this KMS. It writes
// the certificate that the SDK must trust into dir.
func (s *Server) Environment(dir string) (map[string]string, error) {
	ca := filepath.Join(dir, "aws-ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		return nil, err
	}
	return map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example", "AWS_SESSION_TOKEN": "",
		"AWS_CA_BUNDLE": ca, "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": filepath.Join(dir, "no-config"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "no-credentials"),
		"AWS_EC2_METADATA_DISABLED": "true",
	}, nil
}

// Setenv sets the environment for the test.
func (s *Server) Setenv(t *testing.T) {
	t.Helper()
	env, err := s.Environment(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
}

// Count is how many requests of an action there were.
func (s *Server) Count(action string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[action]
}

// refusal is an error of the protocol.
type refusal struct {
	status        int
	code, message string
}

func (e *refusal) Error() string { return e.code + ": " + e.message }

func refuse(code, format string, args ...any) error {
	return &refusal{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/[0-9]{8}/` + Region +
	`/kms/aws4_request, ?SignedHeaders=[a-z0-9;-]*host[a-z0-9;-]*, ?Signature=[0-9a-f]{64}$`)

const contentType = "application/x-amz-json-1.1"

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	action, known := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	var out any
	var f Fault
	switch do, ok := actions[action]; {
	case r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != contentType:
		err = refuse("UnknownOperationException", "%s %s %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	case !known || !ok:
		err = refuse("UnknownOperationException", "%q", action)
	case r.Header.Get("X-Amz-Date") == "" || !authorization.MatchString(r.Header.Get("Authorization")):
		err = refuse("MissingAuthenticationTokenException", "not signed for this Region and service")
	default:
		f = s.next(action)
		if err = f.before(s, r.Context(), w); err == nil {
			out, err = s.do(do, body, f)
		}
		switch f {
		case Empty:
			out = map[string]any{}
		case Garbage:
			w.Header().Set("Content-Type", contentType)
			io.WriteString(w, "<html>Welcome to the hotel</html>")
			return
		case Redirect:
			s.mu.Lock()
			defer s.mu.Unlock()
			http.Redirect(w, r, s.redirect, http.StatusTemporaryRedirect)
			return
		case LoseAnswer:
			hangUp(w)
		}
	}
	s.answer(w, out, err)
}

func (s *Server) do(do func(*Server, []byte, Fault) (any, error), body []byte, f Fault) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return do(s, body, f)
}

func (s *Server) answer(w http.ResponseWriter, out any, err error) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Amzn-RequestId", "00000000-0000-0000-0000-000000000000")
	status := http.StatusOK
	if err != nil {
		e, ok := err.(*refusal)
		if !ok {
			e = &refusal{http.StatusBadRequest, "ValidationException", err.Error()}
		}
		status, out = e.status, map[string]string{"__type": e.code, "message": e.message}
	}
	text, err := json.Marshal(out)
	if err != nil {
		panic(err)
	}
	w.WriteHeader(status)
	w.Write(text)
}

// seconds is how the protocol writes times.
func seconds(t time.Time) *float64 {
	f := float64(t.Unix())
	return &f
}
