package awskmstest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// actions are the requests the KMS knows. The Server's mu is held.
var actions = map[string]func(s *Server, body []byte, f Fault) (any, error){
	"DescribeKey": action((*Server).describeKey), "GetPublicKey": action((*Server).getPublicKey), "Sign": action((*Server).sign),
	"CreateKey": action((*Server).createKey), "CreateAlias": action((*Server).createAlias),
	"ListKeys": action((*Server).listKeys), "ListResourceTags": action((*Server).listResourceTags),
	"ScheduleKeyDeletion": action((*Server).scheduleKeyDeletion), "DeleteAlias": action((*Server).deleteAlias),
}

// action decodes a request strictly: a field that is not expected is an error.
func action[I any](do func(*Server, I, Fault) (any, error)) func(*Server, []byte, Fault) (any, error) {
	return func(s *Server, body []byte, f Fault) (any, error) {
		var in I
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil {
			return nil, refuse("SerializationException", "%v", err)
		}
		return do(s, in, f)
	}
}

type ofKey struct{ KeyId string }

func (s *Server) describeKey(in ofKey, f Fault) (any, error) {
	k, err := s.at(in.KeyId)
	if err != nil {
		return nil, err
	}
	if f == OtherKeyID {
		k = s.other(k)
	}
	return map[string]any{"KeyMetadata": k.Metadata}, nil
}

func (s *Server) getPublicKey(in ofKey, f Fault) (any, error) {
	k, err := s.ready(in.KeyId)
	if err != nil {
		return nil, err
	}
	pub, arn, spec := k.private.Public(), k.Arn, k.KeySpec
	switch f {
	case OtherKeyID:
		arn = s.other(k).Arn
	case OtherKey:
		pub = s.other(k).private.Public()
	case OtherAlgorithm:
		spec = "ECC_SECG_P256K1"
	case OtherExponent:
		pub = &rsa.PublicKey{N: pub.(*rsa.PublicKey).N, E: 3}
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	return map[string]any{"KeyId": arn, "PublicKey": der, "KeySpec": spec, "KeyUsage": k.KeyUsage, "SigningAlgorithms": k.SigningAlgorithms}, nil
}

// ready finds a key that can be used.
func (s *Server) ready(place string) (*key, error) {
	k, err := s.at(place)
	if err != nil {
		return nil, err
	}
	switch k.KeyState {
	case "Enabled":
		return k, nil
	case "Disabled":
		return nil, refuse("DisabledException", "%s is disabled.", k.Arn)
	}
	return nil, refuse("KMSInvalidStateException", "%s is pending deletion.", k.Arn)
}

type toSign struct {
	KeyId            string
	Message          []byte
	MessageType      string
	SigningAlgorithm string
}

func (s *Server) sign(in toSign, f Fault) (any, error) {
	k, err := s.ready(in.KeyId)
	if err != nil {
		return nil, err
	}
	if in.KeyId != k.Arn {
		return nil, refuse("ValidationException", "Officiant names keys by ARN, not %q", in.KeyId)
	}
	if in.MessageType != "DIGEST" || !slices.Contains(k.SigningAlgorithms, in.SigningAlgorithm) {
		return nil, refuse("InvalidKeyUsageException", "%s signs no %s with %s", k.KeySpec, in.MessageType, in.SigningAlgorithm)
	}
	name := in.SigningAlgorithm[strings.LastIndex(in.SigningAlgorithm, "_")+1:]
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[name]
	if len(in.Message) != hash.Size() {
		return nil, refuse("ValidationException", "Digest is invalid length for algorithm %s.", in.SigningAlgorithm)
	}
	var opts crypto.SignerOpts = hash
	if strings.Contains(in.SigningAlgorithm, "_PSS_") {
		pss := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
		if f == WrongSalt {
			pss.SaltLength = 20
		}
		opts = pss
	}
	signs, arn := k, k.Arn
	switch f {
	case OtherKey:
		signs = s.other(k)
	case OtherKeyID:
		arn = s.other(k).Arn
	case OtherAlgorithm:
		in.SigningAlgorithm = "RSASSA_PSS_SHA_1"
	}
	private := signs.private
	s.mu.Unlock() // signatures do not wait for each other
	sig, err := private.Sign(rand.Reader, in.Message, opts)
	s.mu.Lock()
	if err != nil {
		return nil, err
	}
	if f == FlipBit {
		sig[len(sig)/2] ^= 1
	}
	return map[string]any{"KeyId": arn, "Signature": sig, "SigningAlgorithm": in.SigningAlgorithm}, nil
}

type toMake struct {
	Description, KeySpec, KeyUsage, Origin, Policy string
	MultiRegion                                    bool
	Tags                                           []tag
}

func (s *Server) createKey(in toMake, f Fault) (any, error) {
	if in.KeyUsage != "SIGN_VERIFY" || in.Origin != "AWS_KMS" || in.MultiRegion {
		return nil, refuse("ValidationException", "not a signing key of one Region: %+v", in)
	}
	if strings.Contains(in.Policy, "malformed") {
		return nil, refuse("MalformedPolicyDocumentException", "The new key policy will not allow you to update the key policy in the future.")
	}
	spec := in.KeySpec
	if f == OtherAlgorithm {
		spec = "ECC_NIST_P521"
	}
	k, err := s.newKey(spec)
	if err != nil {
		return nil, err
	}
	k.Description, k.policy, k.tags = in.Description, in.Policy, in.Tags
	return map[string]any{"KeyMetadata": k.Metadata}, nil
}

type toName struct{ AliasName, TargetKeyId string }

func (s *Server) createAlias(in toName, _ Fault) (any, error) {
	k, err := s.at(in.TargetKeyId)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(in.AliasName, "alias/") || strings.HasPrefix(in.AliasName, "alias/aws/") {
		return nil, refuse("InvalidAliasNameException", "%q", in.AliasName)
	}
	if _, taken := s.aliases[in.AliasName]; taken {
		return nil, refuse("AlreadyExistsException", "An alias with the name %s:%s already exists", owner, in.AliasName)
	}
	s.aliases[in.AliasName] = k
	return map[string]any{}, nil
}

// pageSize is small, so that lists have several pages.
const pageSize = 2

type page struct {
	KeyId  string
	Limit  int
	Marker string
}

func (p page) of(n int, f Fault) (from, to int, next map[string]any) {
	if f == Endless {
		return 0, 0, map[string]any{"Truncated": true, "NextMarker": "0"}
	}
	from, _ = strconv.Atoi(p.Marker)
	to = min(from+pageSize, n)
	next = map[string]any{"Truncated": to < n}
	if to < n {
		next["NextMarker"] = strconv.Itoa(to)
	}
	return min(from, to), to, next
}

func (s *Server) listKeys(in page, f Fault) (any, error) {
	from, to, out := in.of(len(s.keys), f)
	entries := []map[string]string{}
	for _, k := range s.keys[from:to] {
		entry := map[string]string{"KeyId": k.KeyId, "KeyArn": k.Arn}
		if f == OtherKeyID {
			entry["KeyArn"] = owner + ":alias/" + k.KeyId
		}
		entries = append(entries, entry)
	}
	out["Keys"] = entries
	return out, nil
}

func (s *Server) listResourceTags(in page, f Fault) (any, error) {
	k, err := s.at(in.KeyId)
	if err != nil {
		return nil, err
	}
	if f == OtherKeyID {
		k = s.other(k)
	}
	from, to, out := in.of(len(k.tags), f)
	out["Tags"] = append([]tag{}, k.tags[from:to]...)
	return out, nil
}
