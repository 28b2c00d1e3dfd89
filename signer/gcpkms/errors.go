package gcpkms

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/googleapis/gax-go/v2/apierror"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"officiant/signer"
)

// meaning is what an answer of Google's stands for, and what to do next.
type meaning struct {
	is   error
	what string
	next string
}

// meanings of status codes. Every one not listed is signer.ErrUnavailable.
var meanings = map[codes.Code]meaning{
	codes.PermissionDenied: {signer.ErrUnavailable, "denied",
		"grant this account the roles of docs/signers/gcpkms.md on the key ring, or correct the project in the URI"},
	codes.Unauthenticated: {signer.ErrUnavailable, "credentials not accepted",
		"renew them: gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS; and look at the machine's clock"},
	codes.NotFound:      {signer.ErrNotFound, "not there", "correct the name in the URI"},
	codes.AlreadyExists: {signer.ErrExists, "the name is taken, and Google never frees one", "choose another name in the URI: /cryptoKeys/NAME"},
	codes.ResourceExhausted: {signer.ErrUnavailable, "throttled: the project's quota is used up",
		"wait a minute or raise the quota, then run the same command again"},
	codes.Unavailable: {signer.ErrUnavailable, "offline, or the connection was cut",
		"check network, DNS and proxy, then run the same command again"},
	codes.FailedPrecondition: {signer.ErrUnavailable, "not possible in the present state", "look at the key's state in the console"},
	codes.InvalidArgument: {signer.ErrUnsupported, "refused as it was asked",
		"check that the location offers this protection level and algorithm"},
	codes.Unimplemented: {signer.ErrUnsupported, "not offered at this endpoint", "correct the endpoint in the URI"},
}

// permissions are what each call needs (Google's IAM reference for Cloud KMS).
var permissions = map[string]string{
	"GetKeyRing":            "cloudkms.keyRings.get",
	"CreateKeyRing":         "cloudkms.keyRings.create",
	"GetCryptoKey":          "cloudkms.cryptoKeys.get",
	"CreateCryptoKey":       "cloudkms.cryptoKeys.create",
	"ListCryptoKeys":        "cloudkms.cryptoKeys.list",
	"GetCryptoKeyVersion":   "cloudkms.cryptoKeyVersions.get",
	"ListCryptoKeyVersions": "cloudkms.cryptoKeyVersions.list",
	"GetPublicKey":          "cloudkms.cryptoKeyVersions.viewPublicKey",
	"AsymmetricSign":        "cloudkms.cryptoKeyVersions.useToSign",

	"DestroyCryptoKeyVersion": "cloudkms.cryptoKeyVersions.destroy",
}

// told wraps what a call answered with what it means. Text from outside is
// quoted, since it goes to a terminal.
func (s *store) told(ctx context.Context, call string, err error) error {
	code := status.Code(err)
	var detailed *apierror.APIError
	if errors.As(err, &detailed) && detailed.Reason() == "SERVICE_DISABLED" {
		return fmt.Errorf("%w: %s: %w; next: gcloud services enable cloudkms.googleapis.com", signer.ErrUnavailable,
			call,
			errSwitchedOff)
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%s: %w", call, context.Canceled)
	case ctx.Err() != nil || code == codes.DeadlineExceeded:
		return fmt.Errorf("%w: %s: %s did not answer in time: %w; next: check the network, then run the same command again", signer.ErrUnavailable, call, s.address.endpoint, context.DeadlineExceeded)
	case s.isClosed():
		return fmt.Errorf("%w: %s: closed", signer.ErrUnavailable, call)
	}
	m, ok := meanings[code]
	if !ok {
		m = meaning{signer.ErrUnavailable, "failed at Google", "run the same command again"}
	}
	method, _, _ := strings.Cut(call, " ")
	if permission := permissions[method]; code == codes.PermissionDenied && permission != "" {
		m.next = "grant this account " + permission + " (the roles are in docs/signers/gcpkms.md), or correct the project in the URI"
	}
	return fmt.Errorf("%w: %s: %s; next: %s; %s answered %s %s", m.is, call, m.what, m.next, s.address.endpoint, code, quote(err))
}

// maxText is how much of another's text is repeated.
const maxText = 300

func quote(err error) string {
	text := status.Convert(err).Message()
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return fmt.Sprintf("%+q", text)
}

// callError is a call that failed, with the code of the failure.
type callError struct {
	error
	code codes.Code
}

func (e *callError) Unwrap() error { return e.error }

func isCode(err error, code codes.Code) bool {
	var e *callError
	return errors.As(err, &e) && e.code == code
}

// errSwitchedOff has the code of a denial, and is none: nobody in the project may do anything.
var errSwitchedOff = errors.New("the Cloud KMS API is switched off in the project")

// denied: whoever may sign with a key need not be allowed to look at its ring.
func denied(err error) bool {
	return isCode(err, codes.PermissionDenied) && !errors.Is(err, errSwitchedOff)
}
