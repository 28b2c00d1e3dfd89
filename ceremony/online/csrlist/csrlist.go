package csrlist

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"officiant/ceremony/online/policy"
)

const (
	apiVersion = "certificates.k8s.io/v1"
	kind       = "CertificateSigningRequest"
)

// Limits of a list.
const (
	MaxBytes = 256 << 20
	maxItems = 20_000
)

// Path is where an object is put back: its approval, or its status.
func Path(name, part string) string {
	return "/apis/" + apiVersion + "/certificatesigningrequests/" + name + "/" + part
}

// Item is one object of a list.
type Item struct {
	Name     string
	Done     string // why nothing is to be done; empty: something is
	Approved bool   // somebody has approved it already
	Request  policy.Request

	uid        string
	spec       json.RawMessage
	conditions []condition
}

type condition struct {
	Type               string     `json:"type"`
	Status             string     `json:"status"`
	Reason             string     `json:"reason,omitempty"`
	Message            string     `json:"message,omitempty"`
	LastUpdateTime     *time.Time `json:"lastUpdateTime,omitempty"`
	LastTransitionTime *time.Time `json:"lastTransitionTime,omitempty"`
}

// object is what is read of a CertificateSigningRequest, and what is written.
type object struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Metadata   metadata        `json:"metadata"`
	Spec       json.RawMessage `json:"spec"`
	Status     status          `json:"status"`
}

type metadata struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

type status struct {
	Conditions  []condition `json:"conditions,omitempty"`
	Certificate []byte      `json:"certificate,omitempty"`
}

type spec struct {
	SignerName string   `json:"signerName"`
	Username   string   `json:"username"`
	Groups     []string `json:"groups"`
	Usages     []string `json:"usages"`
	Seconds    *int64   `json:"expirationSeconds"`
	Request    []byte   `json:"request"`
}

// names are those that have one meaning in a path, a file's name and a shell.
var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$`)

// Read reads a List of CertificateSigningRequests, or one of them. file is for messages.
func Read(file string, data []byte) ([]Item, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%s: has more than %d bytes", file, MaxBytes)
	}
	var list struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Items      []json.RawMessage `json:"items"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&list); err != nil {
		return nil, fmt.Errorf("%s: not what kubectl get csr -o json writes: %w", file, err)
	}
	if dec.More() {
		return nil, fmt.Errorf("%s: not what kubectl get csr -o json writes: text after the list", file)
	}
	switch list.Kind {
	case kind:
		list.Items = []json.RawMessage{data}
	case "List", kind + "List":
	default:
		return nil, fmt.Errorf("%s: kind is %q, not List or %s", file, list.Kind, kind)
	}
	if len(list.Items) > maxItems {
		return nil, fmt.Errorf("%s: has %d objects, more than %d", file, len(list.Items), maxItems)
	}
	var items []Item
	seen := map[string]bool{}
	for i, raw := range list.Items {
		it, err := read(raw)
		if err == nil && seen[it.Name] {
			err = errors.New("there is another one of this name")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: object %d, %q: %w", file, i+1, it.Name, err)
		}
		seen[it.Name] = true
		items = append(items, it)
	}
	return items, nil
}

func read(raw json.RawMessage) (Item, error) {
	var o object
	var s spec
	if err := json.Unmarshal(raw, &o); err != nil {
		return Item{}, err
	}
	it := Item{Name: o.Metadata.Name, uid: o.Metadata.UID, spec: o.Spec, conditions: o.Status.Conditions}
	if o.APIVersion != apiVersion || o.Kind != kind {
		return it, fmt.Errorf("it is %q %q, not %s %s", o.APIVersion, o.Kind, apiVersion, kind)
	}
	if !names.MatchString(it.Name) || it.uid == "" {
		return it, errors.New("its name is not of letters, digits, dots, dashes and underscores, or it has no uid")
	}
	if err := json.Unmarshal(o.Spec, &s); err != nil {
		return it, fmt.Errorf("spec: %w", err)
	}
	it.Request = policy.Request{SignerName: s.SignerName, Username: s.Username, Groups: s.Groups, Usages: s.Usages,
		CSR: s.Request}
	if s.Seconds != nil {
		if it.Request.Seconds = *s.Seconds; *s.Seconds == 0 {
			it.Request.Seconds = -1 // said, and no life at all
		}
	}
	for _, c := range o.Status.Conditions {
		switch {
		case c.Type == "Approved":
			it.Approved = true
		case c.Type == "Denied" || c.Type == "Failed":
			it.Done = "it is " + c.Type
		}
	}
	if len(o.Status.Certificate) > 0 {
		it.Done = "it has a certificate"
	}
	return it, nil
}

// Approve is the object for its approval: approved, or denied with a reason.
func (it *Item) Approve(denied, message string, now time.Time) ([]byte, error) {
	c := condition{Type: "Approved", Status: "True", Reason: "OfficiantGrant", Message: "within the grant"}
	if denied != "" {
		c.Type, c.Reason, c.Message = "Denied", "OfficiantGrant", denied+": "+message
	}
	at := now.UTC().Truncate(time.Second)
	c.LastUpdateTime = &at
	it.conditions = append(it.conditions, c)
	return it.marshal(nil)
}

// Certify is the object for its status, with its certificate.
func (it *Item) Certify(certificate []byte) ([]byte, error) { return it.marshal(certificate) }

func (it *Item) marshal(certificate []byte) ([]byte, error) {
	data, err := json.MarshalIndent(object{apiVersion, kind, metadata{it.Name, it.uid}, it.spec,
		status{it.conditions, certificate}}, "", "  ")
	return append(data, '\n'), err
}
