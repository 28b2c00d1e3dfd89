package awskms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go/logging"

	"officiant/signer"
	"officiant/signer/backoff"
)

const (
	readTries = 3 // of a request that changes nothing
	sessions  = 8 // signatures at once; KMS throttles whole accounts
)

// limits is how long KMS may take to answer, whatever the caller's ctx allows,
// and the longest pause between the tries of a read.
type limits struct{ request, pause, retry time.Duration }

func patience() limits {
	return limits{request: 30 * time.Second, pause: 2 * time.Second, retry: 30 * time.Second}
}

// store is the KMS of one Region, under one endpoint, as one identity.
type store struct {
	client   *kms.Client
	region   string
	endpoint string        // empty: AWS's own
	foreign  string        // why nothing shows that AWS answers; empty when it is AWS's own
	tickets  chan struct{} // one for each signature under way
	limits   limits

	done  context.Context // ends at Close, and with it what is under way
	close context.CancelFunc

	mu    sync.Mutex
	owner string            // arn:aws:kms:REGION:ACCOUNT, as first met; empty until then
	pins  map[string]string // the ARN a name was resolved to, once
}

// Open reaches the KMS that ref names, with credentials of the SDK's standard
// chain, and looks for ref's key: that shows whether there is an answer at all.
// The key need not exist. Nobody is asked for a PIN.
func Open(ctx context.Context, ref signer.Ref, _ signer.PINFunc) (signer.Store, error) {
	return open(ctx, ref, patience())
}

func open(ctx context.Context, ref signer.Ref, l limits) (*store, error) {
	a, err := parseURI(ref.URI)
	if err != nil {
		return nil, err
	}
	s, err := connect(ctx, a, l)
	if err != nil {
		return nil, err
	}
	if err := s.probe(ctx, a, ref); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// probe looks for ref's key, or for any when ref names none.
func (s *store) probe(ctx context.Context, a address, ref signer.Ref) error {
	if a.target == "" && ref.Label == "" {
		_, err := call(ctx, s, "ListKeys", "*", s.client.ListKeys, &kms.ListKeysInput{Limit: aws.Int32(1)})
		return err
	}
	place, err := a.place(ref)
	if err != nil {
		return err
	}
	if _, err := s.describe(ctx, place); !errors.Is(err, signer.ErrNotFound) {
		return err
	}
	return nil
}

// connect makes the client, and asks the chain for credentials: their lack is
// told as such and not as a request that failed.
func connect(ctx context.Context, a address, l limits) (*store, error) {
	ctx, cancel := context.WithTimeout(ctx, l.request)
	defer cancel()
	options := []func(*config.LoadOptions) error{
		config.WithLogger(logging.Nop{}),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = readTries, l.pause })
		}),
	}
	if a.region != "" {
		options = append(options, config.WithRegion(a.region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("%w: AWS configuration: %w; look at AWS_PROFILE and the files in ~/.aws", signer.ErrUnavailable, err)
	}
	if cfg.Region == "" {
		return nil, fmt.Errorf("%w: AWS KMS: no Region is set; add ?region=REGION to the key's URI, or set AWS_REGION", signer.ErrUnavailable)
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return nil, fmt.Errorf("%w: AWS credentials: %w; log in (aws sso login) or set AWS_PROFILE, and try: aws sts get-caller-identity", signer.ErrUnavailable, err)
	}
	client := kms.NewFromConfig(cfg, func(o *kms.Options) {
		if a.endpoint != "" {
			o.BaseEndpoint = aws.String(a.endpoint)
		}
		o.RetryMaxAttempts = 0 // AWS_MAX_ATTEMPTS does not hold here
	})
	s := &store{
		client: client, region: cfg.Region, tickets: make(chan struct{}, sessions), limits: l, pins: map[string]string{},
	}
	if e := client.Options().BaseEndpoint; e != nil {
		if s.endpoint = strings.TrimSuffix(*e, "/"); !secureEndpoint(s.endpoint) {
			return nil, errors.New("AWS KMS: the endpoint that the AWS configuration sets is not of the form https://HOST")
		}
	}
	s.foreign = foreign(s.endpoint, s.region, bundleOf(cfg))
	s.done, s.close = context.WithCancel(context.Background())
	return s, nil
}

// Supports says whether AWS KMS can hold a key of spec under ref's name, without
// asking it. A policy file that ref names is read.
func Supports(ref signer.Ref, spec signer.Spec) error {
	a, err := parseURI(ref.URI)
	if err != nil {
		return fmt.Errorf("%w: %w", signer.ErrUnsupported, err)
	}
	if _, err := a.place(ref); err != nil {
		return err
	}
	if _, ok := specs[spec.Algorithm]; !ok {
		_, err := signer.ParseAlgorithm(string(spec.Algorithm))
		return fmt.Errorf("%w: %w", signer.ErrUnsupported, err)
	}
	if _, err := a.readPolicy(); err != nil {
		return fmt.Errorf("%w: %w", signer.ErrUnsupported, err)
	}
	return nil
}

// address takes ref's URI apart and makes sure that it names this KMS.
func (s *store) address(ref signer.Ref) (a address, place string, err error) {
	if a, err = parseURI(ref.URI); err != nil {
		return a, "", err
	}
	if a.region != "" && a.region != s.region || a.endpoint != "" && a.endpoint != s.endpoint {
		return a, "", fmt.Errorf("key %q: its URI names another Region or endpoint than %s", ref.Label, s)
	}
	place, err = a.place(ref)
	return a, place, err
}

// Describe says which KMS it is. Its account is known from the first key on.
func (s *store) Describe() signer.Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.device(s.owner)
}

