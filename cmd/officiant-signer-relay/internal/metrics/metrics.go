// Package metrics counts what a relay does, and writes it in the text format of
// Prometheus, version 0.0.4. No label has a value that somebody else makes up: a flood
// makes no series.
package metrics

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxSeries is how many values a counter's label has; others are counted as "other".
const maxSeries = 64

// buckets are the upper bounds of the latency histogram, in seconds.
var buckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}

// Counts is safe for concurrent use. Its zero value counts from nothing.
type Counts struct {
	mu       sync.Mutex
	counters map[string]map[string]int64 // by name, then by labels as they are written
	latency  [14]int64                   // by bucket, not summed up; the last is beyond all
	seconds  float64
}

// counters are all there are, with their help.
var counters = []struct{ name, help string }{
	{"officiant_relay_asked_total", "Requests handed to the signer."},
	{"officiant_relay_answers_total", "Answers of the signer, by state and reason."},
	{"officiant_relay_written_total", "What was written to CertificateSigningRequests."},
	{"officiant_relay_errors_total", "Tries that came to nothing and are made again, by what failed."},
}

// Asked, Answered, Wrote and Failed count one.
func (c *Counts) Asked() { c.add("officiant_relay_asked_total", "") }
func (c *Counts) Answered(state, reason string, took time.Duration) {
	c.add("officiant_relay_answers_total", fmt.Sprintf("{state=%q,reason=%q}", state, reason))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seconds += took.Seconds()
	i, _ := slices.BinarySearch(buckets, took.Seconds())
	c.latency[i]++
}
func (c *Counts) Wrote(what string) {
	c.add("officiant_relay_written_total", fmt.Sprintf("{what=%q}", what))
}
func (c *Counts) Failed(at string) { c.add("officiant_relay_errors_total", fmt.Sprintf("{at=%q}", at)) }

func (c *Counts) add(name, labels string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counters == nil {
		c.counters = map[string]map[string]int64{}
	}
	of := c.counters[name]
	if of == nil {
		of = map[string]int64{}
		c.counters[name] = of
	}
	if _, ok := of[labels]; !ok && len(of) >= maxSeries {
		labels = other(labels)
	}
	of[labels]++
}

// other keeps the names of labels, and no value.
func other(labels string) string {
	parts := strings.Split(strings.Trim(labels, "{}"), ",")
	for i, p := range parts {
		name, _, _ := strings.Cut(p, "=")
		parts[i] = name + `="other"`
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// Gauge is a value of the moment.
type Gauge struct {
	Name, Help string
	Value      float64
}

// Write writes counters, the histogram of answers, and gauges.
func (c *Counts) Write(w io.Writer, gauges []Gauge) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range counters {
		head(w, k.name, "counter", k.help)
		if k.name == "officiant_relay_asked_total" && c.counters[k.name] == nil {
			fmt.Fprintf(w, "%s 0\n", k.name)
		}
		for _, labels := range slices.Sorted(maps.Keys(c.counters[k.name])) {
			fmt.Fprintf(w, "%s%s %d\n", k.name, labels, c.counters[k.name][labels])
		}
	}
	head(w, "officiant_relay_answer_seconds", "histogram", "Time from a question to the signer's answer.")
	sum := int64(0)
	for i, n := range c.latency {
		bound := "+Inf"
		if i < len(buckets) {
			bound = number(buckets[i])
		}
		sum += n
		fmt.Fprintf(w, "officiant_relay_answer_seconds_bucket{le=%q} %d\n", bound, sum)
	}
	fmt.Fprintf(w, "officiant_relay_answer_seconds_sum %s\nofficiant_relay_answer_seconds_count %d\n",
		number(c.seconds), sum)
	for _, g := range gauges {
		head(w, g.Name, "gauge", g.Help)
		fmt.Fprintf(w, "%s %s\n", g.Name, number(g.Value))
	}
}

func head(w io.Writer, name, kind, help string) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
