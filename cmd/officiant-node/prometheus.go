package main

import (
	"fmt"
	"strings"
	"time"

	"officiant/bundle/install"
)

// metrics renders a status in Prometheus' text format, as node exporter's
// textfile collector reads it. docs/node.md lists them.
func metrics(s *install.Status, now time.Time) []byte {
	m := &exposition{}
	if i := s.Installed; i != nil {
		node := []string{"cluster", i.Cluster, "node", i.Node}
		m.family("officiant_certificate_not_after_timestamp_seconds", "Expiry of the installed certificate, in "+
			"seconds since 1970.")
		for _, c := range s.Certificates {
			m.sample(float64(c.NotAfter.Unix()), certificateLabels(node, c)...)
		}
		m.family("officiant_certificate_not_before_timestamp_seconds",
			"Start of the installed certificate's validity, in seconds since 1970.")
		for _, c := range s.Certificates {
			m.sample(float64(c.NotBefore.Unix()), certificateLabels(node, c)...)
		}
		m.family("officiant_certificate_sequence", "Sequence of the bundle that installed the certificate; 0 if "+
			"none did.")
		for _, c := range s.Certificates {
			m.sample(float64(c.Sequence), certificateLabels(node, c)...)
		}
		if l := s.Revocations; l != nil {
			labels := append(node[:len(node):len(node)], "file", "/"+l.File, "number", l.Number)
			m.family("officiant_revocation_list_next_update_timestamp_seconds",
				"When the next revocation list is due, in seconds since 1970.")
			m.sample(float64(l.NextUpdate.Unix()), labels...)
			m.family("officiant_revocation_list_certificates", "Number of certificates that the installed "+
				"revocation list revokes.")
			m.sample(float64(len(l.Revoked)), labels...)
		}
		m.family("officiant_bundle_sequence", "Sequence of the installed bundle.")
		m.sample(float64(i.Sequence), append(node, "ceremony", i.Ceremony.String())...)
		m.family("officiant_bundle_not_after_timestamp_seconds", "Expiry of the installed bundle, in seconds since "+
			"1970.")
		m.sample(float64(i.NotAfter.Unix()), node...)
	} else {
		m.family("officiant_bundle_sequence", "Sequence of the installed bundle.")
		m.sample(0)
	}
	if p := s.Pins; p != nil {
		m.family("officiant_bundle_newest_seen_sequence", "Highest sequence this node has seen; it accepts no "+
			"lower one.")
		m.sample(float64(p.HighestSequence), "cluster", p.Cluster, "node", p.Node)
	}
	m.family("officiant_node_findings", "Number of changed files, and of other findings of status.")
	m.sample(float64(len(s.Findings)))
	m.family("officiant_node_interrupted", "1 while an interrupted install or rollback has to be finished.")
	interrupted := 0.0
	if s.Interrupted != "" {
		interrupted = 1
	}
	m.sample(interrupted)
	m.family("officiant_node_status_timestamp_seconds", "When these values were collected, in seconds since 1970.")
	m.sample(float64(now.Unix()))
	return []byte(m.text.String())
}

func certificateLabels(node []string, c install.Certificate) []string {
	return append(node[:len(node):len(node)], "name", c.Name, "file", "/"+c.File, "serial", c.Serial)
}

// exposition collects metric families.
type exposition struct {
	text strings.Builder
	name string
}

// family begins a gauge; the samples that follow are its.
func (e *exposition) family(name, help string) {
	e.name = name
	fmt.Fprintf(&e.text, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// sample adds a value with labels, given as name, value, name, value, ….
func (e *exposition) sample(value float64, labels ...string) {
	e.text.WriteString(e.name)
	for i := 0; i+1 < len(labels); i += 2 {
		open := ","
		if i == 0 {
			open = "{"
		}
		fmt.Fprintf(&e.text, `%s%s="%s"`, open, labels[i], labelEscapes.Replace(labels[i+1]))
	}
	if len(labels) > 0 {
		e.text.WriteString("}")
	}
	fmt.Fprintf(&e.text, " %.0f\n", value)
}