// device is the KMS of an owner, arn:aws:kms:REGION:ACCOUNT.
func (s *store) device(owner string) signer.Device {
	d := signer.Device{Backend: "awskms", Label: s.region, Serial: owner, Model: "KMS", Manufacturer: "AWS"}
	if owner != "" {
		d.Label += "/" + owner[strings.LastIndex(owner, ":")+1:]
	}
	if s.endpoint != "" {
		d.Model += " at " + s.endpoint
	}
	return d
}

// pinned is what place was resolved to before, or place itself.
func (s *store) pinned(place string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if arn, ok := s.pins[place]; ok {
		return arn
	}
	return place
}

func (s *store) pin(place, arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pins[place] = arn
	s.meet(arn)
}

// meet learns the owner of the first ARN; s.mu is held.
func (s *store) meet(arn string) {
	if s.owner == "" {
		s.owner = ownerOf(arn)
	}
}

// ownerOf is an ARN without what it names.
func ownerOf(arn string) string { return arn[:strings.LastIndex(arn, ":")] }

// Sessions is how many signatures are under way at once.
func (s *store) Sessions() int { return cap(s.tickets) }

// Close ends what is under way. Closing twice is allowed.
func (s *store) Close() error {
	s.close()
	return nil
}

func (s *store) String() string {
	if s.endpoint != "" {
		return "AWS KMS " + s.region + " at " + s.endpoint
	}
	return "AWS KMS " + s.region
}

// again is how long a signature is tried for: the same digest may be signed twice.
func (s *store) again() backoff.Limits {
	return backoff.Limits{First: s.limits.pause / 10, Most: s.limits.pause, Total: s.limits.retry}
}

// brief are failures that pass: KMS throttles, is ailing, or the connection broke.
func brief(err error) bool {
	var refused *callError
	passing := []verdict{throttled, ailing, unreachable, resting}
	return errors.As(err, &refused) && slices.Contains(passing, refused.verdict())
}

// throttles are failures before anything was done, after which anything may be
// asked again.
func throttles(err error) bool {
	var refused *callError
	return errors.As(err, &refused) && refused.verdict() == throttled
}

// once is for requests that must not be made twice behind the caller's back.
func once(o *kms.Options) { o.Retryer = aws.NopRetryer{} }

// call makes one request and ends it with ctx, with the store, or with the
// store's own limit, and says in words what went wrong.
func call[I, O any](ctx context.Context, s *store, action, key string, f func(context.Context, *I, ...func(*kms.Options)) (*O, error), in *I, how ...func(*kms.Options)) (*O, error) {
	if s.done.Err() != nil {
		return nil, fmt.Errorf("%w: %s: closed", signer.ErrUnavailable, s)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", s, err) // nothing was asked
	}
	ctx, cancel := context.WithTimeout(ctx, s.limits.request)
	defer cancel()
	defer context.AfterFunc(s.done, cancel)()
	start := time.Now()
	out, err := f(ctx, in, how...)
	switch {
	case err == nil:
		return out, nil
	case s.done.Err() != nil:
		return nil, fmt.Errorf("%w: %s: %s %s: closed meanwhile", signer.ErrUnavailable, s, action, key)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %s: %s %s: no answer in time: %w after %s; run the same command again", signer.ErrUnavailable, s, action, key, ctx.Err(), time.Since(start).Round(time.Millisecond))
	}
	return nil, &callError{store: s.String(), action: action, key: key, cause: err}
}
