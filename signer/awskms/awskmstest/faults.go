package awskmstest

import (
	"context"
	"net/http"
	"time"
)

// Fault is what a Server does wrong.
type Fault string

const (
	FlipBit        Fault = "flipped bit"     // of the signature
	OtherKey       Fault = "other key"       // signs, or is the public key; the answer does not tell
	OtherKeyID     Fault = "other key id"    // in the answer
	OtherAlgorithm Fault = "other algorithm" // in the answer
	WrongSalt      Fault = "wrong salt"      // of 20 bytes
	NotYet         Fault = "not yet"         // NotFoundException, as after a key was made
	Throttle       Fault = "throttle"        // ThrottlingException
	Deny           Fault = "deny"            // AccessDeniedException
	Strange        Fault = "strange"         // UnrecognizedClientException
	Expired        Fault = "expired"         // ExpiredTokenException
	Skewed         Fault = "skewed"          // InvalidSignatureException, as to a wrong clock
	WrongSecret    Fault = "wrong secret"    // InvalidSignatureException, as to another secret key
	Broken         Fault = "broken"          // KMSInternalException, status 500
	Garbage        Fault = "garbage"         // an answer that is no JSON
	Endless        Fault = "endless"         // a list of empty pages, each with a next one
	Empty          Fault = "empty"           // an answer that says nothing
	Dateless       Fault = "dateless"        // a deletion without its date
	OtherExponent  Fault = "other exponent"  // 3, of an RSA public key
	Slow           Fault = "slow"            // answers after a minute
	Redirect       Fault = "redirect"        // 307 to where RedirectTo says
	Cut            Fault = "cut"             // the connection, before anything is done
	LoseAnswer     Fault = "lost answer"     // the connection, after it is done
)

type fault struct {
	Fault
	skip  int // so many go well first
	times int // negative: for good
}

// Fail makes the next requests of an action go wrong; of a negative number of
// times, all of them. A former fault of the action is forgotten.
func (s *Server) Fail(action string, f Fault, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[action] = &fault{f, 0, times}
}

// FailLater is Fail, after so many requests that go well.
func (s *Server) FailLater(action string, skip int, f Fault, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[action] = &fault{f, skip, times}
}

// next counts a request, and says what goes wrong with it.
func (s *Server) next(action string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[action]++
	f := s.faults[action]
	if f == nil || f.times == 0 {
		return ""
	}
	if f.skip > 0 {
		f.skip--
		return ""
	}
	f.times--
	return f.Fault
}

// before is what goes wrong before anything is done.
func (f Fault) before(s *Server, ctx context.Context, w http.ResponseWriter) error {
	switch f {
	case NotYet:
		return refuse("NotFoundException", "Key does not exist")
	case Throttle:
		return refuse("ThrottlingException", "Rate exceeded")
	case Deny:
		return refuse("AccessDeniedException", "User: arn:aws:iam::%s:user/mallory is not authorized to perform this", Account)
	case Strange:
		return refuse("UnrecognizedClientException", "The security token included in the request is invalid.")
	case Expired:
		return refuse("ExpiredTokenException", "The security token included in the request is expired")
	case Skewed:
		return refuse("InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)")
	case WrongSecret:
		return refuse("InvalidSignatureException", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
	case Broken:
		return &refusal{http.StatusInternalServerError, "KMSInternalException", "something went wrong"}
	case Slow:
		select {
		case <-ctx.Done():
		case <-s.stop:
		case <-time.After(time.Minute):
		}
	case Cut:
		hangUp(w)
	}
	return nil
}

// RedirectTo is where the fault Redirect sends requests.
func (s *Server) RedirectTo(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.redirect = url
}

// hangUp ends the connection without an answer.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		conn.Close()
	}
	panic(http.ErrAbortHandler)
}
