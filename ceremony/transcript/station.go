package transcript

import (
	"errors"
	"slices"

	"officiant/bundle/fingerprint"
)

// StationChanged says that the ceremony uses another station file from here on.
// Every key on record before it has answered a challenge of this process, in the place
// that the new file names.
type StationChanged struct {
	Station fingerprint.SHA256 `json:"station"` // SHA-256 of the file
	Former  fingerprint.SHA256 `json:"former"`  // of the one before
	Modules []Module           `json:"modules"` // the PKCS#11 modules that its keys are reached by
	Reason  string             `json:"reason"`
	By      []string           `json:"by"` // who agreed to it
}

func (StationChanged) Type() Type { return "station-changed" }

// changeStation takes another station file in place of the one before.
func (o *order) changeStation(r StationChanged) error {
	switch {
	case r.Former != o.station:
		return errors.New("station-changed: former is not the station of the lines before")
	case r.Station == o.station:
		return errors.New("station-changed: it is the same station")
	case r.Reason == "":
		return errors.New("station-changed: without a reason")
	case len(r.By) == 0 || slices.Contains(r.By, ""):
		return errors.New("station-changed: by nobody")
	case len(slices.Compact(slices.Sorted(slices.Values(r.By)))) < len(r.By):
		return errors.New("station-changed: somebody agrees twice")
	}
	o.station = r.Station
	return nil
}
