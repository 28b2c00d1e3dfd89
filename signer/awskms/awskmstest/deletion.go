package awskmstest

import "time"

type toDelete struct {
	KeyId               string
	PendingWindowInDays int
}

func (s *Server) scheduleKeyDeletion(in toDelete, f Fault) (any, error) {
	k, err := s.at(in.KeyId)
	if err != nil {
		return nil, err
	}
	switch {
	case in.KeyId != k.Arn:
		return nil, refuse("ValidationException", "Officiant names keys by ARN, not %q", in.KeyId)
	case in.PendingWindowInDays < 7 || in.PendingWindowInDays > 30:
		return nil, refuse("ValidationException", "PendingWindowInDays %d", in.PendingWindowInDays)
	case k.KeyState == "PendingDeletion":
		return nil, refuse("KMSInvalidStateException", "%s is pending deletion.", k.Arn)
	}
	k.KeyState, k.Enabled = "PendingDeletion", false
	window := time.Duration(in.PendingWindowInDays) * 24 * time.Hour
	k.DeletionDate = seconds(time.Now().Add(window).Truncate(time.Second))
	arn := k.Arn
	if f == OtherKeyID {
		arn = s.other(k).Arn
	}
	out := map[string]any{"KeyId": arn, "KeyState": k.KeyState, "DeletionDate": k.DeletionDate,
		"PendingWindowInDays": in.PendingWindowInDays}
	if f == Dateless {
		delete(out, "DeletionDate")
	}
	return out, nil
}

func (s *Server) deleteAlias(in struct{ AliasName string }, _ Fault) (any, error) {
	if _, ok := s.aliases[in.AliasName]; !ok {
		return nil, refuse("NotFoundException", "Alias %s:%s is not found.", owner, in.AliasName)
	}
	delete(s.aliases, in.AliasName)
	return map[string]any{}, nil
}
