package relay

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	certsv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"officiant/cmd/officiant-signer-relay/internal/endpoint"
)

// conditionReason stands in every condition that comes from the signer, as in those of
// officiant-signer batch.
const conditionReason = "OfficiantGrant"

// maxMessage is how long a condition's message is, in bytes.
const maxMessage = 1024

// tooLarge is the reason of a denial that the relay makes itself, by the signer's word for
// it: no signer reads a request of that size.
const tooLarge = "csr-size"

// dropped stands for annotations that are not kept in memory.
const dropped = "officiant-signer-relay/dropped"

// has says whether the object has a condition of a kind.
func has(csr *certsv1.CertificateSigningRequest, kind certsv1.RequestConditionType) bool {
	return slices.ContainsFunc(csr.Status.Conditions, func(c certsv1.CertificateSigningRequestCondition) bool {
		return c.Type == kind
	})
}

// finished says whether nothing is to be done any more.
func finished(csr *certsv1.CertificateSigningRequest) bool {
	return len(csr.Status.Certificate) > 0 || has(csr, certsv1.CertificateDenied) ||
		has(csr, certsv1.CertificateFailed)
}

// lighten keeps of an object what is needed: memory is that of many small ones.
func lighten(obj any) (any, error) {
	csr, ok := obj.(*certsv1.CertificateSigningRequest)
	if !ok {
		return obj, nil
	}
	csr.ManagedFields = nil // the API server keeps what an update does not name
	if len(csr.Annotations) > 0 {
		csr.Annotations = map[string]string{dropped: ""}
	}
	csr.Spec.Extra, csr.Spec.UID = nil, "" // nobody goes by them
	switch {
	case finished(csr):
		csr.Spec.Request, csr.Spec.Groups, csr.Spec.Usages = nil, nil, nil
		if len(csr.Status.Certificate) > 0 {
			csr.Status.Certificate = []byte{1}
		}
	case len(csr.Spec.Request) > endpoint.MaxBody*3/4: // in base64 it is larger than a signer reads
		csr.Spec.Request = nil // handle denies it
	}
	return csr, nil
}

// handle does what is to be done for a request. true: that was all; false: again, later.
func (n *round) handle(ctx context.Context, it item) bool {
	csr := n.find(it)
	if csr == nil || finished(csr) {
		return true
	}
	log := n.cfg.Log.With("csr", csr.Name, "uid", csr.UID, "signer", csr.Spec.SignerName, "requester",
		csr.Spec.Username)
	answer, err := n.ask(ctx, csr)
	if err == nil {
		switch answer.State {
		case endpoint.Signed:
			err = n.certify(ctx, csr, answer.Certificate)
		case endpoint.Denied:
			err = n.deny(ctx, csr, answer)
		default:
			log.Info("later", "reason", answer.Reason, "detail", line(answer.Detail, maxMessage))
			return false
		}
	}
	switch {
	case err == nil:
		n.note(it)
		log.Info("written", "state", answer.State, "reason", answer.Reason, "detail", line(answer.Detail, maxMessage),
			"seq", answer.Head.Seq)
		return true
	case apierrors.IsNotFound(err) && place(err) == "api-server": // and not a ConfigMap
		log.Info("gone meanwhile")
		return true
	}
	n.cfg.Counts.Failed(place(err))
	log.Warn("again", "at", place(err), "error", err)
	return false
}

// note has an item not asked for again until the cache knows what was written.
func (n *round) note(it item) {
	n.done.Store(it.uid, nil)
	if csr := n.find(it); csr == nil || finished(csr) { // it knew before
		n.done.Delete(it.uid)
	}
}

// ask has the signer decide, and the head of its answer kept.
func (n *round) ask(ctx context.Context, csr *certsv1.CertificateSigningRequest) (*endpoint.Answer, error) {
	large := &endpoint.Answer{State: endpoint.Denied, Reason: tooLarge, Detail: endpoint.ErrTooLarge.Error()}
	if len(csr.Spec.Request) == 0 { // lighten found it so; the API server lets no empty one in
		return large, nil
	}
	r := endpoint.Request{SignerName: csr.Spec.SignerName, Username: csr.Spec.Username, Groups: csr.Spec.Groups,
		Usages: []string{}, Request: csr.Spec.Request}
	for _, u := range csr.Spec.Usages {
		r.Usages = append(r.Usages, string(u))
	}
	if csr.Spec.ExpirationSeconds != nil {
		seconds := int64(*csr.Spec.ExpirationSeconds)
		r.Seconds = &seconds
	}
	floor, began := n.cfg.Heads.Newest(), n.cfg.Now()
	n.cfg.Counts.Asked()
	answer, err := n.cfg.Signer.Sign(ctx, r)
	if errors.Is(err, endpoint.ErrTooLarge) {
		return large, nil
	}
	if err != nil {
		return nil, &askError{err}
	}
	n.cfg.Counts.Answered(string(answer.State), answer.Reason, n.cfg.Now().Sub(began))
	if err := n.cfg.Heads.Keep(ctx, floor, answer.Head); err != nil {
		return nil, &headError{err}
	}
	return answer, nil
}

