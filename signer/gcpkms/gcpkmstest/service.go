package gcpkmstest

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"path"
	"regexp"
	"strconv"
	"strings"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// intercept counts calls and does what concerns all of them.
func (f *Fake) intercept(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	f.mu.Lock()
	f.calls[path.Base(info.FullMethod)]++
	fault := f.fault
	if f.only != "" && f.only != path.Base(info.FullMethod) {
		fault = ""
	}
	f.mu.Unlock()
	switch fault {
	case Throttled:
		return nil, status.Error(codes.ResourceExhausted, "Quota exceeded for quota metric 'Cryptographic requests'")
	case Denied:
		return nil, status.Error(codes.PermissionDenied, "Permission denied on resource (or it may not exist).")
	case Unauthenticated:
		return nil, status.Error(codes.Unauthenticated, "Request had invalid authentication credentials.")
	case SwitchedOff:
		return nil, switchedOff()
	case Unknown:
		return nil, status.Error(codes.NotFound, "Project 'officiant-test' not found.")
	case Internal:
		return nil, status.Error(codes.Internal, "Internal error\x1b[2J encountered.")
	case Slow:
		select {
		case <-ctx.Done():
		case <-f.done:
		}
		return nil, ctx.Err()
	case Cut:
		f.listener.cut()
		return nil, status.Error(codes.Unknown, "nobody reads this")
	}
	answer, err := handler(ctx, request)
	switch fault {
	case LostAnswer:
		f.listener.cut()
	case OtherName, NotDone:
		if err == nil {
			alter(answer, fault)
		}
	}
	return answer, err
}

// alter makes an answer be about another resource, or a version be enabled.
func alter(answer any, fault Fault) {
	switch a := answer.(type) {
	case *kmspb.KeyRing:
		a.Name += "7"
	case *kmspb.CryptoKey:
		a.Name += "7"
	case *kmspb.CryptoKeyVersion:
		if fault == NotDone {
			a.State = kmspb.CryptoKeyVersion_ENABLED
		} else {
			a.Name += "7"
		}
	}
}

// switchedOff is Google's answer in a project without the API, whose reason is in a detail.
// The type of the detail is found by its name: gax links it.
func switchedOff() error {
	kind, err := protoregistry.GlobalTypes.FindMessageByName("google.rpc.ErrorInfo")
	if err != nil {
		panic(err)
	}
	info := kind.New()
	info.Set(kind.Descriptor().Fields().ByName("reason"), protoreflect.ValueOfString("SERVICE_DISABLED"))
	s,
		err := status.New(codes.PermissionDenied,
		"Cloud Key Management Service (KMS) API has not been used in project 7 before or "+
			"it is disabled.").WithDetails(protoadapt.MessageV1Of(info.Interface()))
	if err != nil {
		panic(err)
	}
	return s.Err()
}

