package install

import (
	"fmt"
	"math"
	"strings"
	"time"

	"officiant/bundle"
	"officiant/bundle/kubepki"
)

// RevocationList is the list that etcd is given.
type RevocationList struct {
	File       string    `json:"file"` // below the root
	Issuer     string    `json:"issuer"`
	Number     string    `json:"number"`
	ThisUpdate time.Time `json:"thisUpdate"`
	NextUpdate time.Time `json:"nextUpdate"` // etcd goes on with it afterwards
	DaysLeft   int       `json:"daysLeft"`   // until then, whole days; negative when it has passed
	Revoked    []string  `json:"revoked"`    // serial numbers, hex
}

// revocationList reads the list the node's etcd has now; nil when it has none, or
// one that cannot be read, which tree says.
func revocationList(b below, files []kubepki.File, now time.Time) *RevocationList {
	for _, f := range files {
		if f.Kind != kubepki.RevocationListFile {
			continue
		}
		path := placeOf(f)
		there, err := b.read(path)
		if err != nil || there == nil {
			return nil
		}
		list, err := bundle.ParseRevocationList(there.data)
		if err != nil {
			return nil
		}
		r := &RevocationList{
			File: path, Issuer: list.Issuer.String(), Number: list.Number.String(), Revoked: []string{},
			ThisUpdate: list.ThisUpdate.UTC(), NextUpdate: list.NextUpdate.UTC(),
			DaysLeft: int(math.Floor(list.NextUpdate.Sub(now).Hours() / 24)),
		}
		for _, e := range list.RevokedCertificateEntries {
			r.Revoked = append(r.Revoked, e.SerialNumber.Text(16))
		}
		return r
	}
	return nil
}

func (r *RevocationList) String() string {
	what := "revokes nothing"
	if n := len(r.Revoked); n > 0 {
		what = fmt.Sprintf("revokes %d: %s", n, strings.Join(r.Revoked, ", "))
	}
	return fmt.Sprintf("number %s of %s, %s", r.Number, r.Issuer, what)
}
