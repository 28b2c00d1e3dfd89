package gcpkmstest

import (
	"context"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// DestroyCryptoKeyVersion is as Google's: it only schedules it.
func (f *Fake) DestroyCryptoKeyVersion(_ context.Context, r *kmspb.DestroyCryptoKeyVersionRequest) (
	*kmspb.CryptoKeyVersion, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, err := f.version(r.GetName())
	if err != nil {
		return nil, err
	}
	switch v.proto.GetState() {
	case kmspb.CryptoKeyVersion_ENABLED, kmspb.CryptoKeyVersion_DISABLED:
	default:
		return nil, status.Errorf(codes.FailedPrecondition, "%s cannot be destroyed, current state is: %s.", r.GetName(),
			v.proto.GetState())
	}
	v.proto.State = kmspb.CryptoKeyVersion_DESTROY_SCHEDULED
	v.proto.DestroyTime = timestamppb.New(time.Now().Add(30 * 24 * time.Hour).Truncate(time.Second))
	return f.said(v), nil
}