var (
	resourceID = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,63}$`)
	labelValue = regexp.MustCompile(`^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$`)
)

// GetKeyRing is as Google's.
func (f *Fake) GetKeyRing(_ context.Context, r *kmspb.GetKeyRingRequest) (*kmspb.KeyRing, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.rings[r.GetName()] {
		return nil, status.Errorf(codes.NotFound, "KeyRing %s not found.", r.GetName())
	}
	return &kmspb.KeyRing{Name: r.GetName()}, nil
}

// CreateKeyRing is as Google's.
func (f *Fake) CreateKeyRing(_ context.Context, r *kmspb.CreateKeyRingRequest) (*kmspb.KeyRing, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := r.GetParent() + "/keyRings/" + r.GetKeyRingId()
	switch {
	case !resourceID.MatchString(r.GetKeyRingId()):
		return nil, status.Error(codes.InvalidArgument, "key_ring_id")
	case f.rings[name]:
		return nil, status.Errorf(codes.AlreadyExists, "KeyRing %s already exists.", name)
	}
	f.rings[name] = true
	return &kmspb.KeyRing{Name: name}, nil
}

// CreateCryptoKey makes a key and its version 1, as Google does.
func (f *Fake) CreateCryptoKey(_ context.Context, r *kmspb.CreateCryptoKeyRequest) (*kmspb.CryptoKey, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := r.GetParent() + "/cryptoKeys/" + r.GetCryptoKeyId()
	switch {
	case !f.rings[r.GetParent()]:
		return nil, status.Errorf(codes.NotFound, "KeyRing %s not found.", r.GetParent())
	case !resourceID.MatchString(r.GetCryptoKeyId()):
		return nil, status.Error(codes.InvalidArgument, "crypto_key_id")
	case f.keys[name] != nil:
		return nil, status.Errorf(codes.AlreadyExists, "CryptoKey %s already exists.", name)
	}
	for _, v := range r.GetCryptoKey().GetLabels() {
		if !labelValue.MatchString(v) {
			return nil, status.Errorf(codes.InvalidArgument, "label value %q", v)
		}
	}
	k := &cryptoKey{proto: proto.Clone(r.GetCryptoKey()).(*kmspb.CryptoKey), versions: map[string]*version{}}
	k.proto.Name, k.proto.CreateTime = name, timestamppb.Now()
	if !r.GetSkipInitialVersionCreation() {
		if _, err := f.addVersion(k); err != nil {
			return nil, err
		}
	}
	f.keys[name] = k
	return proto.Clone(k.proto).(*kmspb.CryptoKey), nil
}

// addVersion makes a version by the key's template; f.mu is held.
func (f *Fake) addVersion(k *cryptoKey) (string, error) {
	template := k.proto.GetVersionTemplate()
	if f.now(OtherAlgorithm) {
		template = proto.Clone(template).(*kmspb.CryptoKeyVersionTemplate)
		template.Algorithm = kmspb.CryptoKeyVersion_EC_SIGN_P384_SHA384
	}
	private, err := generate(template.GetAlgorithm())
	if err != nil {
		return "", err
	}
	v := &version{private: private, pending: f.pending, proto: &kmspb.CryptoKeyVersion{
		Name: k.proto.GetName() + "/cryptoKeyVersions/" + strconv.Itoa(len(k.versions)+1), State: kmspb.CryptoKeyVersion_ENABLED,
		Algorithm: template.GetAlgorithm(), ProtectionLevel: template.GetProtectionLevel(),
		CreateTime: timestamppb.Now(), GenerateTime: timestamppb.Now(),
	}}
	if v.proto.ProtectionLevel == kmspb.ProtectionLevel_HSM {
		v.proto.Attestation = Attest(private.Public(), kmspb.KeyOperationAttestation_CAVIUM_V2_COMPRESSED, nil)
	}
	k.versions[v.proto.Name] = v
	return v.proto.Name, nil
}

// GetCryptoKey is as Google's.
func (f *Fake) GetCryptoKey(_ context.Context, r *kmspb.GetCryptoKeyRequest) (*kmspb.CryptoKey, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.keys[r.GetName()]
	if k == nil {
		return nil, status.Errorf(codes.NotFound, "CryptoKey %s not found.", r.GetName())
	}
	return proto.Clone(k.proto).(*kmspb.CryptoKey), nil
}

func (f *Fake) version(name string) (*version, error) {
	parent, _, _ := strings.Cut(name, "/cryptoKeyVersions/")
	if k := f.keys[parent]; k != nil && k.versions[name] != nil {
		return k.versions[name], nil
	}
	return nil, status.Errorf(codes.NotFound, "CryptoKeyVersion %s not found.", name)
}

// GetCryptoKeyVersion is as Google's.
func (f *Fake) GetCryptoKeyVersion(_ context.Context, r *kmspb.GetCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, err := f.version(r.GetName())
	if err != nil {
		return nil, err
	}
	out := f.said(v)
	if v.pending > 0 {
		v.pending--
	}
	return out, nil
}

// said is what the service says of a version; f.mu is held.
func (f *Fake) said(v *version) *kmspb.CryptoKeyVersion {
	out := proto.Clone(v.proto).(*kmspb.CryptoKeyVersion)
	out.Attestation = v.attestation(f.fault)
	if v.pending > 0 {
		out.State, out.GenerateTime, out.Attestation = kmspb.CryptoKeyVersion_PENDING_GENERATION, nil, nil
	}
	return out
}

// usable is what Google answers for a version that cannot be used.
func (v *version) usable() error {
	if s := v.proto.GetState(); s != kmspb.CryptoKeyVersion_ENABLED {
		return status.Errorf(codes.FailedPrecondition, "%s is not enabled, current state is: %s.", v.proto.GetName(), s)
	}
	return nil
}

// GetPublicKey is as Google's.
func (f *Fake) GetPublicKey(_ context.Context, r *kmspb.GetPublicKeyRequest) (*kmspb.PublicKey, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, err := f.version(r.GetName())
	if err != nil {
		return nil, err
	}
	if err := v.usable(); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(v.private.Public())
	if err != nil {
		return nil, err
	}
	out := &kmspb.PublicKey{
		Name: r.GetName(), Algorithm: v.proto.GetAlgorithm(), ProtectionLevel: v.proto.GetProtectionLevel(),
		Pem: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}
	if f.now(PublicGarbage) {
		out.Pem = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
	}
	if f.now(PublicNoKey) {
		out.Pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	out.PemCrc32C = wrapperspb.Int64(checksum([]byte(out.Pem)))
	switch f.fault {
	case PublicWrongCRC:
		out.PemCrc32C.Value ^= 1
	case PublicNoCRC:
		out.PemCrc32C = nil
	case PublicOther:
		out.Name = strings.TrimSuffix(out.Name, "1") + "2"
	case PublicLevel:
		out.ProtectionLevel = kmspb.ProtectionLevel_EXTERNAL
	case PublicAlgorithm:
		out.Algorithm = kmspb.CryptoKeyVersion_EC_SIGN_ED25519
	}
	return out, nil
}

// AsymmetricSign is as Google's: it takes the one hash of the key.
func (f *Fake) AsymmetricSign(_ context.Context, r *kmspb.AsymmetricSignRequest) (*kmspb.AsymmetricSignResponse, error) {
	f.mu.Lock()
	v, err := f.version(r.GetName())
	if err == nil {
		err = v.usable()
	}
	fault, level := f.fault, kmspb.ProtectionLevel(0)
	var algorithm kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm
	if err == nil {
		level, algorithm = v.proto.GetProtectionLevel(), v.proto.GetAlgorithm()
	}
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	digest, hash := r.GetDigest().GetSha256(), crypto.SHA256
	if algorithm == kmspb.CryptoKeyVersion_EC_SIGN_P384_SHA384 {
		digest, hash = r.GetDigest().GetSha384(), crypto.SHA384
	}
	switch {
	case len(digest) != hash.Size():
		return nil, status.Errorf(codes.InvalidArgument, "Digest is not of %s.", hash)
	case r.GetDigestCrc32C() != nil && r.GetDigestCrc32C().GetValue() != checksum(digest):
		return nil, status.Error(codes.InvalidArgument, "The checksum in field digest_crc32c did not match the data in field digest.")
	}
	private := v.private
	if fault == AnotherKey {
		if private, err = generate(algorithm); err != nil {
			return nil, err
		}
	}
	sig, err := private.Sign(rand.Reader, digest, hash)
	if err != nil {
		return nil, err
	}
	return broken(fault, &kmspb.AsymmetricSignResponse{
		Name: r.GetName(), Signature: sig, ProtectionLevel: level, VerifiedDigestCrc32C: r.GetDigestCrc32C() != nil,
	}), nil
}

// broken adds the CRC32C to an answer, and a fault.
func broken(fault Fault, out *kmspb.AsymmetricSignResponse) *kmspb.AsymmetricSignResponse {
	if fault == FlippedBit {
		out.Signature[len(out.Signature)-1] ^= 1
	}
	out.SignatureCrc32C = wrapperspb.Int64(checksum(out.Signature))
	switch fault {
	case FlippedOnTheWay:
		out.Signature[len(out.Signature)-1] ^= 1
	case WrongCRC:
		out.SignatureCrc32C.Value ^= 1
	case NoCRC:
		out.SignatureCrc32C = nil
	case DigestUnverified:
		out.VerifiedDigestCrc32C = false
	case AnotherVersion:
		out.Name = strings.TrimSuffix(out.Name, "1") + "2"
	case AnotherLevel:
		out.ProtectionLevel = kmspb.ProtectionLevel_EXTERNAL
	}
	return out
}
