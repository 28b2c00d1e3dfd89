package awskms

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"unicode"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"officiant/signer"
)

// callError is a request that AWS KMS refused, or that did not reach it.
type callError struct {
	store, action, key string
	cause              error
}

// verdict is what an error of AWS means: which of package signer's it is, in
// words, and what to do next.
type verdict struct {
	is         error
	what, next string
}

func (e *callError) Error() string {
	v := e.verdict()
	text := fmt.Sprintf("%s: %s %s: %s (%s)", e.store, e.action, e.key, v.what, e.said())
	if v.is != nil {
		text = v.is.Error() + ": " + text
	}
	if v.next != "" {
		text += "; " + strings.NewReplacer("ACTION", "kms:"+e.action, "KEY", e.key).Replace(v.next)
	}
	return text
}

func (e *callError) Unwrap() []error {
	if v := e.verdict(); v.is != nil {
		return []error{v.is, e.cause}
	}
	return []error{e.cause}
}

// said is what AWS, or the way to it, said: one line, of no great length.
func (e *callError) said() string {
	text := e.cause.Error()
	var sent *smithyhttp.RequestSendError
	if api := smithy.APIError(nil); errors.As(e.cause, &api) {
		text = strings.TrimSuffix(api.ErrorCode()+": "+api.ErrorMessage(), ": ")
	} else if errors.As(e.cause, &sent) {
		text = sent.Err.Error()
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > 400 {
		text = string(runes[:400]) + "…"
	}
	return text
}

func (e *callError) verdict() verdict {
	if api := smithy.APIError(nil); errors.As(e.cause, &api) {
		code := api.ErrorCode()
		if said := api.ErrorMessage(); strings.Contains(said, "Signature expired") || strings.Contains(said, "Signature not yet current") {
			return skewed // whatever the code
		}
		if v, ok := verdicts[code]; ok {
			return v
		}
		var answer *smithyhttp.ResponseError
		if errors.As(e.cause, &answer) && answer.HTTPStatusCode()/100 == 3 {
			return verdict{signer.ErrUnavailable, fmt.Sprintf("the endpoint points to another place (HTTP %d), and is not followed", answer.HTTPStatusCode()), "correct the endpoint"}
		}
		if api.ErrorFault() == smithy.FaultServer {
			return verdicts["KMSInternalException"]
		}
		return verdict{nil, "refused", ""}
	}
	var sent *smithyhttp.RequestSendError
	var network net.Error
	if errors.As(e.cause, &sent) || errors.As(e.cause, &network) {
		return unreachable
	}
	return verdict{signer.ErrUnavailable, "no answer that can be read", "run the same command again; if it stays, look at the endpoint"}
}

var (
	unreachable = verdict{signer.ErrUnavailable, "cannot be reached, or the connection broke",
		"look at network, proxy and endpoint, then run the same command again"}
	resting = verdict{signer.ErrUnavailable, "the key is not available now", "run the same command again"}

	throttled = verdict{signer.ErrUnavailable, "throttled", "wait a minute and run the same command again; quotas are per account and Region"}
	strangers = verdict{signer.ErrUnavailable, "credentials not accepted", "look at the machine's clock, log in again (aws sso login), and try: aws sts get-caller-identity"}
	expired   = verdict{signer.ErrUnavailable, "the credentials have expired", "log in again (aws sso login), and try: aws sts get-caller-identity"}
	skewed    = verdict{signer.ErrUnavailable, "the machine's clock is wrong: AWS takes requests of its last five minutes", "set the clock (timedatectl), then run the same command again"}
	denied    = verdict{signer.ErrUnavailable, "denied", "allow ACTION on this key to this identity, in the key's policy or by IAM"}
	ailing    = verdict{signer.ErrUnavailable, "AWS KMS has failed", "run the same command again; status: https://health.aws.amazon.com"}
	useless   = verdict{signer.ErrUnsupported, "not for this key", ""}
)

// verdicts are the codes people meet (AWS KMS API Reference, the actions' own
// and the common errors).
var verdicts = map[string]verdict{
	"NotFoundException":      {signer.ErrNotFound, "not found", "look at alias, Region and account: aws kms describe-key --key-id KEY"},
	"AlreadyExistsException": {signer.ErrExists, "the alias is taken", "look whose it is: aws kms describe-key --key-id KEY"},

	"DisabledException":          {signer.ErrUnavailable, "the key is disabled", "aws kms enable-key --key-id KEY"},
	"KMSInvalidStateException":   {signer.ErrUnavailable, "the key's state does not allow it", "it may be scheduled for deletion: aws kms describe-key --key-id KEY"},
	"KeyUnavailableException":    resting,
	"AccessDeniedException":      denied,
	"AccessDenied":               denied,
	"LimitExceededException":     {signer.ErrUnavailable, "a quota is used up", "ask for a higher quota in Service Quotas"},
	"ThrottlingException":        throttled,
	"Throttling":                 throttled,
	"RequestLimitExceeded":       throttled,
	"TooManyRequestsException":   throttled,
	"KMSInternalException":       ailing,
	"DependencyTimeoutException": ailing,
	"InternalFailure":            ailing,
	"ServiceUnavailable":         ailing,

	"UnrecognizedClientException":         strangers,
	"InvalidClientTokenId":                strangers,
	"InvalidSignatureException":           strangers,
	"SignatureDoesNotMatch":               strangers,
	"IncompleteSignature":                 strangers,
	"IncompleteSignatureException":        strangers,
	"MissingAuthenticationToken":          strangers,
	"MissingAuthenticationTokenException": strangers,
	"ExpiredTokenException":               expired,
	"ExpiredToken":                        expired,
	"RequestExpired":                      skewed,
	"RequestTimeTooSkewed":                skewed,
	"OptInRequired":                       strangers,
	"NotAuthorized":                       strangers,

	"UnsupportedOperationException":    useless,
	"InvalidKeyUsageException":         useless,
	"MalformedPolicyDocumentException": {signer.ErrUnsupported, "the policy file is not one AWS takes", "look at the file behind policy="},
	"TagException":                     {signer.ErrUnsupported, "the tags are not ones AWS takes", ""},
	"InvalidAliasNameException":        {signer.ErrUnsupported, "the alias is not one AWS takes", ""},
}