// certify approves, where nobody has, and then writes the certificate.
func (n *round) certify(ctx context.Context, csr *certsv1.CertificateSigningRequest, certificate []byte) error {
	api := n.cfg.Client.CertificatesV1().CertificateSigningRequests()
	csr, err := n.whole(ctx, csr)
	if err != nil {
		return err
	}
	if !has(csr, certsv1.CertificateApproved) {
		n.condition(csr, certsv1.CertificateApproved, "within the grant")
		approved, err := api.UpdateApproval(ctx, csr.Name, csr, metav1.UpdateOptions{})
		if err != nil {
			return err
		}
		n.cfg.Counts.Wrote("approved")
		csr = approved
	}
	csr.Status.Certificate = certificate
	if _, err = api.UpdateStatus(ctx, csr, metav1.UpdateOptions{}); err != nil {
		return err
	}
	n.cfg.Counts.Wrote("certificate")
	return nil
}

// deny denies; what was approved has failed.
func (n *round) deny(ctx context.Context, csr *certsv1.CertificateSigningRequest, a *endpoint.Answer) (err error) {
	api := n.cfg.Client.CertificatesV1().CertificateSigningRequests()
	if csr, err = n.whole(ctx, csr); err != nil {
		return err
	}
	what, message := "denied", a.Reason+": "+a.Detail
	if has(csr, certsv1.CertificateApproved) {
		what = "failed"
		n.condition(csr, certsv1.CertificateFailed, message)
		_, err = api.UpdateStatus(ctx, csr, metav1.UpdateOptions{})
	} else {
		n.condition(csr, certsv1.CertificateDenied, message)
		_, err = api.UpdateApproval(ctx, csr.Name, csr, metav1.UpdateOptions{})
	}
	if err == nil {
		n.cfg.Counts.Wrote(what)
	}
	return err
}

// whole is a copy to change and write, with annotations that an update would remove.
func (n *round) whole(ctx context.Context, csr *certsv1.CertificateSigningRequest) (
	*certsv1.CertificateSigningRequest, error) {
	if _, ok := csr.Annotations[dropped]; !ok {
		return csr.DeepCopy(), nil
	}
	now, err := n.cfg.Client.CertificatesV1().CertificateSigningRequests().Get(ctx, csr.Name, metav1.GetOptions{})
	if err == nil && (now.UID != csr.UID || now.ResourceVersion != csr.ResourceVersion) {
		err = apierrors.NewConflict(certsv1.Resource("certificatesigningrequests"), csr.Name,
			errors.New("it has changed meanwhile"))
	}
	return now, err
}

func (n *round) condition(csr *certsv1.CertificateSigningRequest, kind certsv1.RequestConditionType, message string) {
	at := metav1.NewTime(n.cfg.Now().UTC().Truncate(time.Second))
	csr.Status.Conditions = append(csr.Status.Conditions, certsv1.CertificateSigningRequestCondition{Type: kind,
		Status: corev1.ConditionTrue, Reason: conditionReason, Message: line(message, maxMessage), LastUpdateTime: at})
}

// line is a text on one line, of at most n bytes: a terminal shows it as it is.
func line(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
	if len(s) <= n {
		return s
	}
	end := n - len("…")
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// askError is of a signer that does not answer, headError of a head that is not kept.
type askError struct{ error }
type headError struct{ error }

func (e *askError) Unwrap() error  { return e.error }
func (e *headError) Unwrap() error { return e.error }

// place says where a try failed, in few words, for whoever counts.
func place(err error) string {
	var refused *endpoint.Refused
	var asked *askError
	var head *headError
	switch {
	case errors.As(err, &refused):
		return "signer-refused"
	case errors.As(err, &asked):
		return "signer"
	case errors.As(err, &head):
		return "head"
	case apierrors.IsConflict(err):
		return "conflict"
	case apierrors.IsForbidden(err):
		return "forbidden"
	}
	return "api-server"
}
