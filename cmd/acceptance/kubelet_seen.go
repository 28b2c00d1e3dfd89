package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// seen waits until the API server has been asked by the kubelet that runs, and demands
// that it was with the certificate of the kubelet.conf that is installed.
func (k *kubeletNode) seen(ctx context.Context) error {
	who, err := k.site.as(k.name)
	if err != nil {
		return err
	}
	want, err := x509.ParseCertificate(who.Certificate[0])
	if err != nil {
		return err
	}
	sum := fmt.Sprintf("X509SHA256=%x", sha256.Sum256(want.Raw))
	var others []string
	err = until(ctx, patience, k.running[kubeletProgram], func() error {
		ids, err := k.credentials()
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return errors.New("the API server has not been asked")
		}
		others = nil
		for id := range ids {
			if id != sum {
				others = append(others, id)
			}
		}
		return nil
	})
	if err == nil && len(others) > 0 {
		return fmt.Errorf(
			"the API server sees %q, and not serial number %x (%s), which is installed",
			others,
			want.SerialNumber,
			sum,
		)
	}
	return err
}

// audit is where the API server notes who asked.
func (k *kubeletNode) audit() string { return filepath.Join(k.api.tree, "tmp/audit.log") }

// credentials are the certificates with which this node has asked the API server since
// the kubelet was started, as the API server identified them.
func (k *kubeletNode) credentials() (map[string]bool, error) {
	file, err := os.Open(k.audit())
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if _, err := file.Seek(k.from, 0); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for d := json.NewDecoder(file); ; {
		var event struct {
			User struct {
				Username string              `json:"username"`
				Extra    map[string][]string `json:"extra"`
			} `json:"user"`
			UserAgent string    `json:"userAgent"`
			Received  time.Time `json:"requestReceivedTimestamp"`
		}
		if d.Decode(&event) != nil {
			return seen, nil // the rest is being written
		}
		// What the kubelet before had asked, a watch above all, may be noted when it ends.
		if event.User.Username != "system:node:"+k.name || !strings.HasPrefix(event.UserAgent, "kubelet/") ||
			event.Received.Before(k.since) {
			continue
		}
		for _, id := range event.User.Extra["authentication.kubernetes.io/credential-id"] {
			seen[id] = true
		}
	}
}

// audited has the API server note which credential each node asks with.
func audited(component string, args []string) []string {
	if component != apiServer {
		return args
	}
	return append(args, "--audit-policy-file=/tmp/audit.yaml", "--audit-log-path=/tmp/audit.log")
}

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  userGroups: ["system:nodes"]
- level: None
`
