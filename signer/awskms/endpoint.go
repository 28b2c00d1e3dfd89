package awskms

import (
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// owned are the names of AWS's own endpoints for KMS: of a Region, with FIPS, in China,
// with IPv6, and of a VPC.
var owned = regexp.MustCompile(`^https://((vpce-[a-z0-9-]+\.)?kms(-fips)?\.([a-z0-9-]+)\.` +
	`(amazonaws\.com|amazonaws\.com\.cn|api\.aws|api\.amazonwebservices\.com\.cn|vpce\.amazonaws\.com))(:443)?$`)

// foreign says why nothing shows that AWS answers: its endpoint has another name than
// AWS's, or certificates are trusted that a file on this machine adds. Empty: AWS's own.
func foreign(endpoint, region, bundle string) string {
	if name := owned.FindStringSubmatch(endpoint); endpoint != "" && (name == nil || name[4] != region) {
		return "reached at " + endpoint + ", which is no endpoint of AWS's in " + region +
			": nothing shows that AWS answers there"
	}
	if bundle != "" {
		return "certificates of " + bundle + " are trusted to be AWS's (AWS_CA_BUNDLE, ca_bundle): nothing shows " +
			"that AWS answers"
	}
	return ""
}

// bundleOf is the file of certificates that is trusted in place of the machine's; the
// SDK takes it from AWS_CA_BUNDLE or its configuration file.
func bundleOf(cfg aws.Config) string {
	for _, source := range cfg.ConfigSources {
		switch c := source.(type) {
		case config.EnvConfig:
			if c.CustomCABundle != "" {
				return c.CustomCABundle
			}
		case config.SharedConfig:
			if c.CustomCABundle != "" {
				return c.CustomCABundle
			}
		}
	}
	return ""
}
