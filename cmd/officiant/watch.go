package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"officiant/ceremony/preflight"
	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
)

func clockFlag(c *cobra.Command, text *string) {
	c.Flags().StringVar(text, "clock", "",
		"`TIME` on a witness's watch now, as \"2026-11-24 16:32\" in UTC or with an offset such as +0100")
}

// watchLayouts are how people may type a time.
var watchLayouts = []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02 15:04 -0700", "2006-01-02 15:04:05 -0700", time.RFC3339}

// readWatch reads the time on somebody's watch, now.
func (o *options) readWatch(text string) (preflight.Watch, error) {
	for _, layout := range watchLayouts {
		if at, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return preflight.Watch{Shows: at, Clock: o.Now()}, nil
		}
	}
	return preflight.Watch{}, exit.Usagef("%q is not a time such as \"2026-11-24 16:32\" (UTC) or \"2026-11-24 "+
		"17:32 +0100\"", text)
}

// watch is the time on a witness's watch: as the flag says, or asked at the
// terminal where the station's policy heeds the clock. An empty answer, and
// nobody there to answer, leaves it out.
func (o *options) watch(ctx context.Context, text string, st *station.Station) (preflight.Watch, error) {
	if text == "" && st.Preflight.Heeds("clock") {
		p := terminal.Prompter{In: o.Stdin, Out: o.Stderr}
		var err error
		text, err = p.Line(ctx, "A witness's watch says (UTC, as 2026-11-24 16:32): ")
		if err != nil && !errors.Is(err, terminal.ErrNoTerminal) {
			return preflight.Watch{}, err
		}
	}
	if text == "" {
		return preflight.Watch{}, nil
	}
	return o.readWatch(text)
}
