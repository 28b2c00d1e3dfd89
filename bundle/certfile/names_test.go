package certfile

import (
	"crypto/x509/pkix"
	"testing"
)

// TestCountAltNames: names of every kind count, and what is no list of names is told from
// an empty one.
func TestCountAltNames(t *testing.T) {
	names := func(der ...byte) pkix.Extension { return pkix.Extension{Id: oidAltNames, Value: der} }
	other := pkix.Extension{Id: []int{2, 5, 29, 15}, Value: []byte{0x30, 0x00}}
	dns := names(0x30, 3, 0x82, 1, 'a')
	for what, tt := range map[string]struct {
		extensions []pkix.Extension
		want       int
	}{
		"no extension":                   {nil, 0},
		"another one":                    {[]pkix.Extension{other}, 0},
		"an empty list":                  {[]pkix.Extension{names(0x30, 0)}, 0},
		"a DNS name":                     {[]pkix.Extension{other, dns}, 1},
		"a DNS name and a registered ID": {[]pkix.Extension{names(0x30, 7, 0x82, 1, 'a', 0x88, 2, 42, 3)}, 2},
		"two extensions":                 {[]pkix.Extension{dns, dns}, 2},
		"no list":                        {[]pkix.Extension{names(0x82, 1, 'a')}, -1},
		"something after the list":       {[]pkix.Extension{names(0x30, 0, 0)}, -1},
	} {
		if n := CountAltNames(tt.extensions); n != tt.want {
			t.Errorf("%s: %d names, want %d", what, n, tt.want)
		}
	}
}
