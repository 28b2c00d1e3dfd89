package main

import (
	"context"
	"errors"

	"officiant/ceremony"
	"officiant/ceremony/placement"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
	"officiant/signer"
)

// place is what a key's place tells without a login.
func (r reach) place(ref signer.Ref) (placement.Backend, error) {
	b, err := r.backend(ref)
	if err != nil {
		return placement.Backend{}, err
	}
	p := placement.Backend{Supports: b.Supports, Attests: b.Attests, Vouched: b.Vouched, Module: b.Module,
		Slots: b.Slotted != nil && b.Slotted(ref), Vacant: b.Vacant}
	if b.See != nil {
		p.See = func(ctx context.Context, ref signer.Ref) (placement.Token, error) {
			seen, err := b.See(ctx, ref)
			return placement.Token{Device: seen.Device, Unready: seen.Unready}, err
		}
	}
	return p, nil
}

// placed is a *ceremony.Refused when some of a plan's keys cannot live where the
// station says. absent is a token that people have not put in yet.
func placed(ctx context.Context, c *schedule.Ceremony, st *station.Station, keys []string,
	of func(signer.Ref) (placement.Backend, error)) (absent, err error) {
	report := placement.Look(ctx, c, st, keys, of)
	if len(report.Findings) > 0 {
		return nil, &ceremony.Refused{Reasons: report.Findings}
	}
	if len(report.Absent) > 0 {
		absent = report.Absent[0]
	}
	return absent, errors.Join(report.Unknown...)
}
