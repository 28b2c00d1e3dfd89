// Package yamltree reads YAML text into a tree, within limits that hold before
// it is parsed.
//
// The parser behind it takes some 300 bytes of memory for a byte of text, and
// time that grows with the square of the entries of a mapping, of the documents,
// and of the depth: 2 MB kept it busy for minutes. So the size of a text is checked
// first, and so are empty lines that follow each other. Then the text is cut into tokens,
// which takes linear time, and these are counted: entries of each mapping, keys of the
// whole, documents, depth. Whatever exceeds a limit is refused with its position and the
// number.
//
// A syntax error is reported where its cause is. An unclosed quote runs on
// to the next one, which may be an apostrophe in a comment far below. The position
// given is where the quote opens. No error repeats anything of the text but the name
// of a key, since the text may contain secrets.
package yamltree
