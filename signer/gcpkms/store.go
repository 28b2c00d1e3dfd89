package gcpkms

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"officiant/signer"
	"officiant/signer/backoff"
)

// limits is how long things may take, whatever the caller's ctx allows.
type limits struct {
	call     time.Duration // one call
	generate time.Duration // Google says minutes for RSA-4096 in an HSM
	poll     time.Duration // between two looks at a key that is being generated
	retry    time.Duration // how long a call that fails for a moment is made again
}

func patience() limits {
	return limits{call: time.Minute, generate: 5 * time.Minute, poll: time.Second, retry: time.Minute}
}

// sessions is how many signatures are asked for at once. One connection takes
// more, but the quota of a project is soon reached.
const sessions = 8

// store is one key ring at one endpoint.
type store struct {
	address address
	client  *kms.KeyManagementClient
	device  signer.Device
	limits  limits
	tickets chan struct{} // one for each of sessions
	roots   anchors       // that may vouch for HSMs beside those a URI names

	mu     sync.RWMutex
	closed bool
}

// Open connects to the key ring ref names, with the credentials that Google's
// standard chain finds. There is no PIN: ask is not called. It makes one call, so
// that a missing network or missing credentials are reported before anything is
// recorded. Create makes a key ring that does not exist.
func Open(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
	return Options{}.Open(ctx, ref, ask)
}

// Options is how key rings are opened. The zero value is what Open uses.
type Options struct {
	// Roots may vouch for HSMs beside those that are built in, or that a URI names.
	Roots []*x509.Certificate
}

// Open is the package's Open, with options.
func (o Options) Open(ctx context.Context, ref signer.Ref, _ signer.PINFunc) (signer.Store, error) {
	a, err := parseURI(ref.URI)
	if err != nil {
		return nil, err
	}
	if _, err := a.anchorsOf(); err != nil {
		return nil, err
	}
	s, err := open(ctx, a, patience())
	if err != nil {
		return nil, err
	}
	s.roots = o.Roots
	return s, nil
}

func open(ctx context.Context, a address, l limits) (*store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	options := []option.ClientOption{
		option.WithEndpoint(a.endpoint),
		option.WithUniverseDomain("googleapis.com"), // not the environment's
		option.WithTelemetryDisabled(),
		option.WithLogger(slog.New(slog.DiscardHandler)), // GOOGLE_SDK_GO_LOGGING_LEVEL would have calls on stderr
		option.WithGRPCDialOption(grpc.WithDisableRetry()),
	}
	if a.plaintext {
		options = append(options, option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	}
	client, err := kms.NewKeyManagementClient(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("%w: Google Cloud KMS: no connection: %.300q; next: gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS", signer.ErrUnavailable, err.Error())
	}
	// The library repeats calls for as long as ctx lasts, in silence. Here
	// asked says which are repeated, and for how long.
	client.CallOptions = &kms.KeyManagementCallOptions{}
	s := &store{address: a, client: client, device: deviceOf(a), limits: l, tickets: make(chan struct{}, sessions)}
	if _, err := s.hasRing(ctx); err != nil && !denied(err) {
		return nil, errors.Join(err, client.Close())
	}
	return s, nil
}

// deviceOf is what a key ring can say of itself. What answers in the clear may
// be anybody: it is graded as a token of software.
func deviceOf(a address) signer.Device {
	d := signer.Device{Backend: "gcpkms", Label: a.ring, Serial: a.ringName(), Model: "Cloud KMS", Manufacturer: "Google"}
	if a.endpoint != google {
		d.Model += " at " + a.endpoint
	}
	if a.plaintext {
		d.Manufacturer, d.Software = "unknown", true
	}
	return d
}

// Describe says which key ring it is, and at which endpoint.
func (s *store) Describe() signer.Device { return s.device }

// Sessions is how many signatures are asked for at once.
func (s *store) Sessions() int { return cap(s.tickets) }

// Close closes the connection; calls in hand end with signer.ErrUnavailable.
// Closing twice is allowed.
func (s *store) Close() error {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if was {
		return nil
	}
	return s.client.Close()
}

func (s *store) isClosed() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.closed
}

// place takes ref apart and makes sure that it is in this store.
func (s *store) place(ref signer.Ref) (place, error) {
	p, err := placeOf(ref)
	if err != nil {
		return p, err
	}
	if p.store() != s.address.store() {
		return p, fmt.Errorf("key %q: its URI names %s at %s, not %s at %s", p.label, p.ringName(), p.endpoint, s.address.ringName(), s.address.endpoint)
	}
	return p, nil
}

// brief are failures that pass: the project is throttled, Google fails, or the
// connection was cut.
func brief(err error) bool {
	return throttled(err) || isCode(err, codes.Unavailable) || isCode(err, codes.Internal) || isCode(err, codes.Aborted)
}

// throttled are failures before anything was done.
func throttled(err error) bool { return isCode(err, codes.ResourceExhausted) }

// asked makes a call, and makes it again when nothing was done, or when a
// signature, which may be made twice, failed for a moment.
// name is the resource, for messages.
func asked[Q, A any](ctx context.Context, s *store, call, name string,
	f func(context.Context, Q, ...gax.CallOption) (A, error), request Q) (A, error) {
	again := throttled
	if call == "AsymmetricSign" {
		again = brief
	}
	l := backoff.Limits{First: s.limits.poll / 5, Most: 5 * s.limits.poll, Total: s.limits.retry}
	return backoff.Do(ctx, l, again, func() (A, error) { return askedOnce(ctx, s, call, name, f, request) })
}

func askedOnce[Q, A any](ctx context.Context, s *store, call, name string,
	f func(context.Context, Q, ...gax.CallOption) (A, error), request Q) (A, error) {
	var none A
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("%s: %w", name, err) // nothing was asked
	}
	if s.isClosed() {
		return none, fmt.Errorf("%w: %s: closed", signer.ErrUnavailable, name)
	}
	limited, cancel := context.WithTimeout(ctx, s.limits.call)
	defer cancel()
	answer, err := f(limited, request)
	if err != nil {
		return none, &callError{s.told(limited, call+" "+name, err), status.Code(err)}
	}
	return answer, nil
}

// hasRing says whether the key ring is there.
func (s *store) hasRing(ctx context.Context) (bool, error) {
	name := s.address.ringName()
	ring, err := askedOnce(ctx, s, "GetKeyRing", name, s.client.GetKeyRing, &kmspb.GetKeyRingRequest{Name: name})
	switch {
	case errors.Is(err, signer.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case ring.GetName() != name:
		return false, fmt.Errorf("GetKeyRing %s: the answer is about %.200q", name, ring.GetName())
	}
	return true, nil
}
