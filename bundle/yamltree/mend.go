package yamltree

import "github.com/goccy/go-yaml/token"

// mend joins what the tokenizer cuts at a colon with no space behind it inside of
// braces: {certSANs: [::1, fd00::a]} holds addresses, and no mappings (YAML 1.2
// section 7.3.3: a plain scalar goes on over ":" before a letter).
func mend(tokens token.Tokens) token.Tokens {
	braces, cut := 0, false
	var out token.Tokens
	for i := 0; i < len(tokens); i++ {
		tk := tokens[i]
		switch tk.Type {
		case token.MappingStartType:
			braces++
		case token.MappingEndType:
			braces--
		}
		if braces <= 0 || tk.Type != token.MappingValueType || i+1 >= len(tokens) || !adjacent(tk, tokens[i+1]) {
			out = append(out, tk)
			continue
		}
		value, begin := ":"+tokens[i+1].Value, tk
		if n := len(out); n > 0 && plain(out[n-1]) && adjacent(out[n-1], tk) {
			value, begin = out[n-1].Value+value, out[n-1]
			out = out[:n-1]
		} else if n == 0 || !opens(out[n-1]) { // a key in quotes may stand at its colon
			out = append(out, tk)
			continue
		}
		out = append(out, token.String(value, value, begin.Position))
		cut = true
		i++
	}
	if !cut {
		return tokens
	}
	for i, tk := range out {
		tk.Prev, tk.Next = nil, nil
		if i > 0 {
			tk.Prev, out[i-1].Next = out[i-1], tk
		}
	}
	return out
}

// plain says whether a token is a scalar without quotes.
func plain(tk *token.Token) bool {
	switch tk.Type {
	case token.StringType, token.IntegerType, token.FloatType, token.BoolType, token.NullType,
		token.HexIntegerType, token.OctetIntegerType, token.BinaryIntegerType:
		return true
	}
	return false
}

// opens says whether a value of a list may stand behind a token.
func opens(tk *token.Token) bool {
	return tk.Type == token.SequenceStartType || tk.Type == token.CollectEntryType
}

// adjacent says whether b, a colon or a plain scalar, begins where a ends.
func adjacent(a, b *token.Token) bool {
	return (plain(b) || b.Type == token.MappingValueType) && a.Position != nil && b.Position != nil &&
		a.Position.Line == b.Position.Line && a.Position.Column+len([]rune(a.Value)) == b.Position.Column
}
