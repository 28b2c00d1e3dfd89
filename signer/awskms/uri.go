package awskms

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"officiant/signer"
)

// address is a URI taken apart. Empty fields were not given.
type address struct {
	target   string // alias/NAME, a key id or an ARN
	region   string
	endpoint string
	policy   string // path of a file
}

var (
	queryAttributes = []string{"region", "endpoint", "policy"}

	regionName = regexp.MustCompile(`^[a-z]{2}(-[a-z0-9]+)+$`)
	aliasName  = regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]{1,250}$`)
	keyID      = regexp.MustCompile(`^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$`)
	resource   = regexp.MustCompile(`^arn:aws[a-z-]*:kms:([a-z0-9-]+):([0-9]{12}):(?:key/([^/]+)|(alias/.+))$`)
)

// parseURI takes a URI apart. Errors name attributes and never their values,
// which may hold what they should not.
func parseURI(uri string) (address, error) {
	a, err := takeApart(uri)
	return a, signer.BadURI(err)
}

func takeApart(uri string) (address, error) {
	scheme, rest, _ := strings.Cut(uri, ":")
	rest, slashes := strings.CutPrefix(rest, "///")
	if !strings.EqualFold(scheme, "awskms") || !slashes {
		return address{}, errors.New("awskms URI: does not begin with \"awskms:///\"")
	}
	var a address
	target, query, hasQuery := strings.Cut(rest, "?")
	if err := a.setTarget(target); err != nil {
		return address{}, fmt.Errorf("awskms URI: %w", err)
	}
	if hasQuery {
		if err := a.setQuery(query); err != nil {
			return address{}, fmt.Errorf("awskms URI: %w", err)
		}
	}
	if arn, ok := parseARN(a.target); ok {
		if a.region == "" {
			a.region = arn.region
		}
		if a.region != arn.region {
			return address{}, errors.New("awskms URI: the ARN is of another Region than its region attribute")
		}
	}
	return a, nil
}

func (a *address) setTarget(target string) error {
	name, region := target, ""
	if arn, ok := parseARN(target); ok {
		name, region = arn.name, arn.region
	}
	switch {
	case name == "":
	case strings.HasPrefix(name, "alias/aws/"):
		return errors.New("names a key of AWS's own (alias/aws/…), which signs for nobody")
	case !aliasName.MatchString(name) && !keyID.MatchString(name):
		return errNoKey
	case region != "" && !regionName.MatchString(region):
		return errNoKey
	}
	a.target = target
	return nil
}

var errNoKey = errors.New("names no key: after \"awskms:///\" comes alias/NAME (letters, digits and /_-), a key id, or an ARN of KMS")

func (a *address) setQuery(query string) error {
	seen := map[string]bool{}
	for _, part := range strings.Split(query, "&") {
		name, escaped, _ := strings.Cut(part, "=")
		value, err := url.PathUnescape(escaped)
		switch {
		case !slices.Contains(queryAttributes, name):
			return fmt.Errorf("unknown attribute %q: one of %s; credentials come from the AWS SDK's own chain", name, strings.Join(queryAttributes, ", "))
		case seen[name]:
			return fmt.Errorf("attribute %q stands there twice", name)
		case err != nil:
			return fmt.Errorf("attribute %q: a broken %%-escape", name)
		case value == "":
			return fmt.Errorf("attribute %q is empty", name)
		}
		seen[name] = true
		if err := a.set(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (a *address) set(name, value string) error {
	switch name {
	case "region":
		if !regionName.MatchString(value) {
			return errors.New("region is no name of a Region, such as eu-central-1")
		}
		a.region = value
	case "endpoint":
		if !secureEndpoint(value) {
			return errors.New("endpoint is not of the form https://HOST or https://HOST:PORT")
		}
		a.endpoint = strings.TrimSuffix(value, "/")
	case "policy":
		if !filepath.IsAbs(value) || strings.ContainsRune(value, 0) {
			return errors.New("policy is not an absolute path")
		}
		a.policy = value
	}
	return nil
}

// secureEndpoint accepts a host that is reached by TLS and nothing besides.
func secureEndpoint(s string) bool {
	u, err := url.Parse(s)
	return err == nil && strings.HasPrefix(s, "https://") && u.Hostname() != "" && u.User == nil && u.Opaque == "" &&
		(u.Path == "" || u.Path == "/") && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}

// arn is a KMS ARN taken apart; name is alias/NAME or a key id.
type arn struct{ region, account, name string }

func parseARN(s string) (arn, bool) {
	m := resource.FindStringSubmatch(s)
	if m == nil {
		return arn{}, false
	}
	return arn{region: m[1], account: m[2], name: m[3] + m[4]}, true
}

// place is how ref's key is named to KMS: as the URI says, or by the alias that
// is made of its label.
func (a address) place(ref signer.Ref) (string, error) {
	if a.target != "" {
		return a.target, nil
	}
	if ref.Label == "" {
		return "", errors.New("awskms URI: names no key: alias/NAME, a key id, an ARN or a label is needed")
	}
	alias := "alias/officiant/" + ref.Label
	if !aliasName.MatchString(alias) {
		return "", fmt.Errorf("%w: key %q: an alias has letters, digits and /_- only; name it in the URI", signer.ErrUnsupported, ref.Label)
	}
	return alias, nil
}

// newAlias is the alias that ref's key is made with.
func (a address) newAlias(ref signer.Ref) (string, error) {
	place, err := a.place(ref)
	if err != nil {
		return "", err
	}
	if !aliasName.MatchString(place) {
		return "", fmt.Errorf("%w: key %q: a key that is to be made has no id yet; name it by an alias", signer.ErrUnsupported, ref.Label)
	}
	return place, nil
}
