package main

import (
	"context"
	"errors"
	"fmt"

	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/ceremony/quorum"
	"officiant/ceremony/station"
	"officiant/ceremony/transcript"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
	"officiant/signer"
)

// byShares is what people type at a PIN prompt when they have the PIN in shares.
const byShares = "shares"

// pinPrompt asks for PINs, typed or in shares, and keeps who had shares for the
// record of a ceremony.
type pinPrompt struct {
	*options
	ceremony fingerprint.SHA256 // its digest; zero when there is no record
	opened   []transcript.PINShares
}

// ask asks for a token's PIN on the terminal, naming the token.
func (p *pinPrompt) ask(ctx context.Context, d signer.Device) ([]byte, error) {
	prompter := terminal.Prompter{In: p.Stdin, Out: p.Stderr}
	pin, err := prompter.Secret(ctx, pinQuestion(d))
	if errors.Is(err, terminal.ErrNoTerminal) {
		return nil, fmt.Errorf("PIN of token %s: %w; the station's URI can name a pin-source", d.Label, err)
	}
	if err != nil || string(pin) != byShares || d.Officer {
		return pin, err
	}
	folder, err := prompter.Line(ctx, "Folder of the set: ")
	if err != nil {
		return nil, err
	}
	set, sealed, err := openSet(folder)
	if err != nil {
		return nil, err
	}
	if set.Token != d.Label && set.Token != d.Serial {
		return nil, refusedPIN(
			fmt.Errorf("the set in %s is for the PIN of token %s, and this is token %s, serial %s: no PIN was "+
				"tried", folder, set.Token, d.Label, d.Serial),
		)
	}
	return p.put(ctx, d, newShares(p.options, set), sealed)
}

// put puts a PIN together, and proves by whom.
func (p *pinPrompt) put(ctx context.Context, d signer.Device, s *shares, sealed []byte) ([]byte, error) {
	pin, c, err := s.openPIN(ctx, sealed)
	if err != nil {
		return nil, err
	}
	defer c.Clear()
	proofs, err := c.Prove(p.Rand, quorum.Opening(d.Label, d.Serial, p.ceremony))
	if err != nil {
		clear(pin)
		return nil, err
	}
	r := transcript.PINShares{Label: d.Label, Serial: d.Serial, Set: string(s.set.Text())}
	for _, proof := range proofs {
		r.Proofs = append(r.Proofs, transcript.PINProof{Index: proof.Index, Person: s.set.Person(proof.Index),
			Proof: proof.Text})
	}
	p.opened = append(p.opened, r)
	return pin, nil
}

// shared gives out what was put together since it was asked last.
func (p *pinPrompt) shared() []transcript.PINShares {
	out := p.opened
	p.opened = nil
	return out
}

// askPIN asks for a token's PIN on the terminal, naming the token.
func askPIN(o *options) signer.PINFunc { return (&pinPrompt{options: o}).ask }

// unseen opens tokens with a terminal that does not show what is typed until a PIN is
// asked for, which takes a while: people are quick. A token whose PIN comes from a
// pin-source asks nothing, and leaves alone what was typed for the shell.
func (o *options) unseen(open signer.Opener) signer.Opener {
	return func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
		if ask == nil || station.HasPINSource(ref.URI) {
			return open(ctx, ref, ask)
		}
		show := (&terminal.Prompter{In: o.Stdin, Out: o.Stderr}).Hide()
		defer show()
		return open(ctx, ref, func(ctx context.Context, d signer.Device) ([]byte, error) {
			show() // who has the PIN in shares is asked for more
			return ask(ctx, d)
		})
	}
}

// pinQuestion names the token a PIN is for, what for, and what the token tells of
// tries. It is two lines, of which the second is the question.
func pinQuestion(d signer.Device) string {
	tries, purpose := "no wrong PIN reported", "to log in"
	if d.PINWrong > 0 {
		tries = phrase.Count(d.PINWrong, "wrong PIN") + " as far as this machine knows"
	}
	if d.PINRecorded > 0 && d.PINRecorded >= d.PINWrong {
		tries = phrase.Count(d.PINRecorded, "wrong PIN") + " for this token on record"
	}
	if d.PINCountLow {
		tries = "a wrong PIN was entered before"
	}
	if d.PINFinalTry {
		tries = "FINAL TRY: a wrong PIN locks the token"
	}
	if d.Officer {
		return exit.Line(fmt.Sprintf("token %s, serial %s, %s", d.Label, d.Serial, d.Model)) + "\n" +
			"Management key, to create a key in its slot (48 hexadecimal digits): "
	}
	if d.PINFor != "" {
		purpose = "for one signature by " + d.PINFor
	}
	// What a token calls itself must not write a question of its own.
	return exit.Line(fmt.Sprintf("token %s, serial %s, %s", d.Label, d.Serial, d.Model)) + "\n" +
		exit.Line(fmt.Sprintf("PIN, %s (%s): ", purpose, tries))
}
